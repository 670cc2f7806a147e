//! Values in the server that are kept for a time, by their names.

use super::link::{Call, Repeat};
use super::{Redis, StoreError};
use std::time::Duration;

/// How many names are looked through at a time.
const BATCH: usize = 500;

impl Redis {
    /// A value.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn value(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.value(name));
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }

    /// Keeps a value for so long.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn set_value(&self, name: &str, value: &str, lifetime: Duration) -> Result<(), StoreError> {
        let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64);
        let mut command = redis::cmd("SET");
        command.arg(self.keys.value(name)).arg(value).arg("PX").arg(millis);
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }

    /// Forgets the values whose names begin so and which are meant, and says how many.
    ///
    /// # Errors
    /// The server cannot be used. Some may have been forgotten.
    pub async fn forget_values(
        &self,
        begin: &str,
        meant: impl Fn(&str) -> bool + Send,
    ) -> Result<u64, StoreError> {
        // What a pattern would take for something else does not stand in names of ours.
        let pattern = format!("{}*", self.keys.value(begin).replace('[', "\\[").replace('{', "\\{"));
        let (mut cursor, mut forgotten) = (0u64, 0u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(BATCH);
            let found = self.link.send(Call::Command(&scan), Repeat::Safe, self.link.deadline()).await?;
            let (next, names): (u64, Vec<String>) = found;
            if !names.is_empty() {
                let mut get = redis::cmd("MGET");
                get.arg(&names);
                let values: Vec<Option<String>> =
                    self.link.send(Call::Command(&get), Repeat::Safe, self.link.deadline()).await?;
                let found = names.iter().zip(&values);
                let wanted = found.filter(|(_, value)| value.as_deref().is_some_and(&meant));
                let wanted: Vec<&String> = wanted.map(|(name, _)| name).collect();
                if !wanted.is_empty() {
                    let mut delete = redis::cmd("DEL");
                    delete.arg(&wanted);
                    forgotten += self
                        .link
                        .send::<u64>(Call::Command(&delete), Repeat::Safe, self.link.deadline())
                        .await?;
                }
            }
            if next == 0 {
                return Ok(forgotten);
            }
            cursor = next;
        }
    }
}
