//! The vault's config: the rules that stand above all policies, the admin's among them.

use http::StatusCode;
use mayfly::{
    access::{
        admin,
        document::{Object, PermissionDocument, Scope},
        heads,
        policy::Action,
        rules::Rules,
    },
    app::App,
    change::{Change, until_done},
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    store::schema::{CONFIG_NAME, Config, Head},
};
use serde_json::{Map, Value, json};

use crate::{
    policies::count,
    read,
    roles::fields,
    thing::{Thing, wire},
    write::open,
};

/// What a policy must grant for it; the config is one thing.
const RESOURCE: &str = "config";
/// The longest config in bytes of its JSON text.
const MAX_CONFIG: usize = 64 * 1024;

impl Thing for Config {
    fn name(_: &str) -> Result<String, Error> {
        Ok(CONFIG_NAME.to_owned())
    }

    fn wire(head: &Head<Self>, _: &Rules) -> Map<String, Value> {
        let stored = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        fields([
            ("permissionDocument", stored(&head.body.document)),
            ("settings", stored(&head.body.settings)),
            ("tenantName", json!("mayfly")),
        ])
    }

    async fn arrives(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        let (mut snapshot, epoch) = app.rules.read().await?;
        let document: PermissionDocument = serde_json::from_str(&head.body.document)
            .map_err(|_| Error::internal("the stored config is no permission document"))?;
        snapshot.config = document.rules();
        admin::stays(app, change, &snapshot, None).await?;
        count(app, change, &snapshot, &epoch)
    }
}

/// `GET /v1/config`
pub(crate) async fn get(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let opened = open(app, asked, [crate::thing::key::<Config>(CONFIG_NAME)]).await?;
    opened.caller.may(Action::Read, RESOURCE)?;
    let head = heads::live::<Config>(&opened.items, CONFIG_NAME, app.clock.now())?;
    Ok(Reply::json(
        StatusCode::OK,
        &wire(app, &head, opened.caller.rules()),
    ))
}

/// `GET /v1/config/version/{n}`
pub(crate) async fn versions(app: &App, asked: &Asked, count: u64) -> Result<Reply, Error> {
    read::versions_of::<Config>(app, asked, CONFIG_NAME, RESOURCE, count).await
}

/// `PUT /v1/config` and `POST /v1/config`: the new document replaces the old one. A version that is stated in it must
/// be the current one, so that two editors do not undo one another.
pub(crate) async fn put(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let sent = Fields::parse(&asked.body)?;
    let text = sent.text("config")?.unwrap_or_default();
    let object = Object::read("config", &text, sent.text("serialization")?.as_deref())?;
    let stated = object.version()?;
    let document = PermissionDocument::of(&object, Scope::Config)?;
    let settings = object.get("settings").cloned().unwrap_or_else(|| json!({}));
    let body = Config {
        document: text_of(&document)?,
        settings: text_of(&settings)?,
    };
    until_done(app, || async {
        let opened = open(app, asked, [crate::thing::key::<Config>(CONFIG_NAME)]).await?;
        opened.caller.may(Action::Update, RESOURCE)?;
        let old = heads::live::<Config>(&opened.items, CONFIG_NAME, app.clock.now())?;
        if stated.is_some_and(|stated| stated != old.version) {
            let current = old.version;
            let problem = format!("the config was changed meanwhile: its version is {current} now");
            return Err(Error::Conflict(problem));
        }
        crate::write::replace(app, asked, &opened, &old, body.clone()).await
    })
    .await
}

fn text_of(value: &impl serde::Serialize) -> Result<String, Error> {
    let text = serde_json::to_string(value).map_err(|error| Error::internal(error.to_string()))?;
    if text.len() > MAX_CONFIG {
        let problem = format!("must be at most {MAX_CONFIG} bytes long as JSON");
        return Err(Error::invalid("config", problem));
    }
    Ok(text)
}
