//! Who uses the gateway: organisations, teams, users and virtual keys.

use super::limit::Limit;
use crate::directory::forms::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;
use utoipa::ToSchema;

/// Texts that whoever administers wishes to keep with something.
pub type Metadata = BTreeMap<String, String>;

/// An organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// Its name.
    #[schema(value_type = Name)]
    pub name: String,
    /// Limits of all its teams, users and keys together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Metadata,
}

/// A team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// Its name.
    #[schema(value_type = Name)]
    pub name: String,
    /// Its organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// The models that its keys may use; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Limits of all its keys together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Metadata,
}

/// A user: a person or a program with keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Its name.
    #[schema(value_type = Name)]
    pub name: String,
    /// Its team, if its keys name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Limits of all its keys together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Metadata,
}

/// A virtual key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The name by which it appears in usage, metrics and the ledger.
    pub name: String,
    /// The hashes by which it is known.
    pub secrets: Vec<Secret>,
    /// Its team; if it has none, its user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its organisation, if no team says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Tags of all its requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The models it may use; empty: all that its team may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// The providers it may use; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// The operations it may use, such as `chat_completions`; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// The networks it may be used from; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Whether it may not be used at the moment.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// Its own limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: Metadata,
}

/// One hash of a key. A key that was rotated has two for some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// SHA-256 of the key.
    #[serde(with = "hex_digest")]
    pub digest: [u8; 32],
    /// Its first characters, for people; empty if they were never known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Until when it is accepted, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

mod hex_digest {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(digest: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::hex(digest))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        crate::config::hex_digest(&text).ok_or_else(|| D::Error::custom("must be 64 hexadecimal digits"))
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A range of addresses, as in `10.0.0.0/8` (RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let number = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, true),
            IpAddr::V6(address) => (address.to_bits(), false),
        };
        let ((own, own_kind), (other, other_kind)) = (number(self.address), number(address));
        let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
        own_kind == other_kind && own & mask == other & mask
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("\"{text}\" is no address or network such as 10.0.0.0/8");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| problem())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok()).filter(|bits| *bits <= most);
        Ok(Self { address, bits: bits.ok_or_else(problem)? })
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whose a request is. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Principal {
    /// The key.
    pub key: String,
    /// Its user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Its team.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub team: String,
    /// Its organisation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub organization: String,
    /// The end user that the request names.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub end_user: String,
    /// Tags of the key and of the request, in order and each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Everybody who is known, and the limits of nobody in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Directory {
    /// Organisations by name.
    pub organizations: BTreeMap<String, Organization>,
    /// Teams by name.
    pub teams: BTreeMap<String, Team>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// Keys by name.
    pub keys: BTreeMap<String, Key>,
    /// Limits by name.
    pub limits: BTreeMap<String, Limit>,
}

impl Directory {
    /// This one with everything of another that it does not know itself.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        fn fill<T: Clone>(own: &mut BTreeMap<String, T>, other: &BTreeMap<String, T>) {
            for (name, value) in other {
                own.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        fill(&mut self.organizations, &other.organizations);
        fill(&mut self.teams, &other.teams);
        fill(&mut self.users, &other.users);
        fill(&mut self.keys, &other.keys);
        fill(&mut self.limits, &other.limits);
        self
    }

    /// The team, user and organisation of a key.
    pub fn principal(&self, key: &Key) -> Principal {
        let user = key.user.as_ref().and_then(|name| self.users.get(name));
        let team_name = key.team.as_ref().or_else(|| user?.team.as_ref());
        let team = team_name.and_then(|name| self.teams.get(name));
        let organization = team.and_then(|team| team.organization.as_ref()).or(key.organization.as_ref());
        Principal {
            key: key.name.clone(),
            user: key.user.clone().unwrap_or_default(),
            team: team_name.cloned().unwrap_or_default(),
            organization: organization.cloned().unwrap_or_default(),
            end_user: String::new(),
            tags: key.tags.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.20.30.40"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.168.1.7", "192.168.1.7") && !holds("192.168.1.7", "192.168.1.8"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.0.0.1"), "an IPv4 address in an IPv6 socket");
        for bad in ["10.0.0.0/33", "ten", "10.0.0.0/", ""] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_has_the_team_of_its_user_and_the_organization_of_its_team() {
        let mut directory = Directory::default();
        let team =
            Team { name: "research".to_owned(), organization: Some("acme".to_owned()), ..Team::default() };
        directory.teams.insert("research".to_owned(), team);
        let user = User { name: "ann".to_owned(), team: Some("research".to_owned()), ..User::default() };
        directory.users.insert("ann".to_owned(), user);
        let key = Key { name: "laptop".to_owned(), user: Some("ann".to_owned()), ..Key::default() };
        let principal = directory.principal(&key);
        assert_eq!((principal.team.as_str(), principal.organization.as_str()), ("research", "acme"));
    }
}
