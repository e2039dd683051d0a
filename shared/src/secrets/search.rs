//! Searching the vault's secrets, or those in one home.

use http::StatusCode;
use serde_json::Value;

use crate::{
    app::App,
    domain::{location::Place, principal::Principal, sensitive::Sensitive},
    error::Error,
    http::{asked::Asked, reply::Reply, wire},
    seal::Purpose,
    secrets::{criteria::Criteria, locate, stored},
    store::{
        cursor::{self, Position},
        schema::SecretSummary,
        search::{Walk, page},
    },
};

/// Answers descriptions, never data. The right to list is asked on the vault's secrets, or on `owner`'s home, as a
/// whole.
pub async fn search(app: &App, asked: &Asked, owner: Option<&Principal>) -> Result<Reply, Error> {
    let criteria = Criteria::read(&asked.query)?;
    let (caller, place) = locate::list(app, &asked.identity, &asked.trail, owner).await?;
    let entity = place.indexed();

    let who = &caller.principal;
    let query = format!("{entity}\n{}", criteria.query);
    let position = match &criteria.cursor {
        Some(cursor) => {
            Some(cursor::decode(&app.sealer, Purpose::Secret, cursor, &query, who).await?)
        }
        None => None,
    };
    let seen = position.as_ref().map_or(0, |position| position.seen);
    let walk = Walk {
        index: criteria.index,
        entity: &entity,
        prefix: criteria.prefix.clone(),
        whole: criteria.whole,
        descending: criteria.descending,
        after: position.map(|position| position.last),
    };
    let page = page(
        &app.table,
        &walk,
        criteria.limit,
        |summary: &SecretSummary| criteria.matches(summary),
    )
    .await?;

    let shown = seen + page.found.len();
    let (cursor, total) = match page.next {
        Some(last) => {
            let position = Position { last, seen: shown };
            (
                cursor::encode(&app.sealer, Purpose::Secret, &position, &query, who).await?,
                shown + 1,
            )
        }
        None => (String::new(), shown),
    };
    let items = described(&page.found, &place)?;
    Ok(envelope(&items, &cursor, &criteria, total))
}

fn described(found: &[SecretSummary], place: &Place) -> Result<Vec<Sensitive>, Error> {
    let describe = |summary| wire::secret(&stored::describe_summary(summary, place)?, None);
    found.iter().map(describe).collect()
}

/// `{"cursor","data","length","limit","sort","total"}`; `total` is exact on the last page, else what was seen plus one.
fn envelope(items: &[Sensitive], cursor: &str, criteria: &Criteria, total: usize) -> Reply {
    #[expect(clippy::disallowed_methods, reason = "reply: descriptions, no data")]
    let items: Vec<&str> = items.iter().map(Sensitive::expose).collect();
    let body = format!(
        r#"{{"cursor":{},"data":[{}],"length":{},"limit":{},"sort":"{}","total":{total}}}"#,
        Value::from(cursor),
        items.join(","),
        items.len(),
        criteria.limit,
        criteria.sort,
    );
    Reply::secret(StatusCode::OK, Sensitive::new(body))
}
