//! The machines that `kerf sim create` knows.

use super::super::spec::{MachineSpec, NicSpec, Part, Root};
use super::{A100_SXM4_80GB, H100_80GB_HBM3};
use Part::{Gpu, Nic, NvSwitch, Switch};

/// Two GPUs, each with a NIC on its own switch, both switches behind a larger one: GPU and its NIC
/// are one switch apart (PIX), the two GPUs several (PXB).
const PAIR: Part = Switch(&[Switch(&[Gpu, Nic]), Switch(&[Gpu, Nic])]);

/// Every machine, in the order in which `machines()` lists them.
pub static MACHINES: [MachineSpec; 4] = [
    MachineSpec {
        name: "h100x8",
        summary: "two sockets, 8 H100 80GB SXM behind two-level PCIe switches, 8 NICs, 4 NVSwitches",
        product: &H100_80GB_HBM3,
        sockets: 2,
        cores_per_socket: 48,
        node_memory_kib: 1_056_964_608,
        remote_distance: 32,
        nic: NicSpec {
            device: 0x1021,
            infiniband: true,
            gbps: 400,
        },
        root_port_id: (0x14a5, 0x1022),
        nvswitch_device: 0x22a3,
        roots: &[
            Root {
                bus: 0x08,
                node: 0,
                ports: &[PAIR],
            },
            Root {
                bus: 0x38,
                node: 0,
                ports: &[PAIR],
            },
            Root {
                bus: 0x88,
                node: 1,
                ports: &[PAIR],
            },
            Root {
                bus: 0xb8,
                node: 1,
                ports: &[PAIR],
            },
            Root {
                bus: 0xd8,
                node: 1,
                ports: &[Switch(&[NvSwitch, NvSwitch, NvSwitch, NvSwitch])],
            },
        ],
    },
    MachineSpec {
        name: "h100x1",
        summary: "one socket, one H100 80GB on a root port of its own, one NIC",
        product: &H100_80GB_HBM3,
        sockets: 1,
        cores_per_socket: 10,
        node_memory_kib: 201_326_592,
        remote_distance: 21,
        nic: NicSpec {
            device: 0x101b,
            infiniband: false,
            gbps: 100,
        },
        root_port_id: (0x352a, 0x8086),
        nvswitch_device: 0x22a3,
        roots: &[Root {
            bus: 0x00,
            node: 0,
            ports: &[Gpu, Nic],
        }],
    },
    MachineSpec {
        name: "a100x8",
        summary: "two sockets, 8 A100 80GB SXM4 behind two-level PCIe switches, 8 NICs, 6 NVSwitches",
        product: &A100_SXM4_80GB,
        sockets: 2,
        cores_per_socket: 24,
        node_memory_kib: 1_056_964_608,
        remote_distance: 21,
        nic: NicSpec {
            device: 0x101b,
            infiniband: true,
            gbps: 200,
        },
        root_port_id: (0x2030, 0x8086),
        nvswitch_device: 0x1af1,
        roots: &[
            Root {
                bus: 0x01,
                node: 0,
                ports: &[PAIR],
            },
            Root {
                bus: 0x41,
                node: 0,
                ports: &[PAIR],
            },
            Root {
                bus: 0x81,
                node: 1,
                ports: &[PAIR],
            },
            Root {
                bus: 0xa1,
                node: 1,
                ports: &[PAIR],
            },
            Root {
                bus: 0xc1,
                node: 1,
                ports: &[Switch(&[
                    NvSwitch, NvSwitch, NvSwitch, NvSwitch, NvSwitch, NvSwitch,
                ])],
            },
        ],
    },
    MachineSpec {
        name: "a100x1",
        summary: "one socket, one A100 80GB SXM4 on a root port of its own, one NIC",
        product: &A100_SXM4_80GB,
        sockets: 1,
        cores_per_socket: 8,
        node_memory_kib: 134_217_728,
        remote_distance: 32,
        nic: NicSpec {
            device: 0x101b,
            infiniband: false,
            gbps: 100,
        },
        root_port_id: (0x1483, 0x1022),
        nvswitch_device: 0x1af1,
        roots: &[Root {
            bus: 0x00,
            node: 0,
            ports: &[Gpu, Nic],
        }],
    },
];

/// The machine of that name.
#[must_use]
pub fn machine(name: &str) -> Option<&'static MachineSpec> {
    MACHINES.iter().find(|spec| spec.name == name)
}
