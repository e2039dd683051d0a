//! What this function is invoked with.

use mayfly::error::Error;
use serde_json::Value;

/// Says in a record of a batch that it is of a table's stream.
const STREAM: &str = "aws:dynamodb";
/// Says in an event of `EventBridge` that a schedule has sent it.
const SCHEDULED: &str = "Scheduled Event";

/// An event that this function takes.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// Records of the table's stream; nothing is known of any of them yet.
    Stream(Vec<Value>),
    /// It is time to sweep.
    Sweep,
    /// Branch keys are to be replaced now.
    Rotate,
    /// It is time to look for strays, and to delete them if told to.
    Reconcile {
        /// Whether to delete.
        delete: bool,
    },
}

impl Event {
    pub(crate) fn read(event: Value) -> Result<Self, Error> {
        if event.get("requestContext").is_some() || event.get("httpMethod").is_some() {
            return Err(Error::invalid("event", "this function takes no HTTP"));
        }
        let word = |name: &str| event.get(name).and_then(Value::as_str);
        if word("mayfly") == Some("sweep") || word("detail-type") == Some(SCHEDULED) {
            return Ok(Self::Sweep);
        }
        if word("mayfly") == Some("rotate") {
            return Ok(Self::Rotate);
        }
        if word("mayfly") == Some("reconcile") {
            let delete = event.get("delete").unwrap_or(&Value::Bool(false));
            let delete = delete
                .as_bool()
                .ok_or_else(|| Error::invalid("event.delete", "must be true or false"))?;
            return Ok(Self::Reconcile { delete });
        }
        match event {
            Value::Object(mut fields) => match fields.remove("Records") {
                Some(Value::Array(records)) if is_stream(&records) => Ok(Self::Stream(records)),
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}

/// Whether a batch is of a table's stream: one record that cannot be read does not make it something else.
fn is_stream(records: &[Value]) -> bool {
    records.is_empty() || records.iter().any(|record| record["eventSource"] == STREAM)
}

fn unknown() -> Error {
    Error::invalid(
        "event",
        "must be a batch of the table's stream, a scheduled event of EventBridge, {\"mayfly\": \"sweep\"}, \
         {\"mayfly\": \"reconcile\", \"delete\": false} or {\"mayfly\": \"rotate\"}",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schedules_and_streams_are_taken() {
        for sweep in [
            json!({"mayfly": "sweep"}),
            json!({"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}),
        ] {
            assert_eq!(Event::read(sweep).unwrap(), Event::Sweep);
        }
        for records in [
            json!([]),
            json!([{"eventSource": STREAM}]),
            json!([7, {"eventSource": STREAM}, {"eventSource": "?"}]),
        ] {
            let event = Event::read(json!({ "Records": records })).unwrap();
            assert_eq!(event, Event::Stream(records.as_array().unwrap().clone()));
        }
    }

    #[test]
    fn branch_keys_are_replaced_when_somebody_says_so() {
        let rotate = json!({"mayfly": "rotate"});
        assert_eq!(Event::read(rotate).unwrap(), Event::Rotate);
    }

    #[test]
    fn strays_are_deleted_only_if_told_to() {
        for (event, delete) in [
            (json!({"mayfly": "reconcile"}), false),
            (json!({"mayfly": "reconcile", "delete": false}), false),
            (json!({"mayfly": "reconcile", "delete": true}), true),
        ] {
            assert_eq!(Event::read(event).unwrap(), Event::Reconcile { delete });
        }
        let wrong = json!({"mayfly": "reconcile", "delete": "no"});
        let error = Event::read(wrong).unwrap_err().to_string();
        assert_eq!(error, "event.delete: must be true or false");
    }

    #[test]
    fn everything_else_is_refused() {
        for event in [
            json!(null),
            json!(7),
            json!("sweep"),
            json!([]),
            json!({}),
            json!({"mayfly": "sleep"}),
            json!({"mayfly": true}),
            json!({"Records": {}}),
            json!({"Records": [{"eventSource": "aws:sqs"}]}),
            json!({"detail-type": "EC2 Instance State-change Notification"}),
        ] {
            let error = Event::read(event.clone()).unwrap_err().to_string();
            assert!(error.starts_with("event: must be"), "{event}: {error}");
        }
        for event in [
            json!({"requestContext": {}, "mayfly": "sweep"}),
            json!({"httpMethod": "POST", "Records": []}),
        ] {
            let error = Event::read(event).unwrap_err().to_string();
            assert_eq!(error, "event: this function takes no HTTP");
        }
    }
}
