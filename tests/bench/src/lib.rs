//! Load, CPU and memory figures of the gateway and of what stands beside it.
//!
//! The load is a closed loop: a fixed number of connections, each of which sends its next request when
//! the answer to the last one is complete. That measures what a request costs; it does not measure what
//! happens when requests come faster than they are answered.
//!
//! * [`load`] sends requests and times the answers.
//! * [`cpu`] reads what processes used from `/proc`.
//! * [`report`] keeps rows as JSON and prints them as a table.
//! * [`preset`] has the request bodies, [`process`] starts what is measured.

pub mod cpu;
mod http;
pub mod load;
pub mod machine;
pub mod preset;
pub mod process;
pub mod report;
mod sse;
pub mod stats;

pub use load::{LoadConfig, LoadResult};
pub use report::{Report, Row};
