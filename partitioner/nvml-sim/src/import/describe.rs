//! A machine as somebody else describes it: its PCI functions with what drivers show of each. Owns the shape; what
//! is wrong with a description is found by `plan`.

pub use crate::model::imported::ProcessorMaker;
use crate::model::spec::Bdf;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What to call it.
    pub name: String,
    /// Who made its processors.
    pub maker: ProcessorMaker,
    /// CPUs of a NUMA node, if that is told.
    pub cpus_per_node: Option<u32>,
    /// What is on PCI, each after the one that it hangs below. One that others hang below is a whole switch,
    /// upstream and downstream ports in one.
    pub functions: Vec<Function>,
    /// Whether network interfaces reach the memory of its GPUs through a kernel module.
    pub has_peer_memory: bool,
}

/// A PCI function. What nobody says of it has no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Address. Of two that others hang below it may be the same, which firmware has been seen to do.
    pub bdf: Bdf,
    /// The one that it hangs below, by its place in the list; a host bridge where there is none.
    pub parent: Option<usize>,
    /// NUMA node.
    pub node: u32,
    /// Class code, 24 bits.
    pub class: u32,
    /// PCI vendor id.
    pub vendor: Option<u16>,
    /// PCI device id.
    pub device: Option<u16>,
    /// Vendor and device id of the subsystem.
    pub subsystem: Option<(u16, u16)>,
    /// What its link can do.
    pub link: Link,
    /// What its driver makes of it.
    pub holds: Holds,
}

/// What both ends of a PCIe link can do at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Speed.
    pub speed: Option<Speed>,
    /// Lanes.
    pub lanes: Option<u8>,
}

/// Speed of a PCIe link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speed {
    /// In megatransfers a second.
    pub mts: u32,
    /// As that machine's kernel writes it: `8 GT/s`, or since 5.7 `8.0 GT/s PCIe`.
    pub text: String,
}

/// What the driver of a function makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing that is known.
    Nothing,
    /// A GPU that amdgpu serves.
    Amd(AmdGpu),
    /// A GPU of NVIDIA's.
    Nvidia(NvidiaGpu),
    /// Network interfaces, each of a function of the card.
    Nets(Vec<Net>),
}

/// What KFD knows of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmdGpu {
    /// Compute units; 0 where that is not known.
    pub compute_units: u32,
    /// `gfx_target_version`: 90010 is `gfx90a`.
    pub target: u32,
    /// Its xGMI links.
    pub links: Vec<Links>,
}

/// What NVIDIA's driver knows of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvidiaGpu {
    /// CUDA compute capability, if it is told.
    pub compute: Option<(u32, u32)>,
    /// Its NVLinks.
    pub links: Vec<Links>,
}

/// Links to one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// Where they end: at a GPU, or at an NVSwitch that need not be among the functions; `None` for one that the
    /// machine does not see.
    pub target: Option<Bdf>,
    /// Whether that is an NVSwitch.
    pub is_switch: bool,
    /// How many.
    pub count: u8,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Net {
    /// Its name: that of the RDMA device where it is one.
    pub name: String,
    /// Whether it does RDMA.
    pub is_rdma: bool,
    /// Its ports; a network interface has one.
    pub ports: Vec<Port>,
}

/// A port of a network interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number, from 1.
    pub number: u32,
    /// Rate in megabits a second.
    pub megabits: u64,
}
