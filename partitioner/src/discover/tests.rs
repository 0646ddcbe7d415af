//! The table as people see it, and what is listed of a GPU that does not answer.

use std::fs;

use kerf_types::inventory::{Health, Inventory};
use kerf_types::{Bytes, CiId, ComputeInstance, GiId, GpuInstance, MigMode, Placement};
use kerf_types::{ProfileId, Timestamp};

use super::known::Known;
use super::table;

/// A tree of two GPUs of which the kernel driver knows one well.
fn known() -> Known {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    };
    let gpus = "proc/driver/nvidia/gpus";
    write(
        &format!("{gpus}/0000:0d:00.0/information"),
        "Model: \t NVIDIA H100\nGPU UUID: \t GPU-1\nDevice Minor: \t 4\n",
    );
    write(
        &format!("{gpus}/0000:11:00.0/information"),
        "Model: \t Unknown\n",
    );
    let device = "sys/bus/pci/devices/0000:0d:00.0";
    write(&format!("{device}/vendor"), "0x10de\n");
    write(&format!("{device}/device"), "0x2330\n");
    Known::read(folder.path())
}

fn lost() -> Health {
    Health::Lost {
        since: Timestamp(1),
    }
}

#[test]
fn a_silent_gpu_is_named_only_where_the_count_agrees() {
    let known = known();
    let gpu = known.gpu(0, 2, lost()).expect("known");
    assert_eq!(
        (gpu.uuid.as_str(), gpu.minor.0, gpu.pci_device_id),
        ("GPU-1", 4, 0x2330_10de)
    );
    assert_eq!(gpu.health, lost());
    assert_eq!(
        known.gpu(1, 2, lost()),
        None,
        "without a UUID it is no GPU of ours"
    );
    assert_eq!(
        known.gpu(0, 1, lost()),
        None,
        "the index may mean another GPU"
    );
    assert_eq!(known.all(&lost()).len(), 1);
    assert_eq!(Known::default().gpu(0, 0, lost()), None);
}

#[test]
fn a_table_shows_what_is_not_known_as_such() {
    let sick = known().gpu(0, 2, lost()).expect("known");
    let compute = ComputeInstance {
        id: CiId(0),
        profile: ProfileId(0),
        placement: None,
        uuid: "MIG-1".parse().expect("a UUID"),
        capability_minor: None,
    };
    let instance = GpuInstance {
        id: GiId(9),
        profile: ProfileId(19),
        placement: Placement { start: 2, size: 1 },
        capability_minor: None,
        compute: vec![compute],
    };
    let mut well = sick.clone();
    well.index = 1;
    well.pci = "0000:11:00.0".parse().expect("an address");
    well.health = Health::Ok;
    well.memory = Bytes(80 << 30);
    well.mig_mode = MigMode::Enabled;
    well.instances = vec![instance];
    let inventory = Inventory {
        host: "h1".to_owned(),
        driver: None,
        gpus: vec![sick, well],
        amd: Vec::new(),
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: vec!["GPU 0: gone".to_owned()],
        map: Default::default(),
    };
    let text = table(&inventory);
    let expected = "\
host    h1
driver  none

GPU  NAME         PCI           MINOR  MEMORY  NUMA  MIG  SLICES  HEALTH
0    NVIDIA H100  0000:0d:00.0  4      ?       ?     ?    0       lost
1    NVIDIA H100  0000:11:00.0  4      80GiB   ?     on   1       ok

SLICE             PROFILE  GPU/GI/CI  UUID   MEMORY
0000:11:00.0-2-1  19       1/9/0      MIG-1  ?

      GPU0  GPU1  CPU AFFINITY  NUMA
GPU0  X     SYS   ?             ?
GPU1  SYS   X     ?             ?
problem: GPU 0: gone
";
    assert_eq!(text, expected);
}
