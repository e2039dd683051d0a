//! What `cargo run` prints.

use std::{fmt::Write as _, io::Write as _};

use mayfly_token::bootstrap::Credential;
use serde_json::Value;

use crate::cli::Cloud;

/// What there is to say.
pub struct Banner<'a> {
    /// Where the vault answers.
    pub url: &'a str,
    /// Where the sandbox cloud answers.
    pub sandbox_url: Option<&'a str>,
    /// Which cloud mints.
    pub cloud: Cloud,
    /// Where everything is kept; `None` in memory.
    pub data_dir: Option<String>,
    /// An admin client that was just made.
    pub admin: Option<&'a Credential>,
    /// Whether the vault waits for somebody to make its first admin.
    pub awaits_admin: bool,
    /// The sample dynamic secrets that were just read, by path.
    pub minted: &'a [(&'static str, Value)],
}

impl Banner<'_> {
    /// Prints to standard output.
    pub fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(self.text().as_bytes())?;
        out.flush()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |words: &str| {
            // Writing to a String cannot fail.
            _ = writeln!(text, "{words}");
        };
        line("");
        line(&format!("  Mayfly is at {}", self.url));
        match &self.data_dir {
            Some(dir) => line(&format!("  everything is kept in {dir}")),
            None => line("  everything is in memory and forgotten at the end"),
        }
        match (self.cloud, self.sandbox_url) {
            (Cloud::Sandbox, Some(url)) => line(&format!(
                "  the sandbox cloud is at {url}; no credential here is real"
            )),
            _ => line("  credentials are minted by the real cloud"),
        }
        if let Some(admin) = self.admin {
            #[expect(
                clippy::disallowed_methods,
                reason = "reply: the new admin's secret is shown this once"
            )]
            let secret = admin.client_secret.expose();
            line("");
            line("  An admin client was made. Its secret is shown this once:");
            line(&format!("    client id      {}", admin.client_id));
            line(&format!("    client secret  {secret}"));
        }
        if self.awaits_admin {
            line("");
            line("  There is no admin yet. Make one, once:");
            line(&format!(
                "    curl -s {}/v1/initialize -d '{{\"userName\": \"…\", \"password\": \"…\"}}'",
                self.url
            ));
        }
        for (path, minted) in self.minted {
            line("");
            line(&format!("  A dynamic secret, {path}, minted just now:"));
            let shown = serde_json::to_string_pretty(&minted["data"]).unwrap_or_default();
            for row in shown.lines() {
                line(&format!("    {row}"));
            }
        }
        if !self.minted.is_empty() {
            line("");
            line("  Mint others:");
            for row in self.curl() {
                line(&format!("    {row}"));
            }
        }
        line("");
        line("  Stop it with Ctrl-C.");
        line("");
        text
    }

    /// Lines that work as printed in any shell; after the first start the secret is the reader's to fill in.
    fn curl(&self) -> Vec<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "reply: the new admin's secret is shown this once"
        )]
        let (id, secret) = match self.admin {
            Some(admin) => (
                admin.client_id.clone(),
                admin.client_secret.expose().to_owned(),
            ),
            None => ("$CLIENT_ID".to_owned(), "$CLIENT_SECRET".to_owned()),
        };
        let token = format!(
            "TOKEN=$(curl -s {}/v1/token -d grant_type=client_credentials -d client_id={id} \
             -d client_secret={secret} | sed 's/.*\"accessToken\":\"\\([^\"]*\\)\".*/\\1/')",
            self.url
        );
        let reads = self.minted.iter().map(|(path, _)| {
            format!(
                "curl -s -H \"Authorization: $TOKEN\" {}/v1/secrets/{path}",
                self.url
            )
        });
        std::iter::once(token).chain(reads).collect()
    }
}
