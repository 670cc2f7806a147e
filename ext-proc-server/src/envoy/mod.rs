//! Envoy's configuration from `weirgate.yaml`.

pub mod clusters;
mod jwt;
mod render;
mod yaml;

pub use render::{Filter, Paths, Rendered, render, render_filter};
