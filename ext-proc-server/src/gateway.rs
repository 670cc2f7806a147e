//! What the three services share.

use crate::config::{Config, StoreSettings};
use crate::policy::Policy;
use crate::policy::identity::Directory;
use crate::probe::Probe;
use crate::record::ledger::Ledger;
use crate::store::{Clock, Memory, Store};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;

/// The state of one process.
#[derive(Debug)]
pub struct Gateway {
    /// The configuration in force.
    pub policy: ArcSwap<Policy>,
    /// Counters and reservations.
    pub store: Arc<dyn Store>,
    /// What was used.
    pub ledger: Ledger,
    /// Whether Envoy's chain holds the filters.
    pub probe: Probe,
    /// How long a reservation waits to be settled.
    pub lifetime: Duration,
}

impl Gateway {
    /// Opens the store and the ledger.
    ///
    /// # Errors
    /// One of them cannot be read or written.
    pub fn open(config: Config) -> std::io::Result<Self> {
        // Envoy ends a request at its timeout; its log entry comes soon after. Who has not settled by then will not.
        let lifetime = config.timeouts.request + Duration::from_secs(30);
        let store: Arc<dyn Store> = match &config.store {
            StoreSettings::Embedded { folder: Some(folder) } => {
                Arc::new(Memory::open(folder, Clock::System)?)
            }
            StoreSettings::Embedded { folder: None } => Arc::new(Memory::new(Clock::System)),
        };
        let names = config.models.iter().map(|model| model.name.as_str());
        let known = names.chain(config.prices.models()).map(str::to_owned).collect();
        let ledger = Ledger::open(config.ledger.as_deref(), known)?;
        let policy = Policy::new(Arc::new(config), &Directory::default());
        Ok(Self { policy: ArcSwap::from_pointee(policy), store, ledger, probe: Probe::new(), lifetime })
    }
}
