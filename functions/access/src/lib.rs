//! Who there is, and who may do what: roles, users, groups, clients, policies, and the config above them.

mod bootstrap;
mod clients;
mod config;
mod delete;
mod groups;
mod members;
mod policies;
mod read;
mod roles;
mod search;
mod thing;
mod users;
mod write;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete as delete_, get, post, put},
};
use mayfly::{
    app::App,
    error::Error,
    http::asked::Asked,
    seal::Purpose,
    store::schema::{Client, Group, Policy, Role, User},
};

use crate::{search::Criteria, thing::Thing};

type Shared = State<Arc<App>>;

/// What this function may use branch keys for.
pub const PURPOSES: &[Purpose] = &[Purpose::Verifier];

/// The routes of this function.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/roles", get(list::<Role>).post(post_role))
        .route("/v1/roles/{name}", head::<Role>().put(put_role))
        .route("/v1/roles/{name}/version/{n}", get(versions::<Role>))
        .route("/v1/roles/{name}/restore", restoring::<Role>())
        .route("/v1/users", get(list::<User>).post(post_user))
        .route("/v1/users/{name}", head::<User>().put(put_user))
        .route("/v1/users/{name}/version/{n}", get(versions::<User>))
        .route("/v1/users/{name}/restore", restoring::<User>())
        .route("/v1/users/{name}/password", post(change_password))
        .route("/v1/users/{name}/groups", get(groups_of).post(join_groups))
        .route("/v1/groups", get(list::<Group>).post(post_group))
        .route("/v1/groups/{name}", get(read_group).delete(delete::<Group>))
        .route("/v1/groups/{name}/restore", restoring::<Group>())
        .route(
            "/v1/groups/{name}/members",
            post(add_members).delete(remove_members),
        )
        .route("/v1/clients", get(list_clients).post(post_client))
        .route("/v1/clients/{name}", head::<Client>())
        .route("/v1/clients/{name}/restore", restoring::<Client>())
        .route("/v1/clients/bootstrap/{code}", get(open_bootstrap))
        .route(
            "/v1/config",
            get(read_config).put(put_config).post(put_config),
        )
        .route("/v1/config/version/{n}", get(config_versions))
        .route("/v1/config/policies", get(list::<Policy>).post(post_policy))
        .route(
            "/v1/config/policies/{*path}",
            get(look_at_policy)
                .put(change_policy)
                .delete(delete::<Policy>),
        )
        .with_state(app)
}

/// What a thing with a name can always be asked.
fn head<T: Thing>() -> MethodRouter<Arc<App>> {
    get(read::<T>).merge(delete_(delete::<T>))
}

/// `PUT` is what clients send; those that were generated from the vendor's description send `GET`.
fn restoring<T: Thing>() -> MethodRouter<Arc<App>> {
    put(restore::<T>).get(restore::<T>)
}

async fn read<T: Thing>(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = read::read::<T>(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn delete<T: Thing>(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = delete::delete::<T>(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn restore<T: Thing>(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = delete::restore::<T>(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn versions<T: Thing>(
    State(app): Shared,
    Path((name, count)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    let outcome = match number(&count) {
        Ok(count) => read::versions::<T>(&app, &asked, &name, count).await,
        Err(error) => Err(error),
    };
    asked.answer(&app, outcome).await
}

async fn list<T: Thing>(State(app): Shared, asked: Asked) -> Response {
    let outcome = match Criteria::read::<T>(&asked.query) {
        Ok(criteria) => search::search::<T>(&app, &asked, criteria).await,
        Err(error) => Err(error),
    };
    asked.answer(&app, outcome).await
}

async fn post_role(State(app): Shared, asked: Asked) -> Response {
    let outcome = roles::post(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn put_role(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = roles::put(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn post_user(State(app): Shared, asked: Asked) -> Response {
    let outcome = users::post(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn put_user(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = users::put(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn change_password(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = users::change_password(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn groups_of(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = members::groups_of(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn join_groups(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = members::join_groups(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn post_group(State(app): Shared, asked: Asked) -> Response {
    let outcome = groups::post(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn read_group(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = groups::read(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn add_members(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = members::add(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn remove_members(State(app): Shared, Path(name): Path<String>, asked: Asked) -> Response {
    let outcome = members::remove(&app, &asked, &name).await;
    asked.answer(&app, outcome).await
}

async fn post_client(State(app): Shared, asked: Asked) -> Response {
    let outcome = clients::post(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn list_clients(State(app): Shared, asked: Asked) -> Response {
    let outcome = clients::list(&app, &asked).await;
    asked.answer(&app, outcome).await
}

/// Without a token: whoever has the address has what it hands out.
async fn open_bootstrap(
    State(app): Shared,
    Path(code): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    bootstrap::open(&app, &parts, &code).await.into_response()
}

async fn read_config(State(app): Shared, asked: Asked) -> Response {
    let outcome = config::get(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn put_config(State(app): Shared, asked: Asked) -> Response {
    let outcome = config::put(&app, &asked).await;
    asked.answer(&app, outcome).await
}

async fn config_versions(State(app): Shared, Path(count): Path<String>, asked: Asked) -> Response {
    let outcome = match number(&count) {
        Ok(count) => config::versions(&app, &asked, count).await,
        Err(error) => Err(error),
    };
    asked.answer(&app, outcome).await
}

async fn post_policy(State(app): Shared, asked: Asked) -> Response {
    let outcome = policies::post(&app, &asked).await;
    asked.answer(&app, outcome).await
}

/// A policy's path may have slashes, so what is asked of it stands at its end.
async fn look_at_policy(State(app): Shared, Path(path): Path<String>, asked: Asked) -> Response {
    let outcome = match tail(&path) {
        Tail::None => read::read::<Policy>(&app, &asked, &path).await,
        Tail::Restore(path) => delete::restore::<Policy>(&app, &asked, path).await,
        Tail::Version(path, count) => read::versions::<Policy>(&app, &asked, path, count).await,
        Tail::RollBack(..) => Err(Error::NoRoute),
    };
    asked.answer(&app, outcome).await
}

async fn change_policy(State(app): Shared, Path(path): Path<String>, asked: Asked) -> Response {
    let outcome = match tail(&path) {
        Tail::None => policies::put(&app, &asked, &path).await,
        Tail::Restore(path) => delete::restore::<Policy>(&app, &asked, path).await,
        Tail::RollBack(path, number) => policies::roll_back(&app, &asked, path, number).await,
        Tail::Version(..) => Err(Error::NoRoute),
    };
    asked.answer(&app, outcome).await
}

/// What a policy's URL asks for after the path.
enum Tail<'a> {
    None,
    Version(&'a str, u64),
    RollBack(&'a str, u64),
    Restore(&'a str),
}

fn tail(path: &str) -> Tail<'_> {
    let Some((before, last)) = path.rsplit_once('/') else {
        return Tail::None;
    };
    if last == "restore" {
        return Tail::Restore(before);
    }
    match (before.rsplit_once('/'), number(last)) {
        (Some((before, "version")), Ok(count)) => Tail::Version(before, count),
        (Some((before, "rollback")), Ok(number)) => Tail::RollBack(before, number),
        _ => Tail::None,
    }
}

fn number(text: &str) -> Result<u64, Error> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let wrong = || Error::invalid("version", "must be a whole number");
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(wrong)
}
