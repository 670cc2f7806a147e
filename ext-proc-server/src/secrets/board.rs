//! The keys that are in force, where all can see them.

use super::secret_name;
use std::collections::BTreeMap;
use tokio::sync::watch;
use weirgate_contract::filter_config::SecretText;

/// By the names of their secrets. Without a key is one that is known not to be there; not here is one that nobody knows of yet.
pub(super) type Keys = BTreeMap<String, Option<SecretText>>;

/// The keys, and who wants to be told when they change.
#[derive(Clone, Debug, Default)]
pub(super) struct Board(watch::Sender<Keys>);

impl Board {
    /// Puts a provider's key in the place of the one before.
    pub(super) fn put(&self, provider: &str, key: Option<SecretText>) {
        self.0.send_if_modified(|keys| {
            let name = secret_name(provider);
            let changed = keys.get(&name) != Some(&key);
            keys.insert(name, key);
            changed
        });
    }

    /// Tells of the keys, and of each change.
    pub(super) fn read(&self) -> watch::Receiver<Keys> {
        self.0.subscribe()
    }
}

#[cfg(test)]
impl Board {
    /// The key of the provider, if it is known whether there is one.
    pub(super) fn key(&self, provider: &str) -> Option<Option<String>> {
        let keys = self.0.borrow();
        let key = keys.get(&secret_name(provider))?;
        Some(key.as_ref().map(|key| String::from_utf8(key.as_bytes().to_vec()).unwrap()))
    }
}
