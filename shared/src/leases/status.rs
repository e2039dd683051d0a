//! `GET /v1/task/status/{id}`: how far the giving of a role, or a bulk revocation, is.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    access::{
        caller::{self, Identity},
        policy::{Action, secret_resource},
    },
    app::App,
    audit::Trail,
    clock::wire_nanos,
    error::Error,
    leases::{list::is_issued_to, store::Stored},
    store::schema::{Key, LeaseRecord, TaskRecord, TaskState},
};

/// The task as clients of the original read it. Whoever was issued its lease, or may read the lease's secret, is told;
/// everybody else, and whoever asks for a task that does not exist, the very same.
pub async fn status(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    task_id: &str,
) -> Result<Value, Error> {
    let id = task_id
        .strip_prefix("task_")
        .and_then(|id| Uuid::try_parse(id).ok())
        .filter(|id| format!("task_{id}") == task_id);
    let keys = id.map(|id| [Key::lease(id), Key::task_of(task_id)]);
    let (caller, items) = caller::open(app, identity, keys.iter().flatten().cloned()).await?;
    trail.acted_by(&caller);
    let Some([lease_key, task_key]) = keys else {
        return Err(Error::NotFound);
    };
    if let Some(Stored::Known(lease)) = items.record::<Stored<LeaseRecord>>(&lease_key)? {
        let resource = secret_resource(&lease.secret);
        let told = is_issued_to(&lease, &caller) || caller.has(Action::Read, &resource);
        let assignment = lease.assignment.as_ref().filter(|_| told);
        let assignment = assignment.ok_or(Error::NotFound)?;
        return Ok(wire(
            "azure_role_assignment",
            assignment.state,
            &Value::Null,
            &assignment.error,
            lease.life.created,
        ));
    }
    let task: Option<Stored<TaskRecord>> = items.record(&task_key)?;
    let Some(Stored::Known(task)) = task else {
        return Err(Error::NotFound);
    };
    let revocation = task.revokes.ok_or(Error::NotFound)?;
    if revocation.principal != caller.principal.to_string() {
        return Err(Error::NotFound);
    }
    let results = json!([{"type": "int64", "value": revocation.revoked}]);
    let created = task.created;
    Ok(wire(
        "lease_revocation",
        revocation.state,
        &results,
        "",
        created,
    ))
}

fn wire(name: &str, state: TaskState, results: &Value, error: &str, created: i64) -> Value {
    let nanos = i128::from(created) * 1_000_000;
    let created = time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    json!({
        "taskName": name,
        "state": state,
        "results": results,
        "error": error,
        "createdAt": wire_nanos(created),
    })
}
