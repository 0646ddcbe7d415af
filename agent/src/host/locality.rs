//! What goes with a lease by where its devices are: processors and memory, and the names of what is nearest.
//!
//! Owns the way from a lease to the rules of [`kerf_partitioner::topology`] and back to the words of a grant. Decides
//! nothing itself.

use std::collections::BTreeSet;

use kerf_partitioner::sysfs::cpus::CpuSet;
use kerf_partitioner::topology::{self, Cpuset, Nearby, Nearest};
use kerf_types::lease::{Lease, Subject};
use kerf_types::{Inventory, LeasedDevice, PciAddress};

/// Interfaces and disks nearest to what a lease is about to give. Worked out once, for the lease keeps it.
pub(super) fn nearby(host: &Inventory, subjects: &[Subject], devices: &[LeasedDevice]) -> Nearby {
    Nearest::of(host).to(&places(subjects, devices))
}

/// The accelerators that a lease is about, wholly or in part.
pub(super) fn devices(lease: &Lease) -> BTreeSet<PciAddress> {
    places(&lease.subjects, &lease.devices)
}

fn places(subjects: &[Subject], devices: &[LeasedDevice]) -> BTreeSet<PciAddress> {
    let gpus = subjects.iter().map(Subject::gpu);
    let others = devices.iter().filter_map(LeasedDevice::accelerator);
    gpus.chain(others).collect()
}

/// Variables that name what is nearest, for programs that choose by name (`NCCL_IB_HCA`, UCX). What there is none of
/// has no variable, and a name with a comma would be read as two.
pub(super) fn variables(lease: &Lease) -> Vec<String> {
    let lists = [
        ("KERF_NICS", &lease.nearest_nics),
        ("KERF_NVME", &lease.nearest_nvme),
    ];
    let variable = |(key, names): (&str, &Vec<String>)| {
        let whole = names.iter().filter(|name| !name.contains(','));
        let names: Vec<&str> = whole.map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("{key}={}", names.join(",")))
    };
    lists.into_iter().filter_map(variable).collect()
}

/// What may be pinned to at all, as [`crate::process::allowed`] says.
pub type Allowed = Option<(String, String)>;

/// The lists of a cpuset for a lease, processors and memory nodes; `None` pins nothing.
pub fn cpuset(
    host: &Inventory,
    lease: &Lease,
    allowed: &Allowed,
) -> (Option<String>, Option<String>) {
    let allowed = allowed.as_ref().and_then(|(cpus, mems)| {
        Some(Cpuset {
            cpus: CpuSet::from_list(cpus)?,
            mems: CpuSet::from_list(mems)?,
        })
    });
    let Some(allowed) = allowed else {
        return (None, None);
    };
    let set = topology::cpuset(host, &devices(lease), &allowed);
    let list = |set: &CpuSet| (!set.is_empty()).then(|| set.to_string());
    (list(&set.cpus), list(&set.mems))
}

#[cfg(test)]
mod tests {
    use kerf_types::lease::Holder;

    use super::*;
    use crate::host::fixture;

    #[test]
    fn variables_name_what_there_is() {
        let named = |nics: &[&str], nvme: &[&str]| {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            variables(&Lease {
                nearest_nics: own(nics),
                nearest_nvme: own(nvme),
                ..fixture::lease(Holder::User { uid: 0 }, Vec::new())
            })
        };
        assert_eq!(
            named(&["mlx5_0", "mlx5_1"], &["nvme0"]),
            ["KERF_NICS=mlx5_0,mlx5_1", "KERF_NVME=nvme0"]
        );
        assert_eq!(named(&[], &["nvme0"]), ["KERF_NVME=nvme0"]);
        assert_eq!(named(&["a,b"], &[]), [""; 0]);
    }
}
