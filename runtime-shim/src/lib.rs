//! kerf-runtime: an OCI runtime wrapper that gives a container exactly the slice it was granted.
//!
//! It stands where containerd, podman or docker call runc. Only a `create` (or `run`) of a container
//! that carries an ask does work: one round trip to kerfd, one edit of `config.json`, then runc itself.
//! Everything else is an exec. The same program is the CDI hook that claims a standing device, and the fence
//! that ends a container whose deadline kerfd does not renew.
//!
//! The flow of a create, each step in the module that owns it:
//!
//! ```text
//! argv ──> settings ──> bundle (strict read) ──> spec (the ask) ──┬─ none ─────────────> exec runc
//!                                                                 └─ client ──> kerfd
//!           exec runc <── bundle (rename) <── spec (the edit) <── fence <── vet <── grant
//! ```
//!
//! A failure at any step ends in exit code 1 with nothing given: a container gets exactly its devices or
//! it does not start. This crate never decides who may have what (kerfd does), never reads the image or
//! the environment for an ask, and never opens a device.
//!
//! The library half exists for [`frame`] and [`guard::deadline`], which kerfd speaks too, and so that the edit can
//! be tested as a pure function of text.

pub mod argv;
pub mod bundle;
pub mod cgroups;
pub mod claim;
pub mod client;
pub mod features;
pub mod fence;
pub mod frame;
pub mod guard;
pub mod json;
pub mod launch;
pub mod quick;
pub mod report;
pub mod settings;
pub mod spec;
mod sys;
pub mod vet;
