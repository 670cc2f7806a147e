//! Counters and reservations.

mod calendar;
mod memory;

pub use calendar::{Date, day};
pub use memory::{Memory, Refused, Request, Reservation};
