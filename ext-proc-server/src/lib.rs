//! The service beside Envoy, and what runs both.
//!
//! * [`config`] reads `weirgate.yaml`, [`envoy`] writes Envoy's configuration from it.
//! * [`policy`] decides over one configuration; [`store`] counts and reserves.
//! * `decide`, `translate` and [`record`] are the three verbs that Envoy calls, over [`service`].
//! * [`alerts`] tells owners by webhook how their limits stand.
//! * [`directory`] keeps those whom the admin API makes known.
//! * `secrets` gives Envoy the keys of providers that are in files.
//! * [`vectors`] keeps the questions that the cache looks up by their meaning.
//! * [`admin`] serves operators; [`probe`] shows that Envoy's chain is whole.
//! * [`serve`] runs the service, [`up`] the service and Envoy together.

pub mod admin;
pub mod alerts;
mod cache;
pub mod config;
mod decide;
mod departed;
pub mod directory;
pub mod envoy;
pub mod gateway;
mod handover;
mod home;
mod lock;
mod money;
mod outgoing;
pub mod policy;
pub mod probe;
mod ratelimit;
pub mod record;
mod secrets;
pub mod serve;
pub mod service;
pub mod store;
mod translate;
pub mod up;

pub use cache::vectors;
