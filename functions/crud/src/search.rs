//! `GET /v1/secrets`

use http::StatusCode;
use mayfly::{
    access::{caller, policy::Action},
    app::App,
    domain::sensitive::Sensitive,
    error::Error,
    http::{asked::Asked, reply::Reply, wire},
    secrets::stored,
    store::{
        cursor::{self, Position},
        schema::{SECRET, SecretSummary},
        search::{Walk, page},
    },
};
use serde_json::Value;

use crate::criteria::Criteria;

/// Answers descriptions, never data. The right to list is global: it is asked on `secrets` as a whole.
pub(crate) async fn search(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let criteria = Criteria::read(&asked.query)?;
    let (caller, _) = caller::open(app, &asked.identity, []).await?;
    asked.trail.acted_by(&caller);
    caller.may(Action::List, "secrets")?;

    let who = &caller.principal;
    let position = match &criteria.cursor {
        Some(cursor) => Some(cursor::decode(&app.sealer, cursor, &criteria.query, who).await?),
        None => None,
    };
    let seen = position.as_ref().map_or(0, |position| position.seen);
    let walk = Walk {
        index: criteria.index,
        entity: SECRET,
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
                cursor::encode(&app.sealer, &position, &criteria.query, who).await?,
                shown + 1,
            )
        }
        None => (String::new(), shown),
    };
    envelope(&page.found, &cursor, criteria.limit, criteria.sort, total)
}

/// `{"cursor","data","length","limit","sort","total"}`; `total` is exact on the last page, else what was seen plus one.
fn envelope(
    found: &[SecretSummary],
    cursor: &str,
    limit: usize,
    sort: &str,
    total: usize,
) -> Result<Reply, Error> {
    let mut items = Vec::with_capacity(found.len());
    for summary in found {
        items.push(wire::secret(&stored::describe_summary(summary)?, None)?);
    }
    #[expect(clippy::disallowed_methods, reason = "reply: descriptions, no data")]
    let items: Vec<&str> = items.iter().map(Sensitive::expose).collect();
    let body = format!(
        r#"{{"cursor":{},"data":[{}],"length":{},"limit":{limit},"sort":"{sort}","total":{total}}}"#,
        Value::from(cursor),
        items.join(","),
        found.len(),
    );
    Ok(Reply::secret(StatusCode::OK, Sensitive::new(body)))
}
