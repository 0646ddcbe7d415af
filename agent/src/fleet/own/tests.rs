//! The record is told when it says something new, with a version that grows.

use kerf_types::host_record::{Admission, Amount, GpuHealth};
use kerf_types::{HostId, HostRecord, Inventory};

use super::{Own, Who};
use crate::config::Config;
use crate::config::file::FileConfig;
use crate::host::{HostView, Sight, fixture};
use crate::members::Load;

fn config(text: &str) -> Config {
    let file: FileConfig = toml::from_str(text).expect("a file");
    file.resolve(std::path::Path::new("/"), "gpu-1")
        .expect("a configuration")
}

fn own(start: u64) -> Own {
    let who = Who {
        id: HostId::from_bits(1),
        name: "gpu-1".parse().expect("a name"),
        address: "127.0.0.1:1".to_owned(),
        start,
    };
    Own::new(who, &config(""))
}

fn view() -> HostView {
    HostView {
        shared: std::collections::BTreeMap::new(),
        inventory: Inventory {
            host: "gpu-1".to_owned(),
            driver: None,
            gpus: Vec::new(),
            amd: Vec::new(),
            numa_nodes: Vec::new(),
            nics: Vec::new(),
            problems: Vec::new(),
            map: Default::default(),
        },
        whole: Default::default(),
        sight: Sight::default(),
        slices: Vec::new(),
        leases: Vec::new(),
        vgpus: Default::default(),
        vgpu_gpus: Default::default(),
        vgpus_looked: None,
        degraded: Default::default(),
        gpu_labels: Default::default(),
        generation: 1,
        epoch: 4,
        draining: false,
        maintenance: None,
        held: std::collections::BTreeSet::new(),
        capacity: 0,
    }
}

fn load(free: u64) -> Load {
    Load {
        cpu_milli: Amount { total: 8_000, free },
        ..Load::default()
    }
}

#[test]
fn only_what_is_new_is_told_and_in_growing_versions() {
    let mut own_record = own(2);
    let first = own_record.look(&view(), &load(8_000)).expect("the first");
    assert_eq!(first.version.epoch, 4);
    // Nothing that peers hear of.
    let mut same = view();
    same.generation = 9;
    same.capacity = 3;
    let again = own_record.look(&same, &load(8_000));
    // The load of the machine may have changed by a step between both looks.
    if let Some(again) = again {
        assert_ne!(again.load_per_mille, first.load_per_mille);
    }
    let second = own_record
        .look(&view(), &load(7_000))
        .expect("less is free");
    assert!(second.version > first.version && second.cpu_milli.free == 7_000);
    let mut draining = view();
    draining.draining = true;
    let third = own_record.look(&draining, &load(7_000)).expect("it drains");
    assert_eq!(third.admission, Admission::Draining);
    let later = own(3).look(&view(), &load(8_000)).expect("another start");
    assert!(later.version > third.version);
}

#[test]
fn a_new_configuration_is_told() {
    let mut own = own(1);
    own.look(&view(), &load(1)).expect("the first");
    own.reconfigure(&config(
        "[host.labels]\nzone = \"a\"\n[partition]\non_demand = false\n",
    ));
    let record = own.look(&view(), &load(1)).expect("labels are new");
    assert_eq!(record.labels["zone"], "a");
    assert!(!record.policy.on_demand && record.policy.mode_change_when_idle);
}

#[test]
fn a_gpu_that_is_drained_for_maintenance_is_told_as_one_in_it() {
    let mut host = view();
    host.inventory.gpus = vec![fixture::gpu(0), fixture::gpu(1)];
    let healths = |record: &HostRecord| {
        let gpus = record.gpus.iter().map(|gpu| gpu.health);
        gpus.collect::<Vec<GpuHealth>>()
    };
    let mut own = own(1);
    let first = own.look(&host, &load(1)).expect("the first");
    assert_eq!(healths(&first), [GpuHealth::Ok, GpuHealth::Ok]);
    host.held.insert(host.inventory.gpus[1].pci);
    let drained = own.look(&host, &load(1)).expect("one is drained");
    assert_eq!(healths(&drained), [GpuHealth::Ok, GpuHealth::Maintenance]);
}
