//! Machines with Blackwell GPUs.

use super::super::{B200, B300, GB200, GB300, RTX_PRO_6000_SERVER, processors};
use super::{
    CONNECTX_7, CONNECTX_8, DATA_CENTRE_DRIVE, DRIVES, EPYC_9004, MachineSpec, NicKind, NicSpec,
    PAIR, Part, TWO_DRIVES, XEON_6, root,
};
use crate::model::spec::Accelerators::Nvidia;
use Part::{Gpu, Nic, Switch};

/// See its summary.
pub const B200X8: MachineSpec = MachineSpec {
    name: "b200x8",
    summary: "two sockets, 8 B200 180GB SXM behind two-level PCIe switches, 8 NICs, 8 NVMe drives; NVSwitches and their bridge cards are not on the simulated bus",
    accelerators: Nvidia(&B200),
    processor: &processors::XEON_4,
    sockets: 2,
    cores_per_socket: 56,
    node_memory_kib: 2_113_929_216,
    remote_distance: 21,
    memory_nodes_per_gpu: 0,
    nic: CONNECTX_7,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: XEON_6,
    nvswitch_device: 0x22a3,
    switches_outside: true,
    roots: &[
        root(0x08, 0, &[PAIR]),
        root(0x38, 0, &[PAIR]),
        root(0x60, 0, DRIVES),
        root(0x88, 1, &[PAIR]),
        root(0xb8, 1, &[PAIR]),
        root(0xe8, 1, DRIVES),
    ],
};

/// See its summary.
pub const GB200X4: MachineSpec = MachineSpec {
    name: "gb200x4",
    summary: "two Grace sockets, 4 GB200 186GB on root ports of their own, 4 NICs, NVSwitches in the rack; 64-bit Arm, GPU memory as NUMA nodes; not simulated: links to other hosts",
    accelerators: Nvidia(&GB200),
    processor: &processors::GRACE,
    sockets: 2,
    cores_per_socket: 72,
    node_memory_kib: 503_316_480,
    remote_distance: 40,
    memory_nodes_per_gpu: 8,
    nic: CONNECTX_7,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: (0x22b1, 0x10de),
    nvswitch_device: 0x22a3,
    switches_outside: true,
    roots: &[
        root(0x00, 0, &[Nic, Gpu]),
        root(0x20, 0, TWO_DRIVES),
        root(0x40, 0, &[Nic, Gpu]),
        root(0x80, 1, &[Nic, Gpu]),
        root(0xa0, 1, TWO_DRIVES),
        root(0xc0, 1, &[Nic, Gpu]),
    ],
};

/// See its summary.
pub const B300X8: MachineSpec = MachineSpec {
    name: "b300x8",
    summary: "two sockets, 8 B300 269GB SXM behind two-level PCIe switches, 8 NICs, 8 NVMe drives; NVSwitches and their bridge cards are not on the simulated bus",
    accelerators: Nvidia(&B300),
    nic: CONNECTX_8,
    ..B200X8
};

/// See its summary.
pub const GB300X4: MachineSpec = MachineSpec {
    name: "gb300x4",
    summary: "two Grace sockets, 4 GB300 278GB on root ports of their own, 4 NICs, NVSwitches in the rack; 64-bit Arm, GPU memory as NUMA nodes; not simulated: links to other hosts",
    accelerators: Nvidia(&GB300),
    nic: CONNECTX_8,
    ..GB200X4
};

/// See its summary.
pub const RTXPRO6000X4: MachineSpec = MachineSpec {
    name: "rtxpro6000x4",
    summary: "two sockets, 4 RTX PRO 6000 Blackwell 96GB, each behind a PCIe switch with a NIC, no NVLink",
    accelerators: Nvidia(&RTX_PRO_6000_SERVER),
    processor: &processors::EPYC_9004,
    sockets: 2,
    cores_per_socket: 48,
    node_memory_kib: 792_723_456,
    remote_distance: 32,
    memory_nodes_per_gpu: 0,
    nic: NicSpec {
        kind: NicKind::Ethernet,
        ..CONNECTX_7
    },
    drive: DATA_CENTRE_DRIVE,
    root_port_id: EPYC_9004,
    nvswitch_device: 0x22a3,
    switches_outside: false,
    roots: &[
        root(0x08, 0, &[Switch(&[Gpu, Nic])]),
        root(0x38, 0, &[Switch(&[Gpu, Nic])]),
        root(0x60, 0, TWO_DRIVES),
        root(0x88, 1, &[Switch(&[Gpu, Nic])]),
        root(0xb8, 1, &[Switch(&[Gpu, Nic])]),
        root(0xe8, 1, TWO_DRIVES),
    ],
};
