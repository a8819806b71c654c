//! Fetches access tokens for providers that no longer accept passwords (RFC 6749, section 4.4).

use crate::{
    settings::{Secret, is_loopback},
    text::one_line,
};
use serde::Deserialize;
use std::time::{Duration, Instant};
use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig},
};
use url::Url;

/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of a response, in bytes.
const RESPONSE_MAX: u64 = 256 << 10;
/// A token is renewed this long before it expires, so that it outlives a login.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

/// Fetches tokens with client credentials and caches each until shortly before it expires.
#[derive(Debug)]
pub struct TokenSource {
    url: Url,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    agent: Agent,
    cached: Option<(Secret, Instant)>,
}

/// A token.
#[derive(Debug)]
pub struct Token {
    /// The token itself.
    pub secret: Secret,
    /// True if it was fetched for an earlier login; a refusal may then mean that it was revoked.
    pub is_reused: bool,
}

/// A response of the token endpoint.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<String>,
    expires_in: Option<u64>,
    error: Option<String>,
    error_description: Option<String>,
}

impl TokenSource {
    /// Creates a source; nothing is fetched yet.
    pub fn new(url: Url, client_id: String, client_secret: Secret, scope: Option<String>) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let mut config = Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            // No redirects: the secret is sent only to the configured address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls);
        if url.host_str().is_some_and(is_loopback) {
            config = config.proxy(None);
        }
        Self {
            agent: config.build().into(),
            url,
            client_id,
            client_secret,
            scope,
            cached: None,
        }
    }

    /// Returns the cached token, or fetches one. Errors contain advice and no secret.
    pub fn token(&mut self) -> Result<Token, String> {
        if let Some((secret, end)) = &self.cached
            && Instant::now() < *end
        {
            return Ok(Token {
                secret: secret.clone(),
                is_reused: true,
            });
        }
        let (secret, lifetime) = self.fetch()?;
        self.cached = Instant::now()
            .checked_add(lifetime.saturating_sub(RENEWAL_MARGIN))
            .map(|end| (secret.clone(), end));
        Ok(Token {
            secret,
            is_reused: false,
        })
    }

    /// Discards the cached token after a server refused it.
    pub fn forget(&mut self) {
        self.cached = None;
    }

    fn fetch(&self) -> Result<(Secret, Duration), String> {
        let host = self.url.host_str().unwrap_or_default();
        let failed = |reason: &str| {
            let reason = reason.replace(self.client_secret.reveal(), "…");
            format!("no access token from {host}: {}", one_line(&reason, 300))
        };
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.reveal()),
        ];
        if let Some(scope) = &self.scope {
            form.push(("scope", scope));
        }
        let result = self.agent.post(self.url.as_str()).send_form(form);
        let mut response = result.map_err(|error| failed(&error.to_string()))?;
        let status = response.status();
        let text = response
            .body_mut()
            .with_config()
            .limit(RESPONSE_MAX)
            .read_to_string()
            .map_err(|error| failed(&error.to_string()))?;
        let parsed: Option<TokenResponse> = serde_json::from_str(&text).ok();
        match parsed {
            Some(TokenResponse {
                access_token: Some(token),
                expires_in,
                ..
            }) if status.is_success() && is_token(&token) => {
                // Without an expiry (RFC 6749 makes it optional), tokens are renewed often.
                let lifetime = Duration::from_secs(expires_in.unwrap_or(300));
                Ok((Secret::new(token), lifetime))
            }
            Some(TokenResponse {
                error: Some(error),
                error_description,
                ..
            }) => {
                let description = error_description.unwrap_or_default();
                Err(failed(
                    format!("{error}: {description}").trim_end_matches(": "),
                ))
            }
            _ => Err(failed(&format!(
                "the response has status {status} and no token"
            ))),
        }
    }
}

/// Returns true if a text is a valid token (RFC 6750, 2.1); other characters could end the login
/// command early.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())
}
