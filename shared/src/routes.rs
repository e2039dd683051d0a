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
    /// Who there is, and who may do what.
    Access,
}

impl Function {
    /// Its name: of the binary, and in the gateway.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crud => "crud",
            Self::DynamicRead => "dynamic-read",
            Self::Token => "token",
            Self::Access => "access",
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

impl Route {
    /// The row that takes this request.
    pub fn of(method: &str, path: &str) -> Option<&'static Self> {
        let mut rows = ROUTES.iter();
        rows.find(|route| route.method == method && route.takes(path))
    }

    /// Whether it takes `path`, as a gateway decides that; a slash at the end means nothing.
    pub fn takes(&self, path: &str) -> bool {
        let mut given = path.split('/').filter(|segment| !segment.is_empty());
        for wanted in self.path.split('/').filter(|segment| !segment.is_empty()) {
            let Some(segment) = given.next() else {
                return false;
            };
            if wanted.ends_with("+}") {
                return true;
            }
            if wanted != segment && !wanted.starts_with('{') {
                return false;
            }
        }
        given.next().is_none()
    }
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

const fn access(
    method: &'static str,
    path: &'static str,
    action: Action,
    resource: &'static str,
) -> Route {
    needing(route(method, path, Function::Access), action, resource)
}

/// All of them. `PUT` also rolls back and restores, which need `update` and `delete`; `GET` also lists paths, which
/// needs `list` on `secrets`, and checks, which needs `update`. Whoever was issued a lease may see and revoke it, and ask
/// for its task, without a right. One's own home needs no right; another's, as a whole, is searched and listed with `list` on
/// `home:{principal}`.
pub const ROUTES: &[Route] = &[
    route("POST", "/v1/token", Function::Token),
    route("POST", "/v1/revoke/{refreshtoken}", Function::Token),
    route("POST", "/v1/initialize", Function::Token),
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
    needing(
        route("POST", "/v1/home/{path+}", Function::Crud),
        Action::Create,
        "home:{path}",
    ),
    needing(
        route("PUT", "/v1/home/{path+}", Function::Crud),
        Action::Update,
        "home:{path}",
    ),
    needing(
        route("DELETE", "/v1/home/{path+}", Function::Crud),
        Action::Delete,
        "home:{path}",
    ),
    needing(
        route("GET", "/v1/home/{path+}", Function::DynamicRead),
        Action::Read,
        "home:{path}",
    ),
    needing(
        route("GET", "/v1/leases", Function::DynamicRead),
        Action::List,
        "leases",
    ),
    needing(
        route("POST", "/v1/leases/revoke", Function::DynamicRead),
        Action::Delete,
        "leases:{prefix}",
    ),
    needing(
        route("POST", "/v1/leases/{id}/revoke", Function::DynamicRead),
        Action::Delete,
        "leases:{secret}",
    ),
    needing(
        route("GET", "/v1/task/status/{id}", Function::DynamicRead),
        Action::Read,
        "secrets:{path}",
    ),
    access("GET", "/v1/roles", Action::List, "roles"),
    access("POST", "/v1/roles", Action::Create, "roles:{name}"),
    access("GET", "/v1/roles/{name}", Action::Read, "roles:{name}"),
    access("PUT", "/v1/roles/{name}", Action::Update, "roles:{name}"),
    access("DELETE", "/v1/roles/{name}", Action::Delete, "roles:{name}"),
    access(
        "GET",
        "/v1/roles/{name}/version/{n}",
        Action::Read,
        "roles:{name}",
    ),
    access(
        "PUT",
        "/v1/roles/{name}/restore",
        Action::Delete,
        "roles:{name}",
    ),
    access(
        "GET",
        "/v1/roles/{name}/restore",
        Action::Delete,
        "roles:{name}",
    ),
    access("GET", "/v1/users", Action::List, "users"),
    access("POST", "/v1/users", Action::Create, "users:{name}"),
    access("GET", "/v1/users/{name}", Action::Read, "users:{name}"),
    access("PUT", "/v1/users/{name}", Action::Update, "users:{name}"),
    access("DELETE", "/v1/users/{name}", Action::Delete, "users:{name}"),
    access(
        "GET",
        "/v1/users/{name}/version/{n}",
        Action::Read,
        "users:{name}",
    ),
    access(
        "PUT",
        "/v1/users/{name}/restore",
        Action::Delete,
        "users:{name}",
    ),
    access(
        "GET",
        "/v1/users/{name}/restore",
        Action::Delete,
        "users:{name}",
    ),
    access(
        "GET",
        "/v1/users/{name}/groups",
        Action::Read,
        "users:{name}",
    ),
    access(
        "POST",
        "/v1/users/{name}/groups",
        Action::Update,
        "groups:{group}",
    ),
    route("POST", "/v1/users/{name}/password", Function::Access),
    access("GET", "/v1/groups", Action::List, "groups"),
    access("POST", "/v1/groups", Action::Create, "groups:{name}"),
    access("GET", "/v1/groups/{name}", Action::Read, "groups:{name}"),
    access(
        "DELETE",
        "/v1/groups/{name}",
        Action::Delete,
        "groups:{name}",
    ),
    access(
        "PUT",
        "/v1/groups/{name}/restore",
        Action::Delete,
        "groups:{name}",
    ),
    access(
        "GET",
        "/v1/groups/{name}/restore",
        Action::Delete,
        "groups:{name}",
    ),
    access(
        "POST",
        "/v1/groups/{name}/members",
        Action::Update,
        "groups:{name}",
    ),
    access(
        "DELETE",
        "/v1/groups/{name}/members",
        Action::Update,
        "groups:{name}",
    ),
    access("GET", "/v1/clients", Action::List, "clients"),
    access("POST", "/v1/clients", Action::Create, "clients"),
    access("GET", "/v1/clients/{id}", Action::Read, "clients:{id}"),
    access("DELETE", "/v1/clients/{id}", Action::Delete, "clients:{id}"),
    access(
        "PUT",
        "/v1/clients/{id}/restore",
        Action::Delete,
        "clients:{id}",
    ),
    access(
        "GET",
        "/v1/clients/{id}/restore",
        Action::Delete,
        "clients:{id}",
    ),
    route("GET", "/v1/clients/bootstrap/{code}", Function::Access),
    access("GET", "/v1/config", Action::Read, "config"),
    access("PUT", "/v1/config", Action::Update, "config"),
    access("POST", "/v1/config", Action::Update, "config"),
    access("GET", "/v1/config/version/{n}", Action::Read, "config"),
    access(
        "GET",
        "/v1/config/policies",
        Action::List,
        "config:policies",
    ),
    access(
        "POST",
        "/v1/config/policies",
        Action::Create,
        "config:policies:{path}",
    ),
    access(
        "GET",
        "/v1/config/policies/{path+}",
        Action::Read,
        "config:policies:{path}",
    ),
    access(
        "PUT",
        "/v1/config/policies/{path+}",
        Action::Update,
        "config:policies:{path}",
    ),
    access(
        "DELETE",
        "/v1/config/policies/{path+}",
        Action::Delete,
        "config:policies:{path}",
    ),
];
