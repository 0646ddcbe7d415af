//! Machines with Hopper GPUs.

use super::super::{GH200_96GB, GH200_144GB, H100_80GB_HBM3, H100_NVL, H200};
use super::{
    CONNECTX_7, EPYC_9004, ETHERNET_100, FOUR_CARDS, MachineSpec, NVSWITCHES, PAIR, Part, XEON_6,
    root,
};
use crate::model::spec::Accelerators::Nvidia;

/// See its summary.
pub const H100X8: MachineSpec = MachineSpec {
    name: "h100x8",
    summary: "two sockets, 8 H100 80GB SXM behind two-level PCIe switches, 8 NICs, 4 NVSwitches",
    accelerators: Nvidia(&H100_80GB_HBM3),
    sockets: 2,
    cores_per_socket: 48,
    node_memory_kib: 1_056_964_608,
    remote_distance: 32,
    nic: CONNECTX_7,
    root_port_id: EPYC_9004,
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: &[
        root(0x08, 0, &[PAIR]),
        root(0x38, 0, &[PAIR]),
        root(0x88, 1, &[PAIR]),
        root(0xb8, 1, &[PAIR]),
        root(0xd8, 1, &[NVSWITCHES]),
    ],
};

/// See its summary.
pub const H100X1: MachineSpec = MachineSpec {
    name: "h100x1",
    summary: "one socket, one H100 80GB on a root port of its own, one NIC",
    accelerators: Nvidia(&H100_80GB_HBM3),
    sockets: 1,
    cores_per_socket: 10,
    node_memory_kib: 201_326_592,
    remote_distance: 21,
    nic: ETHERNET_100,
    root_port_id: XEON_6,
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: &[root(0x00, 0, &[Part::Gpu, Part::Nic])],
};

/// See its summary.
pub const H200X8: MachineSpec = MachineSpec {
    name: "h200x8",
    summary: "two sockets, 8 H200 141GB SXM behind two-level PCIe switches, 8 NICs, 4 NVSwitches",
    accelerators: Nvidia(&H200),
    ..H100X8
};

/// See its summary.
pub const H100NVL_94X4: MachineSpec = MachineSpec {
    name: "h100nvl-94x4",
    summary: "two sockets, 4 H100 NVL 94GB on root ports of their own, 2 NICs; NVLink bridges are not simulated",
    accelerators: Nvidia(&H100_NVL),
    sockets: 2,
    cores_per_socket: 32,
    node_memory_kib: 528_482_304,
    remote_distance: 21,
    nic: ETHERNET_100,
    root_port_id: XEON_6,
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: FOUR_CARDS,
};

/// See its summary.
pub const GH200X1: MachineSpec = MachineSpec {
    name: "gh200x1",
    summary: "one Grace socket, one GH200 96GB on a root port of its own, one NIC; not simulated: 64-bit Arm (cores show two threads), NVLink-C2C, GPU memory as a NUMA node",
    accelerators: Nvidia(&GH200_96GB),
    sockets: 1,
    cores_per_socket: 72,
    node_memory_kib: 503_316_480,
    remote_distance: 40,
    nic: CONNECTX_7,
    root_port_id: (0x22b1, 0x10de),
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: &[root(0x00, 0, &[Part::Gpu]), root(0x40, 0, &[Part::Nic])],
};

/// See its summary.
pub const GH200_144X1: MachineSpec = MachineSpec {
    name: "gh200-144x1",
    summary: "one Grace socket, one GH200 144GB, otherwise as gh200x1",
    accelerators: Nvidia(&GH200_144GB),
    ..GH200X1
};
