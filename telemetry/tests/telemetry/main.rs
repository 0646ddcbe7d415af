//! Whole pages, as kerfd publishes and Prometheus scrapes them.

mod conformance;
mod document;
mod faults;
mod golden;
mod oracle;
mod properties;
mod serving;
mod text;
mod wording;
mod world;
