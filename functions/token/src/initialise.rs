//! `POST /v1/initialize`: the first admin as a user with a password, where the deployment lets a caller ask for it.

use mayfly::{
    access::password::{self, Password},
    app::{App, Setup},
    audit::Trail,
    clock::unix_millis,
    domain::{name::Name, principal::Principal},
    error::Error,
    http::{body::Fields, reply::Reply},
    store::{
        schema::{Head, Key, MarkRecord, MemberOf, User, UserRecord, new_stamp},
        writes::Only,
    },
};

use crate::seed::{SYSTEM, commit, seed};

/// Makes the first admin: on a vault that waits for one on this machine, or for whoever has the deployment's setup
/// code. Everybody else is told the same, whether or not there is an admin yet.
pub(crate) async fn initialise(app: &App, trail: &Trail, body: &[u8]) -> Result<Reply, Error> {
    let sent = Fields::parse(body)?;
    let allowed = match &app.setup {
        Setup::Closed => false,
        Setup::Open => true,
        Setup::Code(code) => sent
            .secret("setupCode")?
            .is_some_and(|stated| stated.is_same_as(code)),
    };
    if !allowed {
        return Err(Error::Forbidden);
    }
    let name = Name::parse("userName", &sent.text("userName")?.unwrap_or_default())?;
    let wanted = sent
        .secret("password")?
        .ok_or_else(|| Error::invalid("password", "is required"))?;
    let wanted = Password::new("password", wanted, name.as_str())?;
    let mark: Option<MarkRecord> = app.table.get(&Key::initialised()).await?;
    if mark.is_some() {
        return Err(Error::Refused(
            "this vault has had its first admin".to_owned(),
        ));
    }
    trail.claimed_by(Principal::user(name.as_str()).as_str(), "");
    // First what the vault is: nothing can be hashed before that.
    let mut change = seed(app, &Principal::user(name.as_str())).await?;
    let user = first_user(app, &name, &wanted).await?;
    change.push(app.table.write(&user, &Only::IfNew)?);
    commit(change, trail, "first admin made").await?;
    Ok(Reply::message("initialized"))
}

async fn first_user(app: &App, name: &Name, wanted: &Password) -> Result<UserRecord, Error> {
    let body = User {
        display_name: String::new(),
        stamp: new_stamp(),
        password: None,
        member_of: MemberOf::default(),
    };
    let mut user = Head::new(name.as_str(), body, SYSTEM, unix_millis(app.clock.now()));
    user.body.password = Some(password::make(app, user.id, wanted).await?);
    Ok(user)
}
