//! What is fixed about an accelerator that has neither an NVML library nor a kernel model of its own: its identity
//! on the bus, and which driver shows it. Owns the record; the records themselves stand in `tables::cards`, and what
//! the drivers show is written by `machine`.

/// A kind of accelerator.
#[derive(Debug)]
pub struct Card {
    /// Whose it is, and with that what its driver shows.
    pub maker: Maker,
    /// PCI vendor and device id.
    pub id: (u16, u16),
    /// PCI subsystem vendor and device id.
    pub subsystem: (u16, u16),
    /// Class code, 24 bits.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// Kernel driver.
    pub driver: &'static str,
    /// PCIe generation of its link.
    pub pcie_generation: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Virtual functions that it offers; `None` where it has no SR-IOV.
    pub virtual_functions: Option<u32>,
}

/// The makers of such accelerators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Intel's Gaudi, in the layout of its driver.
    Gaudi(Gaudi),
    /// AWS Neuron.
    Neuron,
    /// Google's TPU.
    Tpu,
    /// AMD's Alveo cards with the drivers of XRT.
    Alveo,
    /// FPGA cards that describe themselves by device feature lists, with the kernel's own drivers.
    Dfl,
    /// Intel's data-centre GPUs with the driver xe.
    Xe,
}

/// Where the driver of Gaudi shows its cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gaudi {
    /// Linux 6.8 and since: `/sys/class/accel`, attributes at the PCI function.
    Accel,
    /// Before: `/sys/class/habanalabs`, attributes at the class's own device.
    Habanalabs,
}
