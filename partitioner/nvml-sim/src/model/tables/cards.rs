//! The accelerators without a library or kernel model of their own, as data.
//!
//! PCI ids: Gaudi from `hlthunk.h` and Habana's driver (`PCI_IDS_GAUDI3` 0x1060, `PCI_IDS_GAUDI2` 0x1020), Trainium2
//! from `neuron_device.h` of AWS's driver (`TRN2_DEVICE_ID0` 0x7364; 0x7164 is the first Trainium), TPU v5e from
//! `jax/_src/hardware_utils.py`, Alveo U55C from `devices.h` of XRT (`U55C_MGMT_RAPTOR2` 0x505c), Ponte Vecchio from
//! `include/drm/intel/pciids.h`. Subsystem ids repeat the device's where none was found; nothing may depend on them.

use super::super::card::{Card, Gaudi, Maker};

/// "Processing accelerators", base class 0x12 of the PCI Code and ID Assignment Specification.
const PROCESSING_ACCELERATOR: u32 = 0x12_0000;

/// Intel Gaudi 3, 128 GB.
pub static GAUDI3: Card = RECORD_GAUDI3;

const RECORD_GAUDI3: Card = Card {
    maker: Maker::Gaudi(Gaudi::Accel),
    id: (0x1da3, 0x1060),
    subsystem: (0x1da3, 0x1060),
    class: PROCESSING_ACCELERATOR,
    revision: 1,
    driver: "habanalabs",
    pcie_generation: 5,
    memory_bytes: 128 << 30,
    virtual_functions: None,
};

/// Intel Gaudi 2, 96 GB, with a driver from before the class accel.
pub static GAUDI2_OLD: Card = Card {
    maker: Maker::Gaudi(Gaudi::Habanalabs),
    id: (0x1da3, 0x1020),
    subsystem: (0x1da3, 0x1020),
    pcie_generation: 4,
    memory_bytes: 96 << 30,
    ..RECORD_GAUDI3
};

/// AWS Trainium2, 96 GB. The class is that of "system peripheral, other", which is unverified.
pub static TRAINIUM2: Card = Card {
    maker: Maker::Neuron,
    id: (0x1d0f, 0x7364),
    subsystem: (0x1d0f, 0x7364),
    class: 0x08_8000,
    revision: 1,
    driver: "neuron",
    pcie_generation: 5,
    memory_bytes: 96 << 30,
    virtual_functions: None,
};

/// Google TPU v5e, 16 GB, given to a guest and by it to user space: driver vfio-pci. The class is unverified.
pub static TPU_V5E: Card = Card {
    maker: Maker::Tpu,
    id: (0x1ae0, 0x0063),
    subsystem: (0x1ae0, 0x0063),
    class: PROCESSING_ACCELERATOR,
    revision: 0,
    driver: "vfio-pci",
    pcie_generation: 4,
    memory_bytes: 16 << 30,
    virtual_functions: None,
};

/// AMD Alveo U55C, 16 GB of HBM; this is its user function. The management function has the id below it.
pub static ALVEO_U55C: Card = Card {
    maker: Maker::Alveo,
    id: (0x10ee, 0x505d),
    subsystem: (0x10ee, 0x000e),
    class: PROCESSING_ACCELERATOR,
    revision: 0,
    driver: "xocl",
    pcie_generation: 3,
    memory_bytes: 16 << 30,
    virtual_functions: None,
};

/// Intel FPGA PAC D5005, 32 GB of DDR4 (`PCIE_DEVICE_ID_INTEL_PAC_D5005` of `dfl-pci.c`).
pub static D5005: Card = Card {
    maker: Maker::Dfl,
    id: (0x8086, 0x0b2b),
    subsystem: (0x8086, 0x0000),
    class: PROCESSING_ACCELERATOR,
    revision: 1,
    driver: "dfl-pci",
    pcie_generation: 3,
    memory_bytes: 32 << 30,
    virtual_functions: Some(1),
};

/// Intel Data Center GPU Max 1550, 128 GB in two tiles.
pub static MAX_1550: Card = Card {
    maker: Maker::Xe,
    id: (0x8086, 0x0bd5),
    subsystem: (0x8086, 0x0000),
    class: 0x03_8000,
    revision: 0x2f,
    driver: "xe",
    pcie_generation: 5,
    memory_bytes: 128 << 30,
    virtual_functions: Some(63),
};
