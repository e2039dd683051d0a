//! The route table: every method and path, the function that serves it, and the right it needs.
//!
//! Routers and the gateway's configuration are both tested against it.

use crate::access::policy::Action;

/// A deployed function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Create, update, delete, restore, roll back, search.
    Crud,
    /// Every read of one secret.
    DynamicRead,
    /// Signing in.
    Token,
}

impl Function {
    /// Its name: of the binary, and in the gateway.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crud => "crud",
            Self::DynamicRead => "dynamic-read",
            Self::Token => "token",
        }
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// HTTP method.
    pub method: &'static str,
    /// Path; `{path+}` is the rest of it, as a gateway writes that.
    pub path: &'static str,
    /// Who serves it.
    pub function: Function,
    /// The right it needs, and on what; `None` if it needs no token.
    pub needs: Option<(Action, &'static str)>,
}

const fn route(method: &'static str, path: &'static str, function: Function) -> Route {
    Route {
        method,
        path,
        function,
        needs: None,
    }
}

const fn needing(mut route: Route, action: Action, resource: &'static str) -> Route {
    route.needs = Some((action, resource));
    route
}

/// All of them. `PUT` also rolls back and restores, which need `update` and `delete`; `GET` also lists paths, which
/// needs `list` on `secrets`.
pub const ROUTES: &[Route] = &[
    route("POST", "/v1/token", Function::Token),
    route("GET", "/v1/heartbeat", Function::Token),
    route("GET", "/v1/.well-known/jwks.json", Function::Token),
    needing(
        route("GET", "/v1/secrets", Function::Crud),
        Action::List,
        "secrets",
    ),
    needing(
        route("POST", "/v1/secrets/{path+}", Function::Crud),
        Action::Create,
        "secrets:{path}",
    ),
    needing(
        route("PUT", "/v1/secrets/{path+}", Function::Crud),
        Action::Update,
        "secrets:{path}",
    ),
    needing(
        route("DELETE", "/v1/secrets/{path+}", Function::Crud),
        Action::Delete,
        "secrets:{path}",
    ),
    needing(
        route("GET", "/v1/secrets/{path+}", Function::DynamicRead),
        Action::Read,
        "secrets:{path}",
    ),
];
