//! Where events are sent, and which.

use super::event::{Belongs, Kind};
use crate::config::BaseUrl;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::Uri;
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;

/// What the text of a secret begins with if base64 follows.
const BASE64_PREFIX: &str = "whsec_";
/// The fewest characters of a secret.
pub(crate) const SECRET_CHARACTERS: usize = 16;
/// How long until a delivery that failed is tried again for the first time, if nobody says otherwise.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where.
    pub address: Address,
    /// What deliveries are signed with.
    pub key: SigningKey,
    /// Of which events; empty: of all.
    pub events: Vec<Kind>,
    /// Of whose limits.
    pub only: Only,
    /// How long until a delivery that failed is tried again for the first time.
    pub retry_after: Duration,
}

impl Target {
    /// Whether an event is for it.
    pub(super) fn wants(&self, kind: Kind, belongs: &Belongs) -> bool {
        let listed = |list: &[String], values: &[String]| {
            list.is_empty() || values.iter().any(|value| list.contains(value))
        };
        self.wants_kind(kind)
            && listed(&self.only.organizations, &belongs.organizations)
            && listed(&self.only.teams, &belongs.teams)
            && listed(&self.only.keys, &belongs.keys)
    }

    /// Whether it wants events of a kind at all.
    pub(super) fn wants_kind(&self, kind: Kind) -> bool {
        self.events.is_empty() || self.events.contains(&kind)
    }
}

/// The limits of which somebody is told: those that match every list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Of these organisations, their teams and keys.
    pub organizations: Vec<String>,
    /// Of these teams and their keys.
    pub teams: Vec<String>,
    /// Of these keys.
    pub keys: Vec<String>,
}

/// A URL. Its query may hold a password, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub(super) tls: bool,
    /// As a URL has it: an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    path: String,
    query: Option<String>,
}

impl Address {
    /// Reads an `http` or `https` URL, which may have a path and a query.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let (before, _) = text.split_once('?').unwrap_or((text, ""));
        let BaseUrl { tls, host, port, .. } = BaseUrl::parse(before)?;
        if text.contains(['#', ' ']) || !host.is_ascii() {
            return None;
        }
        Some(Self { tls, host, port, path: uri.path().to_owned(), query: uri.query().map(str::to_owned) })
    }

    /// By what the outbox knows it.
    pub(super) fn digest(&self) -> String {
        let digest = Sha256::digest(format!("{self}?{}", self.query.as_deref().unwrap_or_default()));
        hex(digest.get(..8).unwrap_or_default())
    }

    /// What stands in the request's first line.
    pub(super) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// What stands in the header `host`.
    pub(super) fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// The host as the system looks it up.
    pub(super) fn host_name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// A secret that deliveries are signed with, as the Standard Webhooks specification says.
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>)
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Takes a secret as it is, or from base64 behind `whsec_`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(BASE64_PREFIX);
        if rest.unwrap_or(text).chars().count() < SECRET_CHARACTERS {
            return Err(format!("needs at least {SECRET_CHARACTERS} characters"));
        }
        match rest {
            None => Ok(Self(text.as_bytes().to_vec())),
            Some(encoded) => BASE64_STANDARD
                .decode(encoded)
                .map(Self)
                .map_err(|_| format!("must be base64 behind {BASE64_PREFIX}")),
        }
    }

    /// The value of the header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(...)")
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_signed_as_the_specification_says() {
        // The example of the specification's reference libraries.
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        // By Python: base64.b64encode(hmac.digest(b"a-secret-of-some-length", b"msg_1.1700000000.{}", "sha256")).
        let key = SigningKey::parse("a-secret-of-some-length").unwrap();
        assert_eq!(key.sign("msg_1", 1_700_000_000, "{}"), "v1,QAA0rT4jJ+SiwFMpl/yIa89sDUEvm94rwwNyqvPDqXI=");
    }

    #[test]
    fn a_secret_is_long_enough_and_is_not_shown() {
        assert!(SigningKey::parse("fifteen letters").unwrap_err().contains("at least 16"));
        assert!(SigningKey::parse("whsec_c2hvcnQ=").unwrap_err().contains("at least 16"));
        assert!(SigningKey::parse("whsec_this is no base64 at all").unwrap_err().contains("base64"));
        assert!(!format!("{:?}", SigningKey::parse("sixteen-characters").unwrap()).contains("sixteen"));
    }

    #[test]
    fn an_address_is_used_as_it_is_written_and_shown_without_its_query() {
        let address = Address::parse("https://hooks.example.com/services/a/?token=secret").unwrap();
        assert_eq!(address.path_and_query(), "/services/a/?token=secret");
        assert_eq!(
            (address.tls, address.port, address.authority().as_str()),
            (true, 443, "hooks.example.com")
        );
        assert_eq!(format!("{address:?}"), "\"https://hooks.example.com/services/a/\"");
        let local = Address::parse("http://[::1]:8000").unwrap();
        assert_eq!((local.host_name(), local.port, local.path_and_query().as_str()), ("::1", 8000, "/"));
        for bad in
            ["hooks.example.com", "ftp://x", "https://", "https://x:y/", "https://user@x/", "http://x/#a"]
        {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
        assert_ne!(
            address.digest(),
            Address::parse("https://hooks.example.com/services/a/").unwrap().digest()
        );
    }
}
