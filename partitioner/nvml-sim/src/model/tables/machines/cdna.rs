//! Machines with AMD GPUs.

use super::{CONNECTX_7, EPYC_9004, MachineSpec, PAIR, root};
use crate::kernel::amd::MI300X;
use crate::model::spec::Accelerators::Amd;

/// See its summary.
pub const MI300X8: MachineSpec = MachineSpec {
    name: "mi300x8",
    summary: "two sockets, 8 AMD MI300X 192GB in one xGMI hive, 8 NICs; no NVIDIA library",
    accelerators: Amd(&MI300X),
    sockets: 2,
    cores_per_socket: 48,
    node_memory_kib: 1_056_964_608,
    remote_distance: 32,
    nic: CONNECTX_7,
    root_port_id: EPYC_9004,
    nvswitch_device: 0,
    switches_outside: false,
    roots: &[
        root(0x01, 0, &[PAIR]),
        root(0x41, 0, &[PAIR]),
        root(0x81, 1, &[PAIR]),
        root(0xc1, 1, &[PAIR]),
    ],
};
