//! Who comes with a JSON Web Token in place of a key.

use super::BaseUrl;
use super::document::{Fields, Node};
use super::values::Reader;
use std::path::PathBuf;
use std::time::Duration;

/// Tokens that are accepted, and what their claims mean.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// Who issues them: the claim `iss`.
    pub issuer: String,
    /// For whom: one of these must be in the claim `aud`; empty: anybody.
    pub audiences: Vec<String>,
    /// The issuer's keys.
    pub jwks: Jwks,
    /// Which claims say whose a request is.
    pub claims: ClaimNames,
}

/// Where the issuer's keys are.
#[derive(Clone, Debug)]
pub enum Jwks {
    /// A file that Envoy reads.
    File(PathBuf),
    /// An address that Envoy asks.
    Url {
        /// The host, port and path.
        url: BaseUrl,
        /// How long an answer holds.
        cache: Duration,
    },
}

/// Names of claims. A dot leads into an object: `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The user.
    pub user: String,
    /// The team, which must be known.
    pub team: Option<String>,
    /// The organisation, where no team says.
    pub organization: Option<String>,
    /// A role or several: each becomes a tag `role=NAME`.
    pub role: Option<String>,
    /// Tags.
    pub tags: Option<String>,
}

impl Reader<'_> {
    pub(super) fn jwt(&self, node: &Node) -> Option<Jwt> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let issuer = fields.need("issuer", problems).and_then(|node| self.text(node));
        let audiences =
            fields.list("audiences", problems).iter().filter_map(|node| self.text(node)).collect();
        let file_node = fields.get("jwks_file");
        let file = file_node.and_then(|node| self.text(node));
        let url_node = fields.get("jwks_url");
        let url = url_node.and_then(|node| {
            let text = self.text(node)?;
            let url = BaseUrl::parse(&text);
            if url.is_none() {
                problems.add(node, format!("\"{text}\" is not a URL such as https://host/keys"));
            }
            url
        });
        let cache = fields.get("jwks_cache").and_then(|node| self.duration(node));
        let jwks = match (file, url) {
            (Some(file), None) => Some(Jwks::File(PathBuf::from(file))),
            (None, Some(url)) => Some(Jwks::Url { url, cache: cache.unwrap_or(Duration::from_secs(300)) }),
            _ => {
                if url_node.is_some() == file_node.is_some() {
                    problems.add(node, "give either jwks_file or jwks_url");
                }
                None
            }
        };
        let claims = fields.get("claims").map(|node| {
            let mut fields = Fields::of(node, problems);
            let mut claim = |name| fields.get(name).and_then(|node| self.text(node));
            let names = ClaimNames {
                user: claim("user").unwrap_or_else(|| "sub".to_owned()),
                team: claim("team"),
                organization: claim("organization"),
                role: claim("role"),
                tags: claim("tags"),
            };
            fields.finish(problems);
            names
        });
        fields.finish(problems);
        let claims = claims.unwrap_or_else(|| ClaimNames {
            user: "sub".to_owned(),
            team: None,
            organization: None,
            role: None,
            tags: None,
        });
        Some(Jwt { issuer: issuer?, audiences, jwks: jwks?, claims })
    }
}
