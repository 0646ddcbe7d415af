//! What must hold of texts that kerf reads from outside, as functions of the bytes.
//!
//! Each function takes any bytes at all and panics where a promise is broken: what is refused says why, what is read
//! reads back, what is made of it stays within what was given. Three run them: the fuzzers in `engine/`, which a
//! person starts with `cargo xtask fuzz`; the tests of this package, on every seed, on every finding of the past and
//! on changed seeds; and nobody else. Owns no reader: those are the packages' that it calls.

#![forbid(unsafe_code)]

mod batch;
mod cdi;
mod cpus;
mod documents;
mod identity;
mod layout;
mod mps;
mod names;
mod nccl;
mod nri;
mod rows;
mod sealed;
mod spec;
mod tree;

pub use batch::batch_lines;
pub use cdi::cdi_document;
pub use cpus::cpu_sets;
pub use documents::{job_spec, kerfd_config};
pub use identity::{join_token, member_certificate};
pub use layout::{layout, mig_parted};
pub use mps::mps_answers;
pub use names::{ask, identifiers, profile_name};
pub use nccl::nccl_xml;
pub use nri::nri_frames;
pub use rows::{sharing_record, store_rows};
pub use sealed::{keyring, sealed_datagram};
pub use spec::{launch_reply, oci_spec};
pub use tree::{amd_tree, sysfs_tree, vgpu_tree};

/// A promise about bytes; it panics where the promise is broken.
pub type Property = fn(&[u8]);

/// Every property under the name of its fuzzer, of its folder of seeds and of its findings.
pub const TARGETS: [(&str, Property); 24] = [
    ("amd_tree", amd_tree),
    ("ask", ask),
    ("batch_lines", batch_lines),
    ("cdi_document", cdi_document),
    ("cpu_sets", cpu_sets),
    ("identifiers", identifiers),
    ("job_spec", job_spec),
    ("join_token", join_token),
    ("kerfd_config", kerfd_config),
    ("keyring", keyring),
    ("launch_reply", launch_reply),
    ("layout", layout),
    ("member_certificate", member_certificate),
    ("mig_parted", mig_parted),
    ("mps_answers", mps_answers),
    ("nccl_xml", nccl_xml),
    ("nri_frames", nri_frames),
    ("oci_spec", oci_spec),
    ("profile_name", profile_name),
    ("sealed_datagram", sealed_datagram),
    ("sharing_record", sharing_record),
    ("store_rows", store_rows),
    ("sysfs_tree", sysfs_tree),
    ("vgpu_tree", vgpu_tree),
];
