//! Users: what people act as.

use http::StatusCode;
use mayfly::{
    access::{
        admin, heads, lockout,
        password::{self, Password},
        policy::Action,
        rules::Rules,
    },
    app::App,
    change::{Change, until_done},
    clock::unix_millis,
    domain::{name::Name, principal::Principal, sensitive::Sensitive},
    error::Error,
    http::{asked::Asked, body::Fields, reply::Reply},
    store::schema::{Head, MemberOf, User, new_stamp},
};
use serde_json::{Map, Value, json};

use crate::{
    roles::{fields, groups, no_provider},
    thing::{Thing, key},
    write::{Opened, create, make_room, open, open_for, replace},
};

/// The longest display name in bytes.
const MAX_DISPLAY_NAME: usize = 256;

impl Thing for User {
    fn name(text: &str) -> Result<String, Error> {
        Ok(Name::parse("name", text)?.as_str().to_owned())
    }

    fn wire(head: &Head<Self>, rules: &Rules) -> Map<String, Value> {
        fields([
            ("userName", json!(head.name)),
            ("displayName", json!(head.body.display_name)),
            ("provider", json!("")),
            ("externalId", json!("")),
            ("groups", groups(&head.body.member_of, rules)),
        ])
    }

    async fn leaves(app: &App, change: &mut Change<'_>, head: &Head<Self>) -> Result<(), Error> {
        admin::may_go(app, change, &Principal::user(&head.name)).await
    }
}

/// `POST /v1/users`
pub(crate) async fn post(app: &App, asked: &Asked) -> Result<Reply, Error> {
    let sent = Fields::parse(&asked.body)?;
    let name = Name::parse("userName", &sent.text("userName")?.unwrap_or_default())?;
    let name = name.as_str();
    let display_name = display_name(&sent)?.unwrap_or_default();
    no_provider(&sent)?;
    let password = new_password(&sent, "password", name)?
        .ok_or_else(|| Error::invalid("password", "must be given: the user signs in with it"))?;
    until_done(app, || async {
        let opened = open_for::<User>(app, asked, name, Action::Create).await?;
        let taken = "a security principal with this name already exists";
        make_room::<User>(app, &opened.items, name, taken).await?;
        let body = User {
            display_name: display_name.clone(),
            stamp: new_stamp(),
            password: None,
            member_of: MemberOf::default(),
        };
        let by = opened.caller.principal.as_str();
        let mut head = Head::new(name, body, by, unix_millis(app.clock.now()));
        head.body.password = Some(password::make(app, head.id, &password).await?);
        create(app, asked, &opened, Change::new(app), &head).await
    })
    .await
}

/// `PUT /v1/users/{name}`: a new password ends all that the old one began.
pub(crate) async fn put(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = User::name(name)?;
    let sent = Fields::parse(&asked.body)?;
    let display_name = display_name(&sent)?;
    let password = new_password(&sent, "password", &name)?;
    until_done(app, || async {
        let opened = open_for::<User>(app, asked, &name, Action::Update).await?;
        let old = heads::live::<User>(&opened.items, &name, app.clock.now())?;
        let mut body = old.body.clone();
        if let Some(display_name) = &display_name {
            body.display_name.clone_from(display_name);
        }
        if let Some(password) = &password {
            body.password = Some(password::make(app, old.id, password).await?);
            body.stamp = new_stamp();
        }
        replace(app, asked, &opened, &old, body).await
    })
    .await
}

/// `POST /v1/users/{name}/password`: for the user alone, who must know the current one.
pub(crate) async fn change_password(app: &App, asked: &Asked, name: &str) -> Result<Reply, Error> {
    let name = User::name(name)?;
    let sent = Fields::parse(&asked.body)?;
    let current = sent
        .secret("currentPassword")?
        .ok_or_else(|| Error::invalid("currentPassword", "must be given"))?;
    let new = new_password(&sent, "newPassword", &name)?
        .ok_or_else(|| Error::invalid("newPassword", "must be given"))?;
    let (_, user) = oneself(app, asked, &name).await?;
    check(app, asked, &user, &current).await?;
    let made = password::make(app, user.id, &new).await?;
    until_done(app, || async {
        // If the password was changed meanwhile, the token counts no more.
        let (opened, old) = oneself(app, asked, &name).await?;
        let mut body = old.body.clone();
        body.password = Some(made.clone());
        body.stamp = new_stamp();
        let mut change = Change::new(app);
        let by = opened.caller.principal.as_str();
        heads::replace(&mut change, app, &old, body, by)?;
        let status = StatusCode::OK.as_u16();
        let done = change.commit(&asked.trail, status, "password changed");
        done.await?
            .try_map(|()| Ok(Reply::message("password changed; sign in again")))
    })
    .await
}

/// The caller, who must be the user called `name`.
async fn oneself(app: &App, asked: &Asked, name: &str) -> Result<(Opened, Head<User>), Error> {
    let opened = open(app, asked, [key::<User>(name)]).await?;
    if opened.caller.principal != Principal::user(name) {
        return Err(Error::Forbidden);
    }
    let user = heads::live::<User>(&opened.items, name, app.clock.now())?;
    Ok((opened, user))
}

/// Refuses a wrong password as signing in does. It counts for the lock like any other try.
async fn check(
    app: &App,
    asked: &Asked,
    user: &Head<User>,
    current: &Sensitive,
) -> Result<(), Error> {
    let attempt = lockout::reserve(app, &user.name, asked.identity.source).await?;
    if attempt.is_right(app, Some(user), current).await? {
        attempt.settle(app).await;
        return Ok(());
    }
    let why = if attempt.is_admitted() {
        "the current password is wrong"
    } else {
        "refused: too many failures lately"
    };
    let status = StatusCode::UNAUTHORIZED.as_u16();
    asked.trail.write(app, status, why, None).await?;
    Err(Error::Unauthenticated)
}

/// A password to be, checked. An empty one is none.
fn new_password(sent: &Fields<'_>, field: &str, user: &str) -> Result<Option<Password>, Error> {
    sent.secret(field)?
        .filter(|text| !text.is_empty())
        .map(|text| Password::new(field, text, user))
        .transpose()
}

/// `displayName`, checked.
fn display_name(sent: &Fields<'_>) -> Result<Option<String>, Error> {
    let text = sent.text("displayName")?;
    let long = |text: &String| text.len() > MAX_DISPLAY_NAME;
    if text.as_ref().is_some_and(long) {
        let problem = format!("must be at most {MAX_DISPLAY_NAME} bytes long");
        return Err(Error::invalid("displayName", problem));
    }
    Ok(text)
}
