//! Machines with Hopper GPUs.

use super::super::{GH200_96GB, GH200_144GB, H100_80GB_HBM3, H100_NVL, H200, processors};
use super::{
    CONNECTX_7, DATA_CENTRE_DRIVE, DRIVES, EPYC_9004, ETHERNET_100, FOUR_CARDS, MachineSpec,
    NVSWITCHES, PAIR, Part, XEON_6, root, segment,
};
use crate::model::spec::Accelerators::Nvidia;

/// See its summary.
pub const H100X8: MachineSpec = MachineSpec {
    name: "h100x8",
    summary: "two sockets, 8 H100 80GB SXM behind two-level PCIe switches, 8 NICs, 4 NVSwitches, 8 NVMe drives",
    accelerators: Nvidia(&H100_80GB_HBM3),
    processor: &processors::EPYC_9004,
    sockets: 2,
    cores_per_socket: 48,
    node_memory_kib: 1_056_964_608,
    remote_distance: 32,
    memory_nodes_per_gpu: 0,
    nic: CONNECTX_7,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: EPYC_9004,
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: &[
        root(0x08, 0, &[PAIR]),
        root(0x38, 0, &[PAIR]),
        root(0x60, 0, DRIVES),
        root(0x88, 1, &[PAIR]),
        root(0xb8, 1, &[PAIR]),
        root(0xd8, 1, &[NVSWITCHES]),
        root(0xe8, 1, DRIVES),
    ],
};

/// See its summary.
pub const H100X1: MachineSpec = MachineSpec {
    name: "h100x1",
    summary: "one socket, one H100 80GB on a root port of its own, one NIC",
    accelerators: Nvidia(&H100_80GB_HBM3),
    processor: &processors::XEON_4,
    sockets: 1,
    cores_per_socket: 10,
    node_memory_kib: 201_326_592,
    remote_distance: 21,
    memory_nodes_per_gpu: 0,
    nic: ETHERNET_100,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: XEON_6,
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: &[root(0x00, 0, &[Part::Gpu, Part::Nic, Part::Drive])],
};

/// See its summary.
pub const H200X8: MachineSpec = MachineSpec {
    name: "h200x8",
    summary: "two sockets, 8 H200 141GB SXM behind two-level PCIe switches, 8 NICs, 4 NVSwitches, 8 NVMe drives",
    accelerators: Nvidia(&H200),
    ..H100X8
};

/// See its summary.
pub const H100NVL_94X4: MachineSpec = MachineSpec {
    name: "h100nvl-94x4",
    summary: "two sockets, 4 H100 NVL 94GB on root ports of their own, 2 NICs; NVLink bridges are not simulated",
    accelerators: Nvidia(&H100_NVL),
    processor: &processors::XEON_4,
    sockets: 2,
    cores_per_socket: 32,
    node_memory_kib: 528_482_304,
    remote_distance: 21,
    memory_nodes_per_gpu: 0,
    nic: ETHERNET_100,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: XEON_6,
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: FOUR_CARDS,
};

/// See its summary.
pub const GH200X1: MachineSpec = MachineSpec {
    name: "gh200x1",
    summary: "one Grace socket of 64-bit Arm, one GH200 96GB in a PCI domain of its own whose memory is a NUMA node, one NIC, one NVMe drive; NVLink-C2C",
    accelerators: Nvidia(&GH200_96GB),
    processor: &processors::GRACE,
    sockets: 1,
    cores_per_socket: 72,
    node_memory_kib: 503_316_480,
    remote_distance: 40,
    memory_nodes_per_gpu: 8,
    nic: CONNECTX_7,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: (0x22b1, 0x10de),
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: &[
        segment(0x0, 0, &[Part::Drive]),
        segment(0x2, 0, &[Part::Nic]),
        segment(0x9, 0, &[Part::Gpu]),
    ],
};

/// See its summary.
pub const GH200_144X1: MachineSpec = MachineSpec {
    name: "gh200-144x1",
    summary: "one Grace socket, one GH200 144GB, otherwise as gh200x1",
    accelerators: Nvidia(&GH200_144GB),
    ..GH200X1
};
