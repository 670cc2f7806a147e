//! What the three services share.

use crate::config::Config;
use crate::policy::Policy;
use crate::probe::Probe;
use crate::record::ledger::Ledger;
use crate::store::Memory;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The state of one process.
#[derive(Debug)]
pub struct Gateway {
    /// The configuration in force.
    pub policy: ArcSwap<Policy>,
    /// Counters and reservations.
    pub store: Memory,
    /// What was used.
    pub ledger: Ledger,
    /// Whether Envoy's chain holds the filters.
    pub probe: Probe,
}

impl Gateway {
    /// Opens the ledger and restores from it what was spent.
    ///
    /// # Errors
    /// The ledger cannot be read or written.
    pub fn open(config: Config) -> std::io::Result<Self> {
        // Envoy ends a request at its timeout; its log entry comes soon after. Who has not settled by then will not.
        let lifetime = config.timeouts.request + Duration::from_secs(30);
        let store = Memory::new(config.keys.iter().map(|key| (key.name.as_str(), key.limits)), lifetime);
        let now = SystemTime::now();
        let names = config.models.iter().map(|model| model.name.as_str());
        let known = names.chain(config.prices.models()).map(str::to_owned).collect();
        let ledger = Ledger::open(config.ledger.as_deref(), known, |line| {
            store.restore(&line.key, line.cost_micros, line.time(), now);
        })?;
        let probe = Probe::new();
        Ok(Self { policy: ArcSwap::from_pointee(Policy::new(Arc::new(config))), store, ledger, probe })
    }
}
