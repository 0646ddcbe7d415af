//! AMD GPUs: amdgpu's modes, lists of modes, and KFD's topology.

use kerf_api::v1;
use kerf_partitioner::amd::{addresses, observe};
use kerf_partitioner::systree::SysTree;
use kerf_types::{AmdGpu, ComputePartition, Timestamp};

use super::Tree;

/// Most GPUs that are looked at: each look reads the whole topology.
const GPUS: usize = 4;

/// A tree with amdgpu's and KFD's files.
pub fn amd_tree(bytes: &[u8]) {
    let tree = Tree::parse(bytes);
    let Ok(found) = addresses(&tree) else {
        return;
    };
    let is_sorted = found.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(is_sorted, "a GPU is listed once: {found:?}");
    for (place, pci) in found.iter().take(GPUS).enumerate() {
        let gpu = match observe(&tree, *pci, Timestamp(7)) {
            Ok(gpu) => gpu,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        assert_eq!(
            (gpu.pci, usize::try_from(gpu.index).ok()),
            (*pci, Some(place))
        );
        is_described_as_it_is(&tree, &gpu);
        let again = observe(&tree, *pci, Timestamp(7));
        assert_eq!(again.ok().as_ref(), Some(&gpu), "a look changes nothing");
        // Whatever is seen reaches kerfd: a GPU that does not travel would be one that nobody has.
        let wire = v1::AmdGpu::from(&gpu);
        assert_eq!(AmdGpu::try_from(wire), Ok(gpu));
    }
}

fn is_described_as_it_is(tree: &Tree, gpu: &AmdGpu) {
    let text = |name: &str| {
        let path = format!("/sys/bus/pci/devices/{}/{name}", gpu.pci);
        let bytes = tree.read(&path).unwrap_or_default();
        let text = String::from_utf8(bytes).unwrap_or_default();
        text.trim().to_ascii_uppercase()
    };
    let current = text("current_compute_partition");
    assert_eq!(gpu.compute.map(|mode| mode.to_string()), known(&current));
    let offered = text("available_compute_partition");
    for mode in ComputePartition::ALL {
        let says = offered.split([',', ' ']).any(|word| word == mode.as_str());
        assert_eq!(
            gpu.compute_modes.contains(&mode),
            says,
            "{mode} of {offered:?}"
        );
    }
    let memory = text("current_memory_partition");
    let mode = gpu.memory_mode.map(|mode| mode.to_string());
    assert!(mode.is_none_or(|mode| memory == mode), "{memory:?}");
    let order =
        |pair: &[kerf_types::amd::AmdPartition]| pair[0].render_minor <= pair[1].render_minor;
    assert!(gpu.partitions.windows(2).all(order));
    let xccs: u64 = gpu.partitions.iter().map(|one| u64::from(one.xccs)).sum();
    assert!(u64::from(gpu.xccs.unwrap_or(0)) <= xccs);
    assert!(gpu.processes.is_sorted());
    let labels = [Some(&gpu.name), gpu.unique_id.as_ref(), gpu.serial.as_ref()];
    let letters = labels.into_iter().flatten().flat_map(|label| label.chars());
    assert!(!letters.into_iter().any(char::is_control), "{gpu:?}");
}

fn known(text: &str) -> Option<String> {
    let all = ComputePartition::ALL.into_iter();
    let mut all = all.map(|mode| mode.to_string());
    all.find(|mode| mode == text)
}
