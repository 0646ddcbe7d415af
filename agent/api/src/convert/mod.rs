//! Between the wire and the vocabulary: `From<&types::X> for v1::X` out, `TryFrom<v1::X> for types::X` in.
//!
//! It owns what a message may hold: every value is checked on the way in, so that nothing behind this module
//! checks again. It never repairs a value and never guesses one that is missing.

mod amd;
mod check;
mod fabric;
mod gpu;
mod host;
mod job;
mod layout;
mod lease;
mod map;
mod mig;
mod peer;
mod place;
mod record;
mod sample;
mod sharing;
mod step;
#[cfg(test)]
mod tests;
mod vgpu;

use kerf_types::ParseError;

pub(crate) use check::{
    At, count, distinct, each, number_error, optional_text, parse, required, text,
};
pub use gpu::{architecture, architecture_number};
pub use job::job_state;
pub(crate) use layout::{check_layout, check_rule, exact_places, fill_order, most, slice_counts};
pub use layout::{gpu_selector, gpu_selector_text};
pub use map::{ACCELERATOR_LIMIT, FUNCTION_LIMIT, ODDITY_LIMIT};
pub(crate) use mig::{mig_mode, part_place, placement};
pub use record::{RECORD_LIMIT, host_id};
pub(crate) use sharing::{check_sharing, mps, time_slice};

/// Most GPUs of a host; the largest servers sold have 16, a composed one some dozens.
pub const GPU_LIMIT: usize = 256;
/// Most MIG profiles of a GPU; drivers list about ten.
pub const PROFILE_LIMIT: usize = 64;
/// Most legal places of a profile, GPU instances of a GPU, and compute instances of one of these: no grid has
/// more units.
pub const GRID_LIMIT: usize = 64;
/// Most NVLinks of a GPU; NVML knows 18 (`NVML_NVLINK_MAX_LINKS`).
pub const NVLINK_LIMIT: usize = 128;
/// Most processes on a GPU. A time-shared GPU serves some dozens.
pub const PROCESS_LIMIT: usize = 16_384;
/// Most NUMA nodes, and distances of one: the kernel's own limit on x86 and arm64 (`NODES_SHIFT` 10).
pub const NUMA_LIMIT: usize = 1_024;
/// Most network interfaces of a host: virtual functions count each.
pub const NIC_LIMIT: usize = 4_096;
/// Most problems that an inventory lists.
pub const PROBLEM_LIMIT: usize = 1_024;
/// Most labels of a host or of the jobs on it that a record tells of.
pub const LABEL_LIMIT: usize = 64;
/// Longest key or value of a label in bytes.
pub const LABEL_TEXT_LIMIT: usize = 128;
/// Most GPU models of one host.
pub const MODEL_LIMIT: usize = 16;
/// Longest address of a peer in bytes: a DNS name and a port.
pub const ADDRESS_LIMIT: usize = 260;
/// Most rules of a layout, and GPUs that one rule names.
pub const RULE_LIMIT: usize = GPU_LIMIT;
/// Longest name or version in bytes.
pub const NAME_LIMIT: usize = 256;
/// Longest sentence in bytes.
pub const TEXT_LIMIT: usize = 8_192;
/// Longest list of CPUs in bytes: 4,096 runs of two numbers of five digits.
pub const CPUS_LIMIT: usize = 65_536;

/// A message or a document that cannot be accepted: which field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {fault}")]
pub struct ConvertError {
    /// Where it stands, from the outermost message inwards: `gpus[3].instances[0].placement`.
    pub path: String,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A part that must be there is not.
    #[error("missing")]
    Missing,
    /// A text does not have the form that it must have.
    #[error("{0}")]
    Text(ParseError),
    /// A number is not one of those that mean something here.
    #[error("{found} is not {allowed}")]
    Number {
        /// What was found.
        found: String,
        /// What may stand here, with its article.
        allowed: &'static str,
    },
    /// A list is too long.
    #[error("{count} entries, at most {limit} are allowed")]
    TooMany {
        /// Entries found.
        count: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// A text is too long.
    #[error("{bytes} bytes, at most {limit} are allowed")]
    TooLong {
        /// Bytes found.
        bytes: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Two entries name one thing.
    #[error("{what} stands there twice")]
    Duplicate {
        /// The thing.
        what: String,
    },
    /// It contradicts another field.
    #[error("{why}")]
    Conflict {
        /// Which rule it breaks.
        why: &'static str,
    },
}

impl ConvertError {
    /// An error about the field `path`.
    pub fn new(path: impl Into<String>, fault: Fault) -> Self {
        let path = path.into();
        Self { path, fault }
    }

    /// The same error as seen from a message that holds this one in its field `parent`.
    #[must_use]
    pub fn within(self, parent: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        Self {
            path: format!("{parent}{joint}{}", self.path),
            fault: self.fault,
        }
    }
}
