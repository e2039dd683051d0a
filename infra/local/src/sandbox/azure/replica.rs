//! Replicas that lag: what was just made is not there yet for everyone.

use std::time::Duration;

use super::state::Millis;

/// How long after it was made an object is seen, by each kind of reader. What is deleted is gone for all at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Graph's answers to GET, lists of passwords and of app role assignments included.
    pub graph_reads: Duration,
    /// Graph's writes, for the objects they change or refer to. The two upserts find what is there at once.
    pub graph_writes: Duration,
    /// Sign-in: applications, service principals, their passwords and app roles.
    pub sign_in: Duration,
    /// Resource Manager, when it looks up the principal of a role assignment.
    pub arm: Duration,
}

/// One kind of reader.
#[derive(Clone, Copy)]
pub(super) enum Replica {
    GraphReads,
    GraphWrites,
    SignIn,
    Arm,
}

impl Lag {
    /// Whether a replica shows by now what was made then.
    pub(super) fn shows(&self, replica: Replica, made: Millis, now: Millis) -> bool {
        let lag = match replica {
            Replica::GraphReads => self.graph_reads,
            Replica::GraphWrites => self.graph_writes,
            Replica::SignIn => self.sign_in,
            Replica::Arm => self.arm,
        };
        i128::from(now) - i128::from(made) >= i128::try_from(lag.as_millis()).unwrap_or(i128::MAX)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::World;
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_always_there_is_seen_and_what_is_new_when_its_lag_is_over() {
        let lag = Lag {
            arm: seconds(5),
            ..Lag::default()
        };
        let now = 1_000_000;
        assert!(lag.shows(Replica::GraphReads, now, now));
        assert!(!lag.shows(Replica::Arm, now, now + 4_999));
        assert!(lag.shows(Replica::Arm, now, now + 5_000));
        assert!(lag.shows(Replica::Arm, 0, now));
    }

    // Each reader lags on its own. Public sources: microsoftgraph/msgraph-sdk-powershell#846 and openshift/openshift-azure#1534 (a new
    // application is not there for the service principal yet); MicrosoftDocs/azure-docs#103085 (Resource Manager does not know the principal);
    // Microsoft Learn, "List appRoleAssignments granted to a service principal" (replication delays).

    #[tokio::test]
    async fn reads_lag_alone() {
        let world = World::new();
        world.azure.set_lag(Lag {
            graph_reads: seconds(10),
            ..Lag::default()
        });
        let app = world.make_app("new").await;
        let id = app["id"].as_str().unwrap();
        let path = format!("/v1.0/applications/{id}");
        let reply = world.graph("GET", &path, None).await;
        assert_eq!(
            (reply.status, reply.code()),
            (404, "Request_ResourceNotFound")
        );
        let by_name = "/v1.0/applications(uniqueName='new')";
        assert_eq!(world.graph("GET", by_name, None).await.status, 404);
        let list = world.graph("GET", "/v1.0/applications", None).await;
        assert_eq!(list.json["value"].as_array().unwrap().len(), 1, "the base");
        let added = world.add_password(id, "a").await;
        assert_eq!(added.status, 200);
        world.advance(10);
        assert_eq!(world.graph("GET", &path, None).await.status, 200);
    }

    #[tokio::test]
    async fn writes_and_references_lag_alone() {
        let world = World::new();
        world.azure.set_lag(Lag {
            graph_writes: seconds(10),
            ..Lag::default()
        });
        let app = world.make_app("new").await;
        let (id, app_id) = (app["id"].as_str().unwrap(), app["appId"].as_str().unwrap());
        let path = format!("/v1.0/applications/{id}");
        assert_eq!(world.graph("GET", &path, None).await.status, 200);
        let refused = world.upsert_principal(app_id).await;
        assert_eq!(
            (refused.status, refused.code()),
            (400, "Request_BadRequest")
        );
        assert!(
            refused
                .message()
                .contains("does not reference a valid application object")
        );
        let refused = world.add_password(id, "a").await;
        assert_eq!(
            (refused.status, refused.code()),
            (404, "Request_ResourceNotFound")
        );
        assert_eq!(world.graph("DELETE", &path, None).await.status, 404);
        world.advance(10);
        assert_eq!(world.upsert_principal(app_id).await.status, 201);
        assert_eq!(world.add_password(id, "a").await.status, 200);
    }

    #[tokio::test]
    async fn sign_in_lags_alone_for_application_and_for_secret() {
        let world = World::new();
        world.azure.set_lag(Lag {
            sign_in: seconds(10),
            ..Lag::default()
        });
        let (app, first) = world.make_client("new").await;
        let refused = world.sign_in(&app, &first).await;
        assert_eq!((refused.status, refused.aadsts()), (400, 700_016));
        world.advance(10);
        assert_eq!(world.sign_in(&app, &first).await.status, 200);
        let object = world.object_id(&app);
        let second = world.add_password(&object, "b").await;
        let second = second.json["secretText"].as_str().unwrap();
        let refused = world.sign_in(&app, second).await;
        assert_eq!((refused.status, refused.aadsts()), (401, 7_000_215));
        world.advance(10);
        assert_eq!(world.sign_in(&app, second).await.status, 200);
    }

    #[tokio::test]
    async fn resource_manager_lags_alone() {
        let world = World::new();
        world.azure.set_lag(Lag {
            arm: seconds(10),
            ..Lag::default()
        });
        let principal = world.make_principal("new").await;
        let untyped = json!({"properties": {
            "roleDefinitionId": world.role("Reader"), "principalId": principal,
        }});
        let put = || world.arm("PUT", world.assignment(1), Some(untyped.clone()));
        let refused = put().await;
        assert_eq!((refused.status, refused.code()), (400, "PrincipalNotFound"));
        world.advance(10);
        assert_eq!(put().await.status, 201);
    }
}
