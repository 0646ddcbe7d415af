//! Samples of accelerators, slices and jobs, rendered as Prometheus text.
//!
//! ```text
//!   Snapshot ──collect──► Page ──render──► Rendered (immutable buffers) ──http──► scrape
//!              families: name, type, unit, labels, help of every series
//! ```
//! Everything up to [`render`] is a pure function of its arguments. A page is rendered once per
//! sample tick; a scrape only writes the buffers of the last page and a short tail with the ages.
//! This crate never calls a driver, never reads a sensor and keeps no history. [`usage`] sums up what one lease has used, for whoever keeps it.

#![forbid(unsafe_code)]

mod collect;
pub mod degraded;
pub mod exporter;
pub mod families;
mod gzip;
pub mod http;
mod labels;
mod negotiate;
mod page;
pub mod render;
pub mod selfmetrics;
pub mod snapshot;
pub mod usage;

pub use exporter::{Exporter, Readiness};
pub use render::{Format, Rendered};
pub use selfmetrics::SelfMetrics;
pub use snapshot::Snapshot;
