//! Keys of Bedrock and signatures of AWS. What was signed cannot be checked, as only AWS knows the secret, but its form can.

use hyper::HeaderMap;

use crate::dialect::Unauthorized;

const ALGORITHM: &str = "AWS4-HMAC-SHA256 ";

/// The parts of a signature.
struct Signature<'a> {
    /// The access key, the day, the region, the service and the word at the end.
    credential: Vec<&'a str>,
    signed_headers: &'a str,
    signature: &'a str,
}

/// The bearer key, or the access key of the signature.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    let authorization = authorization(headers)?;
    match authorization.strip_prefix("Bearer ") {
        Some(key) => Some(key.trim()).filter(|key| !key.is_empty()),
        None => read(authorization)?.credential.first().copied(),
    }
}

/// The headers that the signature covers, if there is one.
pub(crate) fn signed_headers(headers: &HeaderMap) -> Option<&str> {
    read(authorization(headers)?).map(|signature| signature.signed_headers)
}

/// What is wrong with the credentials.
pub(crate) fn unauthorized(headers: &HeaderMap) -> Option<Unauthorized> {
    let refused = |kind, message| Some(Unauthorized { status: 403, message, kind });
    let Some(authorization) = authorization(headers) else {
        return refused("MissingAuthenticationTokenException", "Missing Authentication Token");
    };
    if authorization.starts_with("Bearer") {
        let message = "Invalid API Key format: Must start with pre-defined prefix";
        return if key(headers).is_none() { refused("AccessDeniedException", message) } else { None };
    }
    let Some(signature) = read(authorization) else {
        let message =
            "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters.";
        return refused("IncompleteSignatureException", message);
    };
    match fault(&signature, headers) {
        Some(message) => refused("InvalidSignatureException", message),
        None => None,
    }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get("authorization")?.to_str().ok()
}

fn read(authorization: &str) -> Option<Signature<'_>> {
    let mut credential = None;
    let mut signed_headers = None;
    let mut signature = None;
    for part in authorization.strip_prefix(ALGORITHM)?.split(',') {
        match part.trim().split_once('=')? {
            ("Credential", value) => credential = Some(value.split('/').collect()),
            ("SignedHeaders", value) => signed_headers = Some(value),
            ("Signature", value) => signature = Some(value),
            _ => return None,
        }
    }
    Some(Signature { credential: credential?, signed_headers: signed_headers?, signature: signature? })
}

fn fault(signature: &Signature<'_>, headers: &HeaderMap) -> Option<&'static str> {
    let Some(date) = headers.get("x-amz-date").and_then(|date| date.to_str().ok()) else {
        return Some("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
    };
    let [access_key, day, region, service, end] = signature.credential.as_slice() else {
        return Some("Credential must have exactly 5 slash-delimited elements.");
    };
    if access_key.is_empty() || region.is_empty() {
        return Some("The security token included in the request is invalid.");
    }
    if *service != "bedrock" {
        return Some("Credential should be scoped to correct service: 'bedrock'.");
    }
    if *end != "aws4_request" {
        return Some("Credential should be scoped with a valid terminator: 'aws4_request'.");
    }
    let is_date = date.len() == 16 && date.ends_with('Z') && date.get(8..9) == Some("T");
    if !is_date || date.get(..8) != Some(day) {
        return Some(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
        );
    }
    let names: Vec<_> = signature.signed_headers.split(';').collect();
    if !names.is_sorted() || !names.contains(&"host") || !names.contains(&"x-amz-date") {
        return Some(
            "'Host' and 'X-Amz-Date' must be among the sorted 'SignedHeaders' in the AWS Authorization.",
        );
    }
    if names.iter().any(|name| !headers.contains_key(*name)) {
        return Some("A signed header is not in the request.");
    }
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if signature.signature.len() != 64 || !signature.signature.chars().all(hex) {
        return Some("The request signature we calculated does not match the signature you provided.");
    }
    None
}
