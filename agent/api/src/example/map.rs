//! The map of the small machine, with one of each thing.

use kerf_types::inventory::{MemoryAccess, MemoryCache, Nic, NicKind, NicPort, NumaNode, Rate};
use kerf_types::map::{
    Accelerator, AcceleratorHealth, Acs, Cache, CacheKind, Capability, CapabilityKey,
    CapabilityValue, ClassDevice, CoreKind, Cpus, DeviceClass, Die, End, ImexChannels, Link,
    LinkKind, LinkSpeed, Namespace, Nvme, Oddity, Package, PciFunction, PciLink, Provenance,
    SriovFunctions, Vendor,
};
use kerf_types::{Bytes, HostMap};

use super::pci;

/// Memory of the host, which processors reach through a cache, and an accelerator's.
pub fn numa_nodes() -> Vec<NumaNode> {
    vec![
        NumaNode {
            id: 0,
            cpus: Some("0-55,112-167".to_owned()),
            memory: Some(Bytes(1 << 40)),
            distances: vec![10, 21],
            tier: Some(4),
            accelerator: None,
            access: vec![MemoryAccess {
                class: 1,
                initiators: vec![0],
                read_mbps: Some(300_000),
                write_mbps: Some(250_000),
                read_ns: Some(90),
                write_ns: None,
            }],
            memory_caches: vec![MemoryCache {
                level: 1,
                bytes: Some(16 << 30),
            }],
        },
        NumaNode {
            id: 8,
            accelerator: Some(pci("0000:1b:00.0")),
            cpus: Some(String::new()),
            memory: Some(Bytes(96 << 30)),
            distances: vec![21, 10],
            ..NumaNode::default()
        },
    ]
}

/// An RDMA interface with its port and its network interface, and a plain one.
pub fn nics() -> Vec<Nic> {
    vec![
        Nic {
            name: "mlx5_0".to_owned(),
            kind: NicKind::Rdma,
            pci: Some(pci("0000:18:00.0")),
            numa_node: Some(0),
            link_layer: "InfiniBand".to_owned(),
            rate: Some(Rate(400_000)),
            ports: vec![NicPort {
                number: 1,
                link_layer: "InfiniBand".to_owned(),
                state: "ACTIVE".to_owned(),
                rate: Some(Rate(400_000)),
                lid: Some(7),
            }],
            netdevs: vec!["ib0".to_owned()],
        },
        Nic {
            name: "eth0".to_owned(),
            kind: NicKind::Net,
            link_layer: "Ethernet".to_owned(),
            ..Nic::default()
        },
    ]
}

/// The map.
pub fn map() -> HostMap {
    let accelerator = accelerator();
    HostMap {
        cpus: cpus(),
        pci: vec![function()],
        devices: vec![ClassDevice {
            class: DeviceClass::Infiniband,
            name: "mlx5_0".to_owned(),
            pci: Some(pci("0000:18:00.0")),
            numa_node: Some(0),
        }],
        nvme: vec![nvme()],
        imex: Some(ImexChannels {
            count: Some(2_048),
            nodes: vec![0, 3],
        }),
        links: vec![Link {
            a: End::Accelerator(accelerator.id.clone()),
            b: End::Switch(Some(pci("0000:0a:00.0"))),
            kind: LinkKind::NvLink,
            count: 18,
            gbps: Some(450),
            ancestor: String::new(),
        }],
        accelerators: vec![accelerator],
        oddities: vec![Oddity {
            path: "/sys/devices/system/node/node8/distance".to_owned(),
            what: "\"10\" is not 2 distances".to_owned(),
        }],
    }
}

fn cpus() -> Cpus {
    Cpus {
        online: "0-55,112-167".to_owned(),
        offline: "56".to_owned(),
        architecture: Some("x86_64".to_owned()),
        model: Some("Intel(R) Xeon(R) Platinum 8480C".to_owned()),
        vendor: Some("GenuineIntel".to_owned()),
        family: Some(6),
        model_number: Some(143),
        packages: vec![Package {
            id: 0,
            cpus: "0-55,112-167".to_owned(),
            cores: Some(56),
            dies: vec![Die {
                id: 0,
                cpus: "0-55,112-167".to_owned(),
            }],
            clusters: vec!["0-3".to_owned()],
        }],
        cores: Some(56),
        threads: Some(112),
        kinds: vec![CoreKind {
            cpus: "0-55".to_owned(),
            name: "core".to_owned(),
            capacity: Some(1_024),
        }],
        caches: vec![Cache {
            level: 3,
            kind: CacheKind::Unified,
            bytes: Some(105 << 20),
            cpus: "0-55,112-167".to_owned(),
        }],
        units: vec!["amx-bf16".to_owned()],
        confidential: vec!["tdx".to_owned()],
    }
}

fn function() -> PciFunction {
    PciFunction {
        address: pci("0000:1b:00.0"),
        class: Some(0x03_0200),
        vendor: Some(0x10de),
        device: Some(0x2330),
        subsystem: Some((0x10de, 0x16c1)),
        numa_node: Some(0),
        parent: Some(pci("0000:1a:00.0")),
        host_bridge: "pci0000:15".to_owned(),
        path: "/sys/devices/pci0000:15/0000:1a:00.0/0000:1b:00.0".to_owned(),
        link: Some(PciLink {
            speed: Some(LinkSpeed(2_500)),
            width: Some(16),
            max_speed: Some(LinkSpeed(32_000)),
            max_width: Some(16),
            is_old_spelling: true,
        }),
        driver: Some("nvidia".to_owned()),
        iommu_group: Some(12),
        physical_function: Some(pci("0000:1b:00.1")),
        sriov: Some(SriovFunctions {
            total: 16,
            enabled: 2,
        }),
        acs: Some(Acs {
            capable: 0x7f,
            enabled: 0x1d,
        }),
    }
}

fn nvme() -> Nvme {
    Nvme {
        name: "nvme0".to_owned(),
        pci: Some(pci("0000:61:00.0")),
        numa_node: Some(0),
        transport: Some("pcie".to_owned()),
        model: Some("SAMSUNG MZQL23T8HCLS".to_owned()),
        serial: Some("S64HNE0".to_owned()),
        firmware: Some("GDC5602Q".to_owned()),
        state: Some("live".to_owned()),
        namespaces: vec![Namespace {
            name: "nvme0n1".to_owned(),
            bytes: Some(3_840_755_982_336),
        }],
    }
}

fn accelerator() -> Accelerator {
    let known = |value, provenance| Capability { value, provenance };
    let words = vec!["bf16".to_owned(), "fp8".to_owned()];
    Accelerator {
        model: "NVIDIA H100 80GB HBM3".to_owned(),
        numa_node: Some(0),
        memory: Some(Bytes(80 << 30)),
        memory_used: Some(Bytes(1 << 30)),
        architecture: Some("hopper".to_owned()),
        serial: Some("1652923040555".to_owned()),
        unique_id: Some("GPU-1".to_owned()),
        driver: Some("nvidia 590.48.01".to_owned()),
        nodes: vec!["/dev/nvidia0".to_owned()],
        health: AcceleratorHealth::Failed("in reset".to_owned()),
        utilisation_percent: Some(40),
        capabilities: [
            (
                CapabilityKey::Formats,
                known(CapabilityValue::Words(words), Provenance::Published),
            ),
            (
                CapabilityKey::LinkCount,
                known(CapabilityValue::Count(18), Provenance::Driver),
            ),
            (
                CapabilityKey::MemoryKind,
                known(
                    CapabilityValue::Word("hbm3".to_owned()),
                    Provenance::Unverified,
                ),
            ),
            (
                CapabilityKey::PeerDma,
                known(CapabilityValue::Flag(true), Provenance::Kernel),
            ),
        ]
        .into(),
        ..Accelerator::at(pci("0000:1b:00.0"), Vendor::Nvidia)
    }
}
