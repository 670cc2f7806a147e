//! Envoy's configuration from `weirgate.yaml`.

mod cluster_config;
pub mod clusters;
mod credentials;
mod jwt;
mod listener;
mod parts;
mod render;
mod yaml;

pub use render::{Filter, Paths, Rendered, render, render_filter};
