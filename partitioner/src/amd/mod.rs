//! AMD GPUs: what amdgpu and KFD say of them, and the two modes in which they are partitioned.
//!
//! Owns their files under `/sys`, through the seam [`crate::systree`], and their words in the vocabulary. Makes
//! no decision: which mode a GPU shall have is the layout's. Loads no library.

pub mod apply;
mod error;
pub(crate) mod kfd;
pub(crate) mod observe;
#[cfg(test)]
mod tests;

pub use error::AmdError;
pub use observe::{addresses, observe};
