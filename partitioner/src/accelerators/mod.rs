//! Accelerators of every vendor as the kernel shows them, in one shape.
//!
//! Owns the reading of the files that drivers of accelerators show under `/sys` and `/proc`, a file for each vendor,
//! and the tables of what their makers publish (`tables`). Only reads, also where a driver takes any write to a
//! counter as "clear it". Asks no vendor's library: what NVML knows beside is added by whoever has it. A value that
//! the kernel does not tell is unknown, and never zero.

mod amd;
mod facts;
mod fpga;
mod gaudi;
mod intel;
mod kfd;
mod neuron;
mod nvidia;
mod other;
mod pcie;
mod peers;
mod tables;
#[cfg(test)]
mod tests;
mod tpu;

pub use tables::nvidia::capabilities_of_nvidia;

use kerf_types::map::{Accelerator, ClassDevice, Link, PciFunction};

use self::facts::Scene;
use crate::sysfs::Reader;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The accelerators, by PCI address; behind them those that have none, by name.
    pub accelerators: Vec<Accelerator>,
    /// Links between them that the kernel names, by their ends.
    pub links: Vec<Link>,
}

/// The accelerators of a host, and their links.
///
/// `functions` are all PCI functions, `devices` all devices of the kernel's classes. What is odd in the tree is
/// remembered by the reader. Nothing here enters NVIDIA's driver; what another maker's answers is waited for a second,
/// for each device by itself.
pub fn accelerators(
    reader: &Reader<'_>,
    functions: &[PciFunction],
    devices: &[ClassDevice],
) -> Found {
    let scene = Scene::new(reader, functions, devices);
    let mut found = Found::default();
    for find in [
        amd::find,
        fpga::find,
        gaudi::find,
        intel::find,
        neuron::find,
        nvidia::find,
        other::find,
        tpu::find,
    ] {
        let more = find(&scene);
        found.accelerators.extend(more.accelerators);
        found.links.extend(more.links);
    }
    Accelerator::sort(&mut found.accelerators);
    found.accelerators.dedup_by(|next, kept| next.id == kept.id);
    found
        .links
        .sort_by(|one, other| (&one.a, &one.b, one.kind).cmp(&(&other.a, &other.b, other.kind)));
    found
}

/// Whether a function is an accelerator that one of the vendors' files knows by itself.
fn is_known(function: &PciFunction) -> bool {
    [
        amd::is_mine,
        fpga::is_mine,
        gaudi::is_mine,
        intel::is_mine,
        neuron::is_mine,
        nvidia::is_mine,
        tpu::is_mine,
    ]
    .iter()
    .any(|is_mine| is_mine(function))
}
