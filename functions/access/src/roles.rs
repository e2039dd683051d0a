//! Roles: what machines act as.

use mayfly::{
    access::{admin, heads, policy::Action, rules::Rules},
    app::App,
    change::{Change, until_done},
    clock::unix_millis,
    domain::{name::Name, principal::Principal},
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    store::schema::{Head, MemberOf, Role, new_stamp},
};
use serde_json::{Map, Value, json};

use crate::{
    thing::Thing,
    write::{create, make_room, open_for, replace},
};

/// The longest description in bytes.
pub(crate) const MAX_DESCRIPTION: usize = 1024;

impl Thing for Role {
    fn name(text: &str) -> Result<String, Error> {
        Ok(Name::parse("name", text)?.as_str().to_owned())
    }

    fn wire(head: &Head<Self>, rules: &Rules) -> Map<String, Value> {
        fields([
            ("name", json!(head.name)),
            ("description", json!(head.body.description)),
            ("provider", json!("")),
            ("externalId", json!("")),
            ("groups", groups(&head.body.member_of, rules)),
        ])
    }

    async fn leaves(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        admin::may_go(app, change, &Principal::role(&head.name)).await
    }
}

/// What an answer has.
pub(crate) fn fields<const N: usize>(all: [(&str, Value); N]) -> Map<String, Value> {
    all.into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The names of the live groups of a principal; null if there is none.
pub(crate) fn groups(member_of: &MemberOf, rules: &Rules) -> Value {
    let names = rules.groups_of(member_of);
    let names: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_prefix("groups:"))
        .collect();
    if names.is_empty() {
        Value::Null
    } else {
        json!(names)
    }
}

/// `POST /v1/roles`
pub(crate) async fn post(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let sent = Fields::parse(&asked.body)?;
    let name = Role::name(&sent.text("name")?.unwrap_or_default())?;
    let description = description(&sent)?.unwrap_or_default();
    no_provider(&sent)?;
    until_done(app, || async {
        let opened = open_for::<Role>(app, asked, &name, Action::Create).await?;
        let taken = "a role with this name already exists";
        make_room::<Role>(app, &opened.items, &name, taken).await?;
        let body = Role {
            description: description.clone(),
            stamp: new_stamp(),
            member_of: MemberOf::default(),
        };
        let by = opened.caller.principal.as_str();
        let head = Head::new(&name, body, by, unix_millis(app.clock.now()));
        create(app, asked, &opened, Change::new(app), &head).await
    })
    .await
}

/// `PUT /v1/roles/{name}`
pub(crate) async fn put(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = Role::name(name)?;
    let sent = Fields::parse(&asked.body)?;
    let description = description(&sent)?;
    no_provider(&sent)?;
    until_done(app, || async {
        let opened = open_for::<Role>(app, asked, &name, Action::Update).await?;
        let old = heads::live::<Role>(&opened.items, &name, app.clock.now())?;
        let mut body = old.body.clone();
        if let Some(description) = &description {
            body.description.clone_from(description);
        }
        replace(app, asked, &opened, &old, body).await
    })
    .await
}

/// `description`, checked.
pub(crate) fn description(sent: &Fields<'_>) -> Result<Option<String>, Error> {
    let text = sent.text("description")?;
    if text
        .as_ref()
        .is_some_and(|text| text.len() > MAX_DESCRIPTION)
    {
        let problem = format!("must be at most {MAX_DESCRIPTION} bytes long");
        return Err(Error::invalid("description", problem));
    }
    Ok(text)
}

/// Who signs in elsewhere needs an authentication provider; this vault has none.
pub(crate) fn no_provider(sent: &Fields<'_>) -> Result<(), Error> {
    let named = |name| -> Result<Option<String>, Error> {
        Ok(sent.text(name)?.filter(|text| !text.is_empty()))
    };
    match (named("provider")?, named("externalId")?) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Error::invalid(
            "externalId",
            "provider is required with an externalId",
        )),
        (Some(_), _) => Err(Error::invalid(
            "provider",
            "unable to find authentication provider",
        )),
    }
}
