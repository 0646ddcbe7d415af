//! What a simulated machine is made of: sockets, PCIe trees, GPUs and other accelerators, NICs, drives,
//! NVSwitches. Owns the description; its PCI functions are numbered in `walk`, and the state that changes lives
//! in `machine`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::card::Card;
use super::processor::Processor;
use super::product::Product;
use crate::kernel::amd::AmdProduct;

/// A machine that can be created, by name.
#[derive(Debug)]
pub struct MachineSpec {
    /// Name, such as `h100x8`.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The accelerators' product; one machine has one kind.
    pub accelerators: Accelerators,
    /// The kind of processor in every socket.
    pub processor: &'static Processor,
    /// Sockets; each is one NUMA node.
    pub sockets: u32,
    /// Cores of one socket.
    pub cores_per_socket: u32,
    /// Memory of one NUMA node in KiB.
    pub node_memory_kib: u64,
    /// Memory latency between the nodes as `distance` prints it.
    pub remote_distance: u32,
    /// NUMA nodes without CPUs that each GPU's own memory takes: the first has all of it, the others are kept for
    /// MIG. 0 where the memory is not the processors'.
    pub memory_nodes_per_gpu: u32,
    /// The NICs.
    pub nic: NicSpec,
    /// The NVMe drives.
    pub drive: DriveSpec,
    /// Device ids (device, vendor) of root ports, by the maker of the CPUs.
    pub root_port_id: (u16, u16),
    /// Device id of an NVSwitch.
    pub nvswitch_device: u16,
    /// Whether the GPUs' links end at NVSwitches that are no PCI functions of this host: those of
    /// a rack, and those of B200 boards, which are managed through bridge cards.
    pub switches_outside: bool,
    /// PCIe root complexes in bus order.
    pub roots: &'static [Root],
}

/// The kind of accelerator in a machine, by its maker.
#[derive(Clone, Copy, Debug)]
pub enum Accelerators {
    /// NVIDIA's: the machine has a `libnvidia-ml.so.1`, and NVML's state is theirs.
    Nvidia(&'static Product),
    /// AMD's: there is no library, only the kernel.
    Amd(&'static AmdProduct),
    /// Another maker's: there is no library, and nothing that its driver shows changes.
    Card(&'static Card),
    /// Of a product that nobody here knows: there is no library, and what a driver shows stands in files.
    Unknown,
}

/// The kind of network card in a machine.
#[derive(Clone, Copy, Debug)]
pub struct NicSpec {
    /// PCI vendor id.
    pub vendor: u16,
    /// PCI device id.
    pub device: u16,
    /// Kernel driver.
    pub driver: &'static str,
    /// What it is to the kernel.
    pub kind: NicKind,
    /// Rate in Gb/s.
    pub gbps: u32,
    /// PCIe generation of its link.
    pub generation: u32,
}

/// What a network card is to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NicKind {
    /// An RDMA device and an IPoIB interface.
    InfiniBand,
    /// An RDMA device (RoCE) and an Ethernet interface.
    Ethernet,
    /// An RDMA device without interface, as AWS's EFA.
    Fabric,
    /// An interface without RDMA device.
    Interface,
}

impl NicKind {
    /// Whether it is an RDMA device.
    #[must_use]
    pub fn has_rdma(self) -> bool {
        self != Self::Interface
    }

    /// Whether it is a network interface.
    #[must_use]
    pub fn has_interface(self) -> bool {
        self != Self::Fabric
    }
}

/// The kind of NVMe drive in a machine.
#[derive(Clone, Copy, Debug)]
pub struct DriveSpec {
    /// PCI vendor id.
    pub vendor: u16,
    /// PCI device id.
    pub device: u16,
    /// As `model` prints it.
    pub model: &'static str,
    /// Size in bytes.
    pub bytes: u64,
    /// PCIe generation of its link.
    pub generation: u32,
}

/// A root complex with its root ports.
#[derive(Debug)]
pub struct Root {
    /// PCI domain.
    pub domain: u16,
    /// First bus number.
    pub bus: u8,
    /// Device number of the first root port.
    pub first_device: u8,
    /// The NUMA node it hangs on.
    pub node: u32,
    /// What is behind each root port.
    pub ports: &'static [Part],
}

/// A piece of the PCIe tree.
#[derive(Debug)]
pub enum Part {
    /// A switch: one upstream port, and a downstream port for each child.
    Switch(&'static [Part]),
    /// A GPU or another accelerator with one function.
    Gpu,
    /// An accelerator whose first function is for its management and the second for its use.
    Pair,
    /// A network card.
    Nic,
    /// An NVMe drive.
    Drive,
    /// An NVSwitch.
    NvSwitch,
    /// What is on the root bus itself, without a root port: functions that a hypervisor gives to its guest.
    Bare(&'static Part),
}

/// A PCI address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bdf {
    /// Domain.
    pub domain: u16,
    /// Bus.
    pub bus: u8,
    /// Device.
    pub device: u8,
    /// Function.
    pub function: u8,
}

impl Bdf {
    /// The device that the function is of: domain, bus and device number.
    #[must_use]
    pub fn slot(self) -> (u16, u8, u8) {
        (self.domain, self.bus, self.device)
    }
}

impl fmt::Display for Bdf {
    /// The kernel's form, `0000:0f:00.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

/// What a PCI function is; the number counts its kind in bus order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A root port.
    RootPort,
    /// A switch's upstream port.
    Upstream,
    /// A switch's downstream port.
    Downstream,
    /// GPU or other accelerator n.
    Gpu(u32),
    /// The function that manages accelerator n.
    Management(u32),
    /// NIC n.
    Nic(u32),
    /// NVMe drive n.
    Drive(u32),
    /// NVSwitch n.
    NvSwitch(u32),
}

/// One PCI function in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciFunction {
    /// Address.
    pub bdf: Bdf,
    /// What it is.
    pub role: Role,
    /// First bus of its root complex.
    pub root_bus: u8,
    /// NUMA node.
    pub node: u32,
    /// The bridges above it, from the root port down.
    pub bridges: Vec<Bdf>,
    /// The switches above it, each named by its upstream port, from the top down.
    pub switches: Vec<Bdf>,
    /// For a bridge: secondary and subordinate bus.
    pub buses: Option<(u8, u8)>,
}

impl PciFunction {
    /// Its folder below `/`, `sys/devices/pci0000:08/…/0000:0f:00.0`.
    #[must_use]
    pub fn sysfs_folder(&self) -> String {
        // Hypervisors show switches and what is below them in domains of their own.
        let top = self.bridges.first().unwrap_or(&self.bdf);
        let (domain, root) = (top.domain, self.root_bus);
        let mut path = format!("sys/devices/pci{domain:04x}:{root:02x}");
        for bdf in self.bridges.iter().chain([&self.bdf]) {
            path.push_str(&format!("/{bdf}"));
        }
        path
    }
}

/// A NUMA node of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumaNode {
    /// Its number.
    pub id: u32,
    /// The socket whose CPUs it has, if any.
    pub socket: Option<u32>,
    /// The GPU whose memory it is, if any.
    pub gpu: Option<u32>,
    /// Its memory in KiB.
    pub memory_kib: u64,
}

impl MachineSpec {
    /// The product of its GPUs, if they are NVIDIA's.
    #[must_use]
    pub fn nvidia(&self) -> Option<&'static Product> {
        match self.accelerators {
            Accelerators::Nvidia(product) => Some(product),
            Accelerators::Amd(_) | Accelerators::Card(_) | Accelerators::Unknown => None,
        }
    }

    /// The product of its GPUs, if they are AMD's.
    #[must_use]
    pub fn amd(&self) -> Option<&'static AmdProduct> {
        match self.accelerators {
            Accelerators::Amd(product) => Some(product),
            Accelerators::Nvidia(_) | Accelerators::Card(_) | Accelerators::Unknown => None,
        }
    }

    /// The product of its accelerators, if they are another maker's.
    #[must_use]
    pub fn card(&self) -> Option<&'static Card> {
        match self.accelerators {
            Accelerators::Card(card) => Some(card),
            Accelerators::Nvidia(_) | Accelerators::Amd(_) | Accelerators::Unknown => None,
        }
    }

    /// The accelerators' large PCI window in MiB. With a resizable BAR it shows all of their memory.
    #[must_use]
    pub fn bar_mib(&self) -> u64 {
        let whole = |bytes: u64| (bytes >> 20).next_power_of_two();
        match self.accelerators {
            Accelerators::Nvidia(product) => product.bar1_mib,
            Accelerators::Amd(product) => whole(product.memory_bytes),
            Accelerators::Card(card) => whole(card.memory_bytes),
            Accelerators::Unknown => 0,
        }
    }

    /// PCIe generation of the accelerators' links.
    #[must_use]
    pub fn pcie_generation(&self) -> u32 {
        match self.accelerators {
            Accelerators::Nvidia(product) => product.pcie_generation,
            Accelerators::Amd(product) => product.pcie_generation,
            Accelerators::Card(card) => card.pcie_generation,
            Accelerators::Unknown => 4,
        }
    }

    /// Cores of the machine.
    #[must_use]
    pub fn core_count(&self) -> u32 {
        self.sockets * self.cores_per_socket
    }

    /// CPUs of the machine.
    #[must_use]
    pub fn cpu_count(&self) -> u32 {
        self.core_count() * self.processor.threads_per_core
    }

    /// CPUs of a run of cores in the numbering of Linux: first threads of all cores first, the second threads
    /// after them. One range, (first, last), for each thread.
    #[must_use]
    pub fn cpus_of(&self, first_core: u32, last_core: u32) -> Vec<(u32, u32)> {
        let threads = 0..self.processor.threads_per_core;
        threads
            .map(|thread| {
                let base = thread * self.core_count();
                (base + first_core, base + last_core)
            })
            .collect()
    }

    /// CPUs of one node; none of a node that is a GPU's memory.
    #[must_use]
    pub fn node_cpus(&self, node: u32) -> Vec<(u32, u32)> {
        if node >= self.sockets {
            return Vec::new();
        }
        let first = node * self.cores_per_socket;
        self.cpus_of(first, first + self.cores_per_socket - 1)
    }

    /// Every NUMA node, in order: those of the sockets, then those of the GPUs' memory.
    #[must_use]
    pub fn numa_nodes(&self) -> Vec<NumaNode> {
        let sockets = (0..self.sockets).map(|socket| NumaNode {
            id: socket,
            socket: Some(socket),
            gpu: None,
            memory_kib: self.node_memory_kib,
        });
        let mut nodes: Vec<NumaNode> = sockets.collect();
        let per_gpu = self.memory_nodes_per_gpu;
        let gpu_kib = self.nvidia().map_or(0, |product| product.memory_mib << 10);
        let functions = self.functions();
        for function in &functions {
            let Role::Gpu(gpu) = function.role else {
                continue;
            };
            nodes.extend((0..per_gpu).map(|place| NumaNode {
                id: self.sockets + gpu * per_gpu + place,
                socket: None,
                gpu: Some(gpu),
                memory_kib: if place == 0 { gpu_kib } else { 0 },
            }));
        }
        nodes
    }

    /// Whether it is a tray of a rack: its GPUs' memory is the processors', and their links end at switches outside.
    #[must_use]
    pub fn is_in_rack(&self) -> bool {
        self.switches_outside && self.memory_nodes_per_gpu > 0
    }

    /// The NUMA node that a GPU's own memory is, if it is one.
    #[must_use]
    pub fn memory_node(&self, gpu: u32) -> Option<u32> {
        let per_gpu = self.memory_nodes_per_gpu;
        (per_gpu > 0).then_some(self.sockets + gpu * per_gpu)
    }
}
