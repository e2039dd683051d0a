//! Policies: who may do what, each within its own path.

use mayfly::{
    access::{
        admin,
        document::{Object, PermissionDocument, Scope},
        heads,
        policy::Action,
        rules::Rules,
        snapshot::Snapshot,
    },
    app::App,
    change::{Change, until_done},
    clock::unix_millis,
    domain::policy_path::PolicyPath,
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    store::schema::{Head, MAX_POLICY, Policy},
};
use serde_json::{Map, Value, json};

use crate::{
    read::version,
    roles::fields,
    thing::Thing,
    write::{create, make_room, open_for, replace},
};

/// How many policies a vault can have.
const MAX_POLICIES: usize = 1000;

impl Thing for Policy {
    fn name(text: &str) -> Result<String, Error> {
        text.parse().map(|path: PolicyPath| path.to_string())
    }

    fn wire(head: &Head<Self>, _: &Rules) -> Map<String, Value> {
        let document = document(head).map_or(Value::Null, |document| json!(document));
        fields([("path", json!(head.name)), ("permissionDocument", document)])
    }

    /// The rules of a policy count, or its new ones in place of its old ones.
    async fn arrives(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        let (mut snapshot, epoch) = app.rules.read().await?;
        let rules = document(head)?.rules();
        let policies = &mut snapshot.policies;
        if policies.insert(head.name.clone(), rules).is_none() && policies.len() > MAX_POLICIES {
            let problem = format!("a vault can have at most {MAX_POLICIES} policies");
            return Err(Error::Refused(problem));
        }
        admin::stays(app, change, &snapshot, Some(&head.name)).await?;
        count(app, change, &snapshot, &epoch)
    }

    async fn leaves(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        let (mut snapshot, epoch) = app.rules.read().await?;
        if snapshot.policies.remove(&head.name).is_none() {
            return Ok(());
        }
        count(app, change, &snapshot, &epoch)
    }
}

/// Makes `snapshot` the rules, if they are still those of `epoch`.
pub(crate) fn count(
    app: &App,
    change: &mut Change<'_>,
    snapshot: &Snapshot,
    epoch: &str,
) -> Result<(), Error> {
    change.extend(snapshot.writes(&app.table, Some(epoch))?);
    Ok(())
}

fn document(head: &Head<Policy>) -> Result<PermissionDocument, Error> {
    serde_json::from_str(&head.body.document)
        .map_err(|_| Error::internal("a stored policy is no permission document"))
}

/// `POST /v1/config/policies`
pub(crate) async fn post(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let sent = Fields::parse(&asked.body)?;
    let path: PolicyPath = sent.text("path")?.unwrap_or_default().parse()?;
    path.creatable()?;
    let body = body(&sent, &path)?;
    until_done(app, || async {
        let name = path.as_str();
        let opened = open_for::<Policy>(app, asked, name, Action::Create).await?;
        let taken = "a policy at this path already exists";
        make_room::<Policy>(app, &opened.items, name, taken).await?;
        let by = opened.caller.principal.as_str();
        let head = Head::new(name, body.clone(), by, unix_millis(app.clock.now()));
        create(app, asked, &opened, Change::new(app), &head).await
    })
    .await
}

/// `PUT /v1/config/policies/{path}`: the new document replaces the old one.
pub(crate) async fn put(app: &App, asked: &Asked, path: &str) -> Result<Reply, Error> {
    let path: PolicyPath = path.parse()?;
    let body = body(&Fields::parse(&asked.body)?, &path)?;
    until_done(app, || async {
        let opened = open_for::<Policy>(app, asked, path.as_str(), Action::Update).await?;
        let old = heads::live::<Policy>(&opened.items, path.as_str(), app.clock.now())?;
        replace(app, asked, &opened, &old, body.clone()).await
    })
    .await
}

/// `PUT /v1/config/policies/{path}/rollback/{n}`: writes an earlier version again, as a new one.
pub(crate) async fn roll_back(
    app: &App,
    asked: &Asked,
    path: &str,
    number: u64,
) -> Result<Reply, Error> {
    let path: PolicyPath = path.parse()?;
    until_done(app, || async {
        let opened = open_for::<Policy>(app, asked, path.as_str(), Action::Update).await?;
        let old = heads::live::<Policy>(&opened.items, path.as_str(), app.clock.now())?;
        let earlier = version(app, &old, number).await?;
        replace(app, asked, &opened, &old, earlier.body).await
    })
    .await
}

/// What a body says a policy is.
fn body(sent: &Fields<'_>, path: &PolicyPath) -> Result<Policy, Error> {
    let text = sent.text("policy")?.unwrap_or_default();
    let object = Object::read("policy", &text, sent.text("serialization")?.as_deref())?;
    let document = PermissionDocument::of(&object, Scope::Policy(path))?;
    let document =
        serde_json::to_string(&document).map_err(|error| Error::internal(error.to_string()))?;
    if document.len() > MAX_POLICY {
        let problem = format!("must be at most {MAX_POLICY} bytes long as JSON");
        return Err(Error::invalid("policy", problem));
    }
    Ok(Policy { document })
}
