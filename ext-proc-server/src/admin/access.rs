//! Who calls the admin API, and what they may see and change.

use crate::config::{Admin, AdminRole};
use crate::directory::log::Actor;
use crate::directory::refusal::{Reason, Refusal};
use crate::policy::Policy;
use crate::policy::identity::{Directory, Key};
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;
use weirgate_dialect::error::ErrorKind;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Sees and changes everything.
    Admin,
    /// Sees everything but the audit log.
    Viewer,
    /// Sees one team, and sees and changes its users and keys.
    TeamAdmin,
    /// Holds a virtual key: sees it, and may rotate it.
    KeyOwner,
}

impl Role {
    /// Its name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
            Self::TeamAdmin => "team_admin",
            Self::KeyOwner => "key_owner",
        }
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The name of the admin, or of the key.
    pub(super) name: String,
    /// The role.
    pub(super) role: Role,
    /// The only team that a team's admin sees.
    pub(super) team: Option<String>,
    /// SHA-256 of what they showed.
    pub(super) digest: [u8; 32],
}

impl Caller {
    /// Who sends a request.
    ///
    /// # Errors
    /// 401 for nobody who is known, 403 where nobody may be.
    pub(super) fn of(policy: &Policy, headers: &HeaderMap, source: Option<IpAddr>) -> Result<Self, Refusal> {
        let token = bearer(headers).ok_or_else(|| {
            let message = "no key: send one as Authorization: Bearer";
            Refusal::new(Reason::Unauthenticated, "missing_key", message)
        })?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        // All are compared, so that the time does not tell which of them was near.
        let mut found = None;
        for admin in &policy.config().admins {
            if bool::from(admin.digest.ct_eq(&digest)) {
                found = Some(admin);
            }
        }
        match found {
            Some(admin) => Ok(Self::admin(admin)),
            None => Self::key_owner(policy, digest, source),
        }
    }

    fn admin(admin: &Admin) -> Self {
        let (role, team) = match &admin.role {
            AdminRole::Admin => (Role::Admin, None),
            AdminRole::Viewer => (Role::Viewer, None),
            AdminRole::TeamAdmin(team) => (Role::TeamAdmin, Some(team.clone())),
        };
        Self { name: admin.name.clone(), role, team, digest: admin.digest }
    }

    fn key_owner(policy: &Policy, digest: [u8; 32], source: Option<IpAddr>) -> Result<Self, Refusal> {
        let unknown = || {
            let message = "the key is not known, or no longer accepted";
            Refusal::new(Reason::Unauthenticated, "invalid_key", message)
        };
        let forbidden = || Refusal::forbidden("the key is blocked, or may not be used from this address");
        let whose = policy.accepted(&digest, now()).map_err(|error| match error.kind {
            ErrorKind::Forbidden => forbidden(),
            _ => unknown(),
        })?;
        let key = policy.directory().keys.get(&whose.key).ok_or_else(unknown)?;
        let from_here =
            source.is_some_and(|source| key.networks.iter().any(|network| network.contains(source)));
        if !key.networks.is_empty() && !from_here {
            return Err(forbidden());
        }
        Ok(Self { name: key.name.clone(), role: Role::KeyOwner, team: None, digest })
    }

    /// How the audit log knows them.
    pub(super) fn actor(&self) -> Actor {
        Actor { name: self.name.clone(), role: self.role.as_str().to_owned() }
    }

    /// Whether they may see what is of a team, or of none.
    pub(super) fn sees(&self, team: Option<&str>) -> bool {
        match &self.team {
            Some(own) => team == Some(own),
            None => true,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The team of a key, be it its own or its user's.
pub(super) fn team_of<'d>(directory: &'d Directory, key: &'d Key) -> Option<&'d str> {
    let user = || key.user.as_ref().and_then(|user| directory.users.get(user));
    key.team.as_deref().or_else(|| user()?.team.as_deref())
}

/// The time, in seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
