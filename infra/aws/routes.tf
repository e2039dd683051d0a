# Which function serves a route: the same rows as the route table in shared/src/routes.rs, which a test compares. Keep it
# a plain literal.

locals {
  routes = {
    "POST /v1/token"                     = "token"
    "POST /v1/revoke/{refreshtoken}"     = "token"
    "POST /v1/initialize"                = "token"
    "GET /v1/heartbeat"                  = "token"
    "GET /v1/.well-known/jwks.json"      = "token"
    "GET /v1/secrets"                    = "crud"
    "POST /v1/secrets/{path+}"           = "crud"
    "PUT /v1/secrets/{path+}"            = "crud"
    "DELETE /v1/secrets/{path+}"         = "crud"
    "GET /v1/secrets/{path+}"            = "dynamic-read"
    "POST /v1/home/{path+}"              = "crud"
    "PUT /v1/home/{path+}"               = "crud"
    "DELETE /v1/home/{path+}"            = "crud"
    "GET /v1/home/{path+}"               = "dynamic-read"
    "GET /v1/leases"                     = "dynamic-read"
    "POST /v1/leases/revoke"             = "dynamic-read"
    "POST /v1/leases/{id}/revoke"        = "dynamic-read"
    "GET /v1/task/status/{id}"           = "dynamic-read"
    "GET /v1/roles"                      = "access"
    "POST /v1/roles"                     = "access"
    "GET /v1/roles/{name}"               = "access"
    "PUT /v1/roles/{name}"               = "access"
    "DELETE /v1/roles/{name}"            = "access"
    "GET /v1/roles/{name}/version/{n}"   = "access"
    "PUT /v1/roles/{name}/restore"       = "access"
    "GET /v1/roles/{name}/restore"       = "access"
    "GET /v1/users"                      = "access"
    "POST /v1/users"                     = "access"
    "GET /v1/users/{name}"               = "access"
    "PUT /v1/users/{name}"               = "access"
    "DELETE /v1/users/{name}"            = "access"
    "GET /v1/users/{name}/version/{n}"   = "access"
    "PUT /v1/users/{name}/restore"       = "access"
    "GET /v1/users/{name}/restore"       = "access"
    "GET /v1/users/{name}/groups"        = "access"
    "POST /v1/users/{name}/groups"       = "access"
    "POST /v1/users/{name}/password"     = "access"
    "GET /v1/groups"                     = "access"
    "POST /v1/groups"                    = "access"
    "GET /v1/groups/{name}"              = "access"
    "DELETE /v1/groups/{name}"           = "access"
    "PUT /v1/groups/{name}/restore"      = "access"
    "GET /v1/groups/{name}/restore"      = "access"
    "POST /v1/groups/{name}/members"     = "access"
    "DELETE /v1/groups/{name}/members"   = "access"
    "GET /v1/clients"                    = "access"
    "POST /v1/clients"                   = "access"
    "GET /v1/clients/{id}"               = "access"
    "DELETE /v1/clients/{id}"            = "access"
    "PUT /v1/clients/{id}/restore"       = "access"
    "GET /v1/clients/{id}/restore"       = "access"
    "GET /v1/clients/bootstrap/{code}"   = "access"
    "GET /v1/config"                     = "access"
    "PUT /v1/config"                     = "access"
    "POST /v1/config"                    = "access"
    "GET /v1/config/version/{n}"         = "access"
    "GET /v1/config/policies"            = "access"
    "POST /v1/config/policies"           = "access"
    "GET /v1/config/policies/{path+}"    = "access"
    "PUT /v1/config/policies/{path+}"    = "access"
    "DELETE /v1/config/policies/{path+}" = "access"

    # An HTTP API tells a path from the same with a slash at the end, which published clients send. One function answers
    # all that no route takes, also with the 404 in the shape that clients read.
    "$default" = "access"
  }

  # Where whoever asks has no token yet, or proves a password: guessing there must be slow. With a slash at its end, each of
  # them is whatever no route takes.
  guessed_routes = [
    "POST /v1/token",
    "POST /v1/revoke/{refreshtoken}",
    "POST /v1/initialize",
    "POST /v1/users/{name}/password",
    "GET /v1/clients/bootstrap/{code}",
    "$default",
  ]
}
