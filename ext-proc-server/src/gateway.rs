//! What the three services share.

use crate::alerts::Alerts;
use crate::cache::Cache;
use crate::config::{Config, StoreSettings};
use crate::departed::Departed;
use crate::directory::log::{AuditLog, MemoryLog};
use crate::directory::{FileLog, Managed, Restored, SharedLog};
use crate::lock;
use crate::policy::Policy;
use crate::probe::Probe;
use crate::record::Hits;
use crate::record::ledger::Ledger;
use crate::store::lease::Leased;
use crate::store::outage::Guarded;
use crate::store::{Clock, Memory, Redis, Store};
use arc_swap::ArcSwap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The audit log's file in the store's folder.
const AUDIT_LOG: &str = "audit.jsonl";

/// The state of one process.
#[derive(Debug)]
pub struct Gateway {
    /// The configuration in force.
    pub policy: ArcSwap<Policy>,
    /// Everybody whom the admin API has made known.
    pub managed: Managed,
    /// Counters and reservations.
    pub store: Arc<dyn Store>,
    /// What was used.
    pub ledger: Ledger,
    /// Whether Envoy's chain holds the filters.
    pub probe: Probe,
    /// Answers that were given before, if they are kept.
    pub(crate) cache: Option<Cache>,
    /// Requests that were answered from it, until they are settled.
    pub(crate) hits: Hits,
    /// Requests that were recorded when they were answered, for Envoy may still tell of their end.
    pub(crate) recorded: Departed,
    /// Requests that ended before decide was asked.
    pub(crate) departed: Departed,
    /// Who is told of limits.
    pub alerts: Alerts,
    /// How long a reservation waits to be settled.
    pub lifetime: Duration,
    /// Holds the folder for this process, where the store does not.
    _folder_lock: Option<File>,
}

impl Gateway {
    /// Opens the store, the audit log and the ledger.
    ///
    /// # Errors
    /// One of them cannot be read or written.
    pub fn open(config: Config) -> std::io::Result<Self> {
        // Envoy ends a request at its timeout; its log entry comes soon after. Who has not settled by then will not.
        let lifetime = config.timeouts.request + config.timeouts.settle;
        let mut shared = None;
        let mut folder_lock = None;
        let store: Arc<dyn Store> = match (&config.store, &config.folder) {
            (StoreSettings::Embedded, Some(folder)) => Arc::new(Memory::open(folder, Clock::System)?),
            (StoreSettings::Embedded, None) => Arc::new(Memory::new(Clock::System)),
            (StoreSettings::Redis { settings, lease_percent }, _) => {
                // The embedded store takes the folder itself. Here only these keep something in it.
                let cached = config.cache.as_ref().is_some_and(|cache| !cache.shared);
                if let Some(folder) = config.folder.as_deref()
                    && (!config.alerts.is_empty() || cached)
                {
                    folder_lock = Some(lock::folder(folder)?);
                }
                let redis = Arc::new(Redis::connect(settings.clone()).map_err(std::io::Error::other)?);
                shared = Some(redis.clone());
                let store: Arc<dyn Store> = match lease_percent {
                    Some(percent) => Arc::new(Leased::new(redis, *percent, Clock::System)),
                    None => redis,
                };
                Arc::new(Guarded::new(store, Clock::System))
            }
        };
        let names = config.models.iter().map(|model| model.name.as_str());
        let known = names.chain(config.prices.models()).map(str::to_owned).collect();
        let ledger = Ledger::open(config.ledger.as_deref(), known)?;
        let cache = config.cache.clone();
        let cache = cache.map(|settings| Cache::open(settings, config.folder.as_deref(), shared.clone()));
        let cache = cache.transpose()?;
        let (log, restored): (Arc<dyn AuditLog>, _) = match shared {
            // What is in it is known once it was asked, by `Managed::refresh`.
            Some(redis) => (Arc::new(SharedLog::new(redis)), Restored::default()),
            None => audit_log(config.folder.as_deref())?,
        };
        let alerts = Alerts::open(config.alerts.clone(), config.folder.as_deref())?;
        let config = Arc::new(config);
        let policy = ArcSwap::from_pointee(Policy::new(config.clone(), &restored.directory));
        let managed = Managed::new(log, restored, config);
        Ok(Self {
            policy,
            managed,
            store,
            ledger,
            probe: Probe::new(),
            cache,
            hits: Hits::default(),
            recorded: Departed::default(),
            departed: Departed::default(),
            alerts,
            lifetime,
            _folder_lock: folder_lock,
        })
    }
}

/// The audit log in a folder; without one it is forgotten when the process ends.
fn audit_log(folder: Option<&Path>) -> std::io::Result<(Arc<dyn AuditLog>, Restored)> {
    let Some(folder) = folder else { return Ok((Arc::new(MemoryLog::default()), Restored::default())) };
    let (log, restored) = FileLog::open(&folder.join(AUDIT_LOG))?;
    Ok((Arc::new(log), restored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use std::collections::BTreeMap;

    #[test]
    fn two_services_with_redis_do_not_share_a_folder_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let config = || {
            let text = format!(
                "providers: {{p: {{dialect: openai}}}}\nkeys: [{{name: k, key: a-key-of-some-length}}]\ncache: {{}}\nstore: {{redis: \"redis://127.0.0.1:1\", folder: {}}}",
                folder.path().display()
            );
            read(&text, &BTreeMap::new()).unwrap()
        };
        let first = Gateway::open(config()).unwrap();
        let error = Gateway::open(config()).unwrap_err().to_string();
        let path = folder.path().display();
        assert_eq!(error, format!("another process uses {path}: each service needs its own"));
        drop(first);
        assert!(Gateway::open(config()).is_ok());
    }
}
