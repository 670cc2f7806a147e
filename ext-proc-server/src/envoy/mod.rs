//! Envoy's configuration from `weirgate.yaml`.

pub mod clusters;
mod render;
mod yaml;

pub use render::render;
pub use render::{Paths, Rendered, single_filter};
