//! A list in the server to which entries are only appended, one behind the other: what several processes have to agree on.

use super::link::{Call, Repeat};
use super::{Redis, StoreError};
use redis::Script;

impl Redis {
    /// Appends an entry if the list has so many before it. Asked again after an answer was lost, it sees that the entry is there.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn append(&self, list: &str, before: u64, entry: &str) -> Result<bool, StoreError> {
        let script = Script::new(include_str!("scripts/append.lua"));
        let mut call = script.prepare_invoke();
        call.key(self.keys.list(list)).arg(before).arg(entry);
        self.link.send(Call::Script(&call), Repeat::Safe, self.link.deadline()).await
    }

    /// Entries of a list, behind the first `skip`, at most `most`.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn entries(&self, list: &str, skip: u64, most: usize) -> Result<Vec<String>, StoreError> {
        let mut command = redis::cmd("LRANGE");
        let last = skip.saturating_add(most as u64).saturating_sub(1);
        command.arg(self.keys.list(list)).arg(skip).arg(last);
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }

    /// How many entries a list has.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn length(&self, list: &str) -> Result<u64, StoreError> {
        let mut command = redis::cmd("LLEN");
        command.arg(self.keys.list(list));
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }
}
