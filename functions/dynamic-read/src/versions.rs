//! `GET /v1/secrets/{path}/version/{n}`, `GET /v1/home/{principal}/{path}/version/{n}`

use http::StatusCode;
use mayfly::{
    access::{caller::Identity, policy::Action},
    app::App,
    audit::Trail,
    domain::{secret::MAX_VERSIONS, sensitive::Sensitive},
    error::Error,
    http::{reply::Reply, wire},
    metrics::Kind,
    secrets::{
        locate::{Target, locate},
        stored,
    },
    store::{
        schema::{Key, SecretRecord},
        table::Range,
    },
};

/// The largest answer in bytes; Lambda's own limit is 6 MB.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// The current version and the `count` before it, newest first, as they were stored. Mints nothing.
pub(crate) async fn versions(
    app: &App,
    identity: &Identity,
    trail: &Trail,
    target: &Target,
    count: u64,
) -> Result<Reply, Error> {
    trail.reads(Kind::Static);
    let located = locate(app, identity, trail, target, Action::Read).await?;
    let head = stored::live(located.head()?, app.clock.now())?;
    let earlier = earlier(app, &head, count).await?;

    let mut items: Vec<Sensitive> = Vec::new();
    let mut length = 0;
    for record in std::iter::once(head).chain(earlier) {
        let content = stored::open(&app.sealer, &record).await?;
        let item = wire::secret(&stored::describe(&record)?, Some(&content.data))?;
        length += item.len() + 1;
        if length > MAX_ANSWER {
            let fits = items.len().saturating_sub(1);
            return Err(Error::invalid(
                "version",
                format!("asks for more than 4 MB; the largest that fits is {fits}"),
            ));
        }
        items.push(item);
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the caller may read this secret"
    )]
    let items: Vec<&str> = items.iter().map(Sensitive::expose).collect();
    let body = format!(r#"{{"data":[{}]}}"#, items.join(","));
    Ok(Reply::secret(StatusCode::OK, Sensitive::new(body)))
}

async fn earlier(app: &App, head: &SecretRecord, count: u64) -> Result<Vec<SecretRecord>, Error> {
    let limit = usize::try_from(count.min(MAX_VERSIONS)).unwrap_or(usize::MAX);
    if limit == 0 {
        return Ok(Vec::new());
    }
    let prefix = Key::version_prefix(head.id);
    let to = format!("{prefix}~");
    let range = Range {
        index: None,
        partition: &head.key.pk,
        from: &prefix,
        to: &to,
        descending: true,
        limit,
    };
    app.table.query(range).await
}
