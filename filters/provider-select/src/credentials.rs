//! The client's key, which leaves this filter only as a digest.

use sha2::{Digest, Sha256};
use weirgate_contract::request_header::CREDENTIALS;
use weirgate_filter_host::hex;

/// The first key among the headers in which SDKs send one.
pub(crate) fn key(headers: &[(String, String)]) -> Option<&str> {
    CREDENTIALS.iter().find_map(|name| {
        let value = headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.trim())?;
        let key = if *name == "authorization" { bearer(value)? } else { value };
        (!key.is_empty()).then_some(key)
    })
}

/// The header in which clients of websockets name what they speak.
pub(crate) const PROTOCOLS: &str = "sec-websocket-protocol";
/// The name under which browsers, which can set no other header, send OpenAI a key.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// What stands in that header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Protocols<'a> {
    /// The key.
    pub(crate) key: &'a str,
    /// The header without it; `None`: nothing is left.
    pub(crate) others: Option<String>,
}

/// The key among the protocols of a websocket.
pub(crate) fn in_protocols(header: &str) -> Option<Protocols<'_>> {
    let all = || header.split(',').map(str::trim);
    let key = all().find_map(|name| name.strip_prefix(KEY_PROTOCOL)).filter(|key| !key.is_empty())?;
    let others: Vec<&str> = all().filter(|name| !name.starts_with(KEY_PROTOCOL)).collect();
    Some(Protocols { key, others: (!others.is_empty()).then(|| others.join(", ")) })
}

/// The SHA-256 of a key, in lower-case hexadecimal.
pub(crate) fn digest(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// The token of a bearer credential. The scheme's name is case-insensitive (RFC 9110, section 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, value: &str) -> Option<String> {
        key(&[(name.to_owned(), value.to_owned())]).map(digest)
    }

    #[test]
    fn every_sdks_header_gives_the_same_digest() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of("authorization", "Bearer abc").as_deref(), Some(abc));
        assert_eq!(of("authorization", "bearer  abc ").as_deref(), Some(abc));
        for header in ["x-api-key", "api-key", "x-goog-api-key"] {
            assert_eq!(of(header, "abc").as_deref(), Some(abc), "{header}");
        }
    }

    #[test]
    fn a_key_among_protocols_is_taken_out() {
        let header = "realtime, openai-insecure-api-key.abc,openai-beta.realtime-v1";
        let others = Some("realtime, openai-beta.realtime-v1".to_owned());
        assert_eq!(in_protocols(header), Some(Protocols { key: "abc", others }));
        let alone = in_protocols("openai-insecure-api-key.abc");
        assert_eq!(alone, Some(Protocols { key: "abc", others: None }));
        assert_eq!(in_protocols("realtime"), None);
        assert_eq!(in_protocols("openai-insecure-api-key."), None);
    }

    #[test]
    fn no_key_gives_no_digest() {
        assert_eq!(of("authorization", "Basic abc"), None);
        assert_eq!(of("authorization", "Bearer "), None);
        assert_eq!(of("x-api-key", " "), None);
        assert_eq!(of("cookie", "abc"), None);
    }
}
