//! A private host for one test: containerd with an image that came from no registry, and kerfd on
//! a simulated machine.

pub mod boot;
mod config;
mod containerd;
mod fleet;
mod image;
pub mod kerfd;
mod keyring;
pub mod leftovers;
pub(crate) mod network;
pub(crate) mod sweep;

pub use config::{Cri, PAUSE};
pub use containerd::Containerd;
pub use fleet::Fleet;
pub use image::{IMAGE, Image, busybox_image, static_busybox};
pub use kerfd::Kerfd;
pub use keyring::Ring;
pub use network::{Namespace, Network};
