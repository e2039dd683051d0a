//! What calls of the table take of it, in the units that DynamoDB bills.

use anyhow::Context as _;
use mayfly_tests::{Vault, wire::Call};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// Request units.
#[derive(Default)]
pub(crate) struct Units {
    pub(crate) read: f64,
    pub(crate) write: f64,
}

/// What `calls` have taken, as the table itself counts it: each is made once more, and told to say.
pub(crate) fn taken(vault: &Vault, calls: &[Call]) -> anyhow::Result<Units> {
    let (table, mut units) = (&vault.database, Units::default());
    for call in calls {
        let body = call.body.as_str();
        match call.operation.as_str() {
            "BatchGetItem" => units.read += told(&table.batch_get_item(asked(body)?)?)?,
            "GetItem" => units.read += told(&table.get_item(asked(body)?)?)?,
            "Query" => units.read += told(&table.query(asked(body)?)?)?,
            "PutItem" => units.write += told(&table.put_item(asked(&another(body)?)?)?)?,
            "UpdateItem" | "DeleteItem" | "TransactWriteItems" => {
                anyhow::bail!("{} cannot be made once more", call.operation)
            }
            _ => {}
        }
    }
    Ok(units)
}

/// The same item under another key of the same length: writing it where it is would leave the indexes alone.
fn another(body: &str) -> anyhow::Result<String> {
    let mut body: Value = serde_json::from_str(body)?;
    let sort = body.pointer_mut("/Item/sk/S").context("no sort key")?;
    let rest: String = sort.as_str().unwrap_or_default().chars().skip(1).collect();
    *sort = json!(format!("~{rest}"));
    Ok(body.to_string())
}

fn asked<T: DeserializeOwned>(body: &str) -> anyhow::Result<T> {
    let mut body: Value = serde_json::from_str(body)?;
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    Ok(serde_json::from_value(body)?)
}

fn told(answer: &impl Serialize) -> anyhow::Result<f64> {
    let consumed = serde_json::to_value(answer)?["ConsumedCapacity"].take();
    let tables = match consumed {
        Value::Array(tables) => tables,
        table => vec![table],
    };
    let units = tables.iter().map(|table| table["CapacityUnits"].as_f64());
    units.sum::<Option<f64>>().context("no units were told")
}
