//! vGPUs: both frameworks' files, with the table of types that can be made.

use std::collections::BTreeSet;

use kerf_api::v1;
use kerf_partitioner::systree::SysTree;
use kerf_partitioner::vgpu::observe;
use kerf_types::{PciAddress, VgpuGpu};

use super::Tree;

/// Most GPUs that are looked at.
const GPUS: usize = 4;

/// A tree with the files of a GPU and its virtual functions.
pub fn vgpu_tree(bytes: &[u8]) {
    let tree = Tree::parse(bytes);
    let names = tree.list("/sys/bus/pci/devices").unwrap_or_default();
    let addresses = names
        .iter()
        .filter_map(|name| name.parse::<PciAddress>().ok());
    for gpu in addresses.take(GPUS) {
        match observe(&tree, gpu) {
            Ok(seen) => {
                is_described_as_it_is(&seen, gpu);
                assert_eq!(observe(&tree, gpu).ok().as_ref(), Some(&seen));
                let wire = v1::VgpuGpu::from(&seen);
                assert_eq!(VgpuGpu::try_from(wire), Ok(seen));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn is_described_as_it_is(seen: &VgpuGpu, gpu: PciAddress) {
    assert_eq!(seen.pci, gpu);
    assert!(
        seen.functions
            .windows(2)
            .all(|pair| pair[0].pci < pair[1].pci),
        "{seen:?}"
    );
    assert_eq!(seen.framework.is_some(), !seen.functions.is_empty());
    let known: BTreeSet<_> = seen.types.iter().map(|kind| kind.id).collect();
    assert_eq!(known.len(), seen.types.len(), "a type is named once");
    for kind in &seen.types {
        let is_shown = |one: char| !one.is_control();
        assert!(
            !kind.name.is_empty() && kind.name.chars().all(is_shown),
            "{kind:?}"
        );
        assert!(kind.name.chars().count() <= 96);
    }
    let mut devices = BTreeSet::new();
    for function in &seen.functions {
        let creatable = function.creatable.iter().flatten();
        assert!(creatable.into_iter().all(|id| known.contains(id)));
        for vgpu in function.vgpus.iter().flatten() {
            let once = vgpu
                .uuid
                .is_none_or(|uuid| devices.insert((function.pci, uuid)));
            assert!(once, "{vgpu:?} is there twice");
            let user = vgpu.user.iter().flat_map(|name| name.chars());
            assert!(!user.into_iter().any(char::is_control));
        }
    }
    assert!(seen.problems.iter().all(|words| !words.is_empty()));
}
