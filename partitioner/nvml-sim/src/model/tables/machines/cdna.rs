//! Machines with AMD GPUs.

use super::super::processors;
use super::{
    CONNECTX_6, CONNECTX_7, DATA_CENTRE_DRIVE, DRIVES, EPYC_7003, EPYC_9004, MachineSpec, PAIR,
    Part, TWO_DRIVES, root,
};
use crate::kernel::amd::{MI250X, MI300X};
use crate::model::spec::Accelerators::Amd;

/// See its summary.
pub const MI300X8: MachineSpec = MachineSpec {
    name: "mi300x8",
    summary: "two sockets, 8 AMD MI300X 192GB in one xGMI hive, 8 NICs, 8 NVMe drives; no NVIDIA library",
    accelerators: Amd(&MI300X),
    processor: &processors::EPYC_9004,
    sockets: 2,
    cores_per_socket: 48,
    node_memory_kib: 1_056_964_608,
    remote_distance: 32,
    memory_nodes_per_gpu: 0,
    nic: CONNECTX_7,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: EPYC_9004,
    nvswitch_device: 0,
    switches_outside: false,
    roots: &[
        root(0x01, 0, &[PAIR]),
        root(0x21, 0, DRIVES),
        root(0x41, 0, &[PAIR]),
        root(0x81, 1, &[PAIR]),
        root(0xc1, 1, &[PAIR]),
        root(0xe1, 1, DRIVES),
    ],
};

/// See its summary. Addresses as in RCCL's `topo_8p_90a.xml`, which has no NICs; theirs are chosen.
pub const MI250X4: MachineSpec = MachineSpec {
    name: "mi250x4",
    summary: "one socket, 4 AMD MI250X 128GB, which are 8 GPUs in one xGMI hive that is not fully connected, 4 NICs, 2 NVMe drives; no NVIDIA library",
    accelerators: Amd(&MI250X),
    processor: &processors::EPYC_7A53,
    sockets: 1,
    cores_per_socket: 64,
    node_memory_kib: 528_482_304,
    remote_distance: 32,
    memory_nodes_per_gpu: 0,
    nic: CONNECTX_6,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: EPYC_7003,
    nvswitch_device: 0,
    switches_outside: false,
    roots: &[
        root(0x00, 0, TWO_DRIVES),
        root(0x40, 0, &[Part::Nic, Part::Nic]),
        root(0x80, 0, &[Part::Nic, Part::Nic]),
        root(0xc0, 0, &[Part::Gpu]),
        root(0xc4, 0, &[Part::Gpu]),
        root(0xc8, 0, &[Part::Gpu]),
        root(0xcc, 0, &[Part::Gpu]),
        root(0xd0, 0, &[Part::Gpu]),
        root(0xd4, 0, &[Part::Gpu]),
        root(0xd8, 0, &[Part::Gpu]),
        root(0xdc, 0, &[Part::Gpu]),
    ],
};
