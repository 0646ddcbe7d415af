//! Machines with accelerators of other makers. Where the functions lie on the bus is in the manner of servers that are
//! sold with them, for no public listing of one was found: cores, drives and NICs are those of the named instance
//! types where there is one.

use super::super::{cards, processors};
use super::{
    CONNECTX_6, CONNECTX_7, DATA_CENTRE_DRIVE, DRIVES, DriveSpec, EPYC_7003, ETHERNET_100,
    MachineSpec, NicKind, NicSpec, Part, XEON_6, guest, root,
};
use crate::model::spec::Accelerators::Card;
use Part::{Bare, Drive, Gpu, Nic, Pair, Switch};

/// Two Gaudi cards and a NIC behind a switch.
const TWO_CARDS: Part = Switch(&[Gpu, Gpu, Nic]);
/// Four Neuron devices, each with an EFA.
const FOUR_DEVICES: Part = Switch(&[Gpu, Nic, Gpu, Nic, Gpu, Nic, Gpu, Nic]);

/// EFA of the third generation: `EFA_DEV_ID` 0xefa3 of `efa_main.c` is its PCI id.
const EFA_3: NicSpec = NicSpec {
    vendor: 0x1d0f,
    device: 0xefa3,
    driver: "efa",
    kind: NicKind::Fabric,
    gbps: 200,
    generation: 5,
};

/// Google's virtual NIC, `PCI_DEV_ID_GVNIC` of `gve.h`.
const GVNIC: NicSpec = NicSpec {
    vendor: 0x1ae0,
    device: 0x0042,
    driver: "gve",
    kind: NicKind::Interface,
    gbps: 100,
    generation: 3,
};

/// See its summary.
pub const GAUDI3X8: MachineSpec = MachineSpec {
    name: "gaudi3x8",
    summary: "two sockets, 8 Intel Gaudi 3 128GB, two and a NIC behind each PCIe switch, 8 NVMe drives; no NVIDIA library",
    accelerators: Card(&cards::GAUDI3),
    processor: &processors::XEON_4,
    sockets: 2,
    cores_per_socket: 56,
    node_memory_kib: 1_056_964_608,
    remote_distance: 21,
    memory_nodes_per_gpu: 0,
    nic: CONNECTX_7,
    drive: DATA_CENTRE_DRIVE,
    root_port_id: XEON_6,
    nvswitch_device: 0,
    switches_outside: false,
    roots: &[
        root(0x18, 0, &[TWO_CARDS]),
        root(0x38, 0, &[TWO_CARDS]),
        root(0x60, 0, DRIVES),
        root(0x98, 1, &[TWO_CARDS]),
        root(0xb8, 1, &[TWO_CARDS]),
        root(0xe8, 1, DRIVES),
    ],
};

/// See its summary.
pub const GAUDI2X8_OLD: MachineSpec = MachineSpec {
    name: "gaudi2x8-old",
    summary: "as gaudi3x8 with Intel Gaudi 2 96GB, whose driver is from before Linux 6.8: class habanalabs",
    accelerators: Card(&cards::GAUDI2_OLD),
    nic: CONNECTX_6,
    ..GAUDI3X8
};

/// See its summary. CPUs, drives and EFAs are those of trn2.48xlarge.
pub const TRN2X16: MachineSpec = MachineSpec {
    name: "trn2x16",
    summary: "two sockets, 16 AWS Trainium2 96GB in a 4x4 torus, each with an EFA, 4 NVMe drives; no NVIDIA library",
    accelerators: Card(&cards::TRAINIUM2),
    cores_per_socket: 48,
    node_memory_kib: 1_056_964_608,
    nic: EFA_3,
    drive: DriveSpec {
        vendor: 0x1d0f,
        device: 0xcd01,
        model: "Amazon EC2 NVMe Instance Storage",
        bytes: 1_900_000_000_000,
        generation: 4,
    },
    roots: &[
        root(0x10, 0, &[FOUR_DEVICES]),
        root(0x30, 0, &[FOUR_DEVICES]),
        root(0x60, 0, &[Drive, Drive]),
        root(0x90, 1, &[FOUR_DEVICES]),
        root(0xb0, 1, &[FOUR_DEVICES]),
        root(0xe0, 1, &[Drive, Drive]),
    ],
    ..GAUDI3X8
};

/// See its summary. CPUs and memory are those of ct5lp-hightpu-8t.
pub const TPU_V5E_8: MachineSpec = MachineSpec {
    name: "tpu-v5e-8",
    summary: "a guest of two NUMA nodes, 8 Google TPU v5e 16GB on its root buses by vfio, a virtual NIC; no NVIDIA library",
    accelerators: Card(&cards::TPU_V5E),
    processor: &processors::EPYC_7B13,
    sockets: 2,
    cores_per_socket: 56,
    node_memory_kib: 201_326_592,
    remote_distance: 20,
    nic: GVNIC,
    root_port_id: EPYC_7003,
    roots: &[
        guest(
            0x00,
            0,
            &[Bare(&Nic), Bare(&Gpu), Bare(&Gpu), Bare(&Gpu), Bare(&Gpu)],
        ),
        guest(0x80, 1, &[Bare(&Gpu), Bare(&Gpu), Bare(&Gpu), Bare(&Gpu)]),
    ],
    ..GAUDI3X8
};

/// See its summary.
pub const ALVEO_U55CX2: MachineSpec = MachineSpec {
    name: "alveo-u55cx2",
    summary: "one socket, 2 AMD Alveo U55C 16GB with the drivers of XRT, one NIC, one NVMe drive; no NVIDIA library",
    accelerators: Card(&cards::ALVEO_U55C),
    processor: &processors::EPYC_7003,
    sockets: 1,
    cores_per_socket: 16,
    node_memory_kib: 263_192_576,
    remote_distance: 32,
    nic: ETHERNET_100,
    root_port_id: EPYC_7003,
    roots: &[
        root(0x20, 0, &[Pair]),
        root(0x40, 0, &[Pair]),
        root(0x60, 0, &[Nic, Drive]),
    ],
    ..GAUDI3X8
};

/// See its summary.
pub const D5005X2: MachineSpec = MachineSpec {
    name: "d5005x2",
    summary: "one socket, 2 Intel FPGA PAC D5005 32GB with the kernel's own drivers (DFL), one NIC, one NVMe drive; no NVIDIA library",
    accelerators: Card(&cards::D5005),
    roots: &[
        root(0x20, 0, &[Gpu]),
        root(0x40, 0, &[Gpu]),
        root(0x60, 0, &[Nic, Drive]),
    ],
    ..ALVEO_U55CX2
};

/// See its summary.
pub const MAX1550X4: MachineSpec = MachineSpec {
    name: "max1550x4",
    summary: "two sockets, 4 Intel Max 1550 128GB of two tiles with the driver xe, each behind a PCIe switch, 4 NICs, 8 NVMe drives; no NVIDIA library",
    accelerators: Card(&cards::MAX_1550),
    cores_per_socket: 52,
    nic: CONNECTX_6,
    roots: &[
        root(0x18, 0, &[Switch(&[Gpu]), Nic]),
        root(0x38, 0, &[Switch(&[Gpu]), Nic]),
        root(0x60, 0, DRIVES),
        root(0x98, 1, &[Switch(&[Gpu]), Nic]),
        root(0xb8, 1, &[Switch(&[Gpu]), Nic]),
        root(0xe8, 1, DRIVES),
    ],
    ..GAUDI3X8
};
