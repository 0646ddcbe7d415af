//! What the kernel and NVML know, together; and that a second pass adds nothing.

use std::sync::Arc;

use kerf_types::inventory::{Gpu, Health, NvLinkRemote};
use kerf_types::map::{
    Accelerator, AcceleratorHealth, Capability, CapabilityKey, CapabilityValue, End, Link,
    LinkKind, PciFunction, Provenance, Vendor,
};
use kerf_types::topology::LinkClass;
use kerf_types::{AmdGpu, Bytes, HostMap, Timestamp};

use super::super::{Site, whole};
use super::{at, gpu, host, links};

const FIRST: &str = "0000:0d:00.0";
const SECOND: &str = "0000:11:00.0";
const SWITCH: &str = "0000:07:00.0";

fn map(accelerators: &[(&str, &str)]) -> HostMap {
    let function = |(address, path): &(&str, &str)| PciFunction {
        driver: Some("nvidia".to_owned()),
        ..PciFunction::at(at(address), (*path).to_owned())
    };
    let accelerator = |(address, _): &(&str, &str)| Accelerator {
        driver: Some("nvidia 590.48.01".to_owned()),
        ..Accelerator::at(at(address), Vendor::Nvidia)
    };
    HostMap {
        pci: accelerators.iter().map(function).collect(),
        accelerators: accelerators.iter().map(accelerator).collect(),
        ..HostMap::default()
    }
}

const PLACES: [(&str, &str); 2] = [
    (FIRST, "/sys/devices/pci0000:08/0000:08:01.0/0000:0d:00.0"),
    (SECOND, "/sys/devices/pci0000:08/0000:08:02.0/0000:11:00.0"),
];

#[test]
fn nvml_adds_to_what_the_kernel_shows() {
    let switch = NvLinkRemote::Switch(Some(at(SWITCH)));
    let mut inventory = host(vec![
        gpu(0, FIRST, Some(0), links(18, true, switch)),
        gpu(1, SECOND, Some(0), links(18, true, switch)),
    ]);
    inventory.map = Arc::new(map(&PLACES));
    let once = whole(&inventory);
    let ids: Vec<&str> = once
        .accelerators
        .iter()
        .map(|one| one.id.as_str())
        .collect();
    assert_eq!(ids, [FIRST, SECOND]);
    let one = &once.accelerators[0];
    assert_eq!(one.health, AcceleratorHealth::Ok);
    assert_eq!(
        one.capabilities
            .get(&CapabilityKey::LinkCount)
            .map(|links| &links.value),
        Some(&CapabilityValue::Count(18))
    );
    let told: Vec<(LinkKind, u32, Option<u32>, &str)> = once
        .links
        .iter()
        .map(|link| (link.kind, link.count, link.gbps, link.ancestor.as_str()))
        .collect();
    let into_switch = (LinkKind::NvLink, 18, Some(450), "");
    assert_eq!(
        told,
        [
            into_switch,
            into_switch,
            (LinkKind::Phb, 1, None, "pci0000:08")
        ]
    );
    inventory.map = Arc::new(once.clone());
    assert_eq!(whole(&inventory), once, "a second pass adds nothing");
}

#[test]
fn a_gpu_that_its_driver_does_not_list_is_gone() {
    let mut inventory = host(vec![gpu(0, FIRST, Some(0), Vec::new())]);
    inventory.map = Arc::new(map(&PLACES));
    let all = whole(&inventory).accelerators;
    let gone = "gone: its driver does not list it".to_owned();
    assert_eq!(all[1].health, AcceleratorHealth::Failed(gone));
    let site = Site::new(&inventory);
    let well: Vec<bool> = site.accelerators().iter().map(|one| one.is_well).collect();
    assert_eq!(well, [true, false]);
    // Nobody was asked, so nothing is held against it.
    inventory.gpus.clear();
    assert_eq!(
        whole(&inventory).accelerators[1].health,
        AcceleratorHealth::Unknown
    );
    // One that is given to a virtual machine is no business of NVIDIA's driver.
    inventory.gpus = vec![gpu(0, FIRST, Some(0), Vec::new())];
    let mut map = map(&PLACES);
    map.accelerators[1].driver = Some("vfio-pci".to_owned());
    inventory.map = Arc::new(map);
    assert_eq!(
        whole(&inventory).accelerators[1].health,
        AcceleratorHealth::Unknown
    );
}

#[test]
fn a_lost_gpu_says_so() {
    let mut lost = gpu(0, FIRST, Some(0), Vec::new());
    lost.health = Health::Lost {
        since: kerf_types::Timestamp(1),
    };
    let all = whole(&host(vec![lost])).accelerators;
    assert_eq!(all[0].health, AcceleratorHealth::Failed("lost".to_owned()));
}

#[test]
fn links_of_other_makers_have_their_word_in_the_matrix() {
    let mut map = map(&PLACES);
    for one in &mut map.accelerators {
        one.vendor = Some(Vendor::Amd);
    }
    map.links.push(Link {
        a: End::Accelerator(FIRST.to_owned()),
        b: End::Accelerator(SECOND.to_owned()),
        kind: LinkKind::Xgmi,
        count: 4,
        gbps: Some(200),
        ancestor: String::new(),
    });
    let mut inventory = host(Vec::new());
    inventory.map = Arc::new(map);
    let site = Site::new(&inventory);
    let [a, b] = site.accelerators() else {
        panic!("two accelerators");
    };
    let class = site.class(a, b);
    assert_eq!(class, LinkClass::Own(LinkKind::Xgmi, 4));
    assert_eq!(class.to_string(), "XGMI4");
    assert_eq!(
        (site.near(a, b).links, site.near(b, a).level),
        (4, LinkClass::Phb)
    );
}

/// What an AMD GPU has said of itself, as its worker read it.
fn amd() -> AmdGpu {
    AmdGpu {
        index: 0,
        pci: at(FIRST),
        name: "AMD Instinct MI300X".to_owned(),
        pci_device_id: 0x74a1_1002,
        unique_id: None,
        serial: None,
        memory: Bytes(192 << 30),
        memory_used: Some(Bytes(1 << 30)),
        utilisation_percent: Some(97),
        numa_node: None,
        xccs: None,
        hive: None,
        compute: None,
        compute_modes: Vec::new(),
        memory_mode: None,
        memory_modes: Vec::new(),
        pending_memory: None,
        partitions: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}

#[test]
fn an_amd_gpu_tells_its_load_and_that_it_is_well() {
    let silent = AcceleratorHealth::Failed("its driver does not answer".to_owned());
    let since = Timestamp(1);
    let operation = "amdgpu resets it".to_owned();
    let resets = Health::Unresponsive { since, operation };
    let unresponsive = AcceleratorHealth::Failed("unresponsive (amdgpu resets it)".to_owned());
    for (kernel, told, expected) in [
        (
            AcceleratorHealth::Unknown,
            Health::Ok,
            AcceleratorHealth::Ok,
        ),
        // The kernel's part has met a file that hangs, which the answers of others do not heal.
        (silent.clone(), Health::Ok, silent.clone()),
        (AcceleratorHealth::Ok, resets, unresponsive),
    ] {
        let mut map = map(&PLACES);
        let one = &mut map.accelerators[0];
        (one.vendor, one.health) = (Some(Vendor::Amd), kernel);
        let mut inventory = host(Vec::new());
        let health = told;
        inventory.amd = vec![AmdGpu { health, ..amd() }];
        inventory.map = Arc::new(map);
        let first = whole(&inventory);
        let one = &first.accelerators[0];
        assert_eq!(one.memory_used, Some(Bytes(1 << 30)));
        assert_eq!(one.utilisation_percent, Some(97));
        assert_eq!(one.health, expected);
        inventory.map = Arc::new(first.clone());
        assert_eq!(whole(&inventory), first, "a second pass adds nothing");
    }
}

/// The kernel's part knows a GPU by its name alone. An H20 of 141 GB may go by the name of the one of 96.
#[test]
fn memory_that_nvml_tells_wins_over_the_model_that_the_name_is() {
    let named = Gpu {
        name: "NVIDIA H20".to_owned(),
        memory: Bytes(143_771 << 20),
        ..gpu(0, FIRST, Some(0), Vec::new())
    };
    let size = CapabilityKey::MemorySize;
    let of_tables = |count| Capability {
        value: CapabilityValue::Count(count),
        provenance: Provenance::Published,
    };
    let mut kernels = map(&PLACES[..1]);
    let capabilities = &mut kernels.accelerators[0].capabilities;
    capabilities.insert(size, of_tables(96));
    let by_kernel = Capability {
        value: CapabilityValue::Flag(true),
        provenance: Provenance::Kernel,
    };
    capabilities.insert(CapabilityKey::PeerDma, by_kernel.clone());
    let mut inventory = host(vec![named.clone()]);
    inventory.map = Arc::new(kernels.clone());
    let found = whole(&inventory).accelerators.remove(0);
    assert_eq!(found.capabilities.get(&size), None);
    let peers = found.capabilities.get(&CapabilityKey::PeerDma);
    assert_eq!(peers, Some(&by_kernel));
    let common = CapabilityKey::TransformerEngine;
    assert!(found.capabilities.contains_key(&common), "of all of Hopper");
    let fits = Gpu {
        memory: Bytes(97_871 << 20),
        ..named
    };
    let mut inventory = host(vec![fits]);
    inventory.map = Arc::new(kernels);
    let found = whole(&inventory).accelerators.remove(0);
    assert_eq!(found.capabilities.get(&size), Some(&of_tables(96)));
}
