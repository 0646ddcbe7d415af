//! Machines with Ampere GPUs.

use super::super::{A30, A100_SXM4_40GB, A100_SXM4_80GB, processors};
use super::{
    CONNECTX_6, DATA_CENTRE_DRIVE, DRIVES, EPYC_7003, ETHERNET_100, FOUR_CARDS, MachineSpec, PAIR,
    Part, XEON_2, root,
};
use crate::model::spec::Accelerators::Nvidia;
use Part::{Drive, Gpu, Nic, NvSwitch, Switch};

/// Six NVSwitches behind a switch.
const NVSWITCHES: Part = Switch(&[NvSwitch, NvSwitch, NvSwitch, NvSwitch, NvSwitch, NvSwitch]);

/// See its summary.
pub const A100X8: MachineSpec = MachineSpec {
    name: "a100x8",
    summary: "two sockets, 8 A100 80GB SXM4 behind two-level PCIe switches, 8 NICs, 6 NVSwitches, 8 NVMe drives",
    accelerators: Nvidia(&A100_SXM4_80GB),
    processor: &processors::XEON_2,
    sockets: 2,
    cores_per_socket: 24,
    node_memory_kib: 1_056_964_608,
    remote_distance: 21,
    memory_nodes_per_gpu: 0,
    nic: CONNECTX_6,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: XEON_2,
    nvswitch_device: 0x1af1,
    switches_outside: false,
    roots: &[
        root(0x01, 0, &[PAIR]),
        root(0x21, 0, DRIVES),
        root(0x41, 0, &[PAIR]),
        root(0x81, 1, &[PAIR]),
        root(0xa1, 1, &[PAIR]),
        root(0xc1, 1, &[NVSWITCHES]),
        root(0xe1, 1, DRIVES),
    ],
};

/// See its summary.
pub const A100X1: MachineSpec = MachineSpec {
    name: "a100x1",
    summary: "one socket, one A100 80GB SXM4 on a root port of its own, one NIC",
    accelerators: Nvidia(&A100_SXM4_80GB),
    processor: &processors::EPYC_7003,
    sockets: 1,
    cores_per_socket: 8,
    node_memory_kib: 134_217_728,
    remote_distance: 32,
    memory_nodes_per_gpu: 0,
    nic: ETHERNET_100,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: EPYC_7003,
    nvswitch_device: 0x1af1,
    switches_outside: false,
    roots: &[root(0x00, 0, &[Gpu, Nic, Drive])],
};

/// `a100x8` under the name that tells the memory.
pub const A100_80X8: MachineSpec = MachineSpec {
    name: "a100-80x8",
    ..A100X8
};

/// See its summary.
pub const A100_40X8: MachineSpec = MachineSpec {
    name: "a100-40x8",
    summary: "two sockets, 8 A100 40GB SXM4 behind two-level PCIe switches, 8 NICs, 6 NVSwitches, 8 NVMe drives",
    accelerators: Nvidia(&A100_SXM4_40GB),
    ..A100X8
};

/// See its summary.
pub const A30X4: MachineSpec = MachineSpec {
    name: "a30x4",
    summary: "two sockets, 4 A30 24GB on root ports of their own, 2 NICs; NVLink bridges are not simulated",
    accelerators: Nvidia(&A30),
    processor: &processors::XEON_2,
    sockets: 2,
    cores_per_socket: 16,
    node_memory_kib: 263_192_576,
    remote_distance: 21,
    memory_nodes_per_gpu: 0,
    nic: ETHERNET_100,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: XEON_2,
    nvswitch_device: 0x1af1,
    switches_outside: false,
    roots: FOUR_CARDS,
};
