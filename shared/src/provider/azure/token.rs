//! Access tokens of a base's own application: they end by themselves.

use std::time::Duration;

use crate::{
    clock::wire_seconds,
    domain::{data::SecretData, sensitive::Sensitive},
    error::Error,
    provider::{
        Minted,
        azure::{
            Azure,
            entra::{SignIn, Token},
            error::{Class, Failure},
            plan::Plan,
            session::about_base,
        },
    },
};

/// How long minting may take, and how often it is tried: signing in leaves nothing behind.
const WITHIN: Duration = Duration::from_secs(15);
const TRIES: u32 = 3;
/// Before the second try, and twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

impl Azure {
    /// Mints an access token for `scope`, never one that was minted before.
    pub(crate) async fn mint_token(&self, plan: &Plan, scope: &str) -> Result<Minted, Error> {
        let until = self.clock.now() + WITHIN;
        let who = SignIn::from(&plan.credential);
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            match self.sign_in(&who, scope, until).await {
                Ok(token) => return Ok(self.minted(plan, &token)),
                Err(failure) => {
                    let wait = failure.retry_after.unwrap_or(pause);
                    let passes = matches!(failure.class, Class::Throttled | Class::Unknown);
                    if !passes || self.is_late(until - wait) {
                        return Err(about(failure, plan));
                    }
                    self.clock.sleep(wait).await;
                    pause *= 2;
                }
            }
        }
        let token = self.sign_in(&who, scope, until).await;
        token
            .map(|token| self.minted(plan, &token))
            .map_err(|failure| about(failure, plan))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "reply: the minted token is what the reader asked for"
    )]
    fn minted(&self, plan: &Plan, token: &Token) -> Minted {
        let text = serde_json::json!({
            "accessToken": token.value.expose(),
            "tokenType": "Bearer",
            "expiration": wire_seconds(token.expires),
            "ttl": (token.expires - self.clock.now()).whole_seconds(),
            "clientId": plan.credential.client_id,
            "tenantId": plan.credential.tenant_id,
        });
        Minted {
            data: SecretData::from_stored(Sensitive::new(text.to_string())),
        }
    }
}

fn about(failure: Failure, plan: &Plan) -> Error {
    about_base(failure, &plan.credential).error
}
