//! What a simulated machine is made of: sockets, PCIe trees, GPUs, NICs, NVSwitches. Owns the
//! description and the numbering of its PCI functions as a kernel would number them; the state
//! that changes lives in `machine`.

use std::fmt;

use super::product::Product;
use crate::kernel::amd::AmdProduct;

/// A machine that can be created, by name.
#[derive(Debug)]
pub struct MachineSpec {
    /// Name, such as `h100x8`.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The GPUs' product; one machine has one kind.
    pub accelerators: Accelerators,
    /// Sockets; each is one NUMA node.
    pub sockets: u32,
    /// Cores of one socket, two threads each.
    pub cores_per_socket: u32,
    /// Memory of one NUMA node in KiB.
    pub node_memory_kib: u64,
    /// Memory latency between the nodes as `distance` prints it.
    pub remote_distance: u32,
    /// The NICs.
    pub nic: NicSpec,
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

/// The kind of GPU in a machine, by its maker.
#[derive(Clone, Copy, Debug)]
pub enum Accelerators {
    /// NVIDIA's: the machine has a `libnvidia-ml.so.1`, and NVML's state is theirs.
    Nvidia(&'static Product),
    /// AMD's: there is no library, only the kernel.
    Amd(&'static AmdProduct),
}

/// The kind of network card in a machine.
#[derive(Debug)]
pub struct NicSpec {
    /// PCI device id; the vendor is Mellanox.
    pub device: u16,
    /// Whether the link layer is InfiniBand, otherwise Ethernet.
    pub infiniband: bool,
    /// Rate in Gb/s.
    pub gbps: u32,
}

/// A root complex with its root ports.
#[derive(Debug)]
pub struct Root {
    /// First bus number.
    pub bus: u8,
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
    /// A GPU.
    Gpu,
    /// An RDMA network card.
    Nic,
    /// An NVSwitch.
    NvSwitch,
}

/// A PCI address in domain 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bdf {
    /// Bus.
    pub bus: u8,
    /// Device.
    pub device: u8,
}

impl fmt::Display for Bdf {
    /// The kernel's form, `0000:0f:00.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0000:{:02x}:{:02x}.0", self.bus, self.device)
    }
}

/// What a PCI function is; the number counts its kind in bus order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A root port.
    RootPort,
    /// A switch's upstream port.
    Upstream,
    /// A switch's downstream port.
    Downstream,
    /// GPU n.
    Gpu(u32),
    /// NIC n.
    Nic(u32),
    /// NVSwitch n.
    NvSwitch(u32),
}

/// One PCI function in its place.
#[derive(Clone, Debug)]
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
        let mut path = format!("sys/devices/pci0000:{:02x}", self.root_bus);
        for bdf in self.bridges.iter().chain([&self.bdf]) {
            path.push_str(&format!("/{bdf}"));
        }
        path
    }
}

impl MachineSpec {
    /// The product of its GPUs, if they are NVIDIA's.
    #[must_use]
    pub fn nvidia(&self) -> Option<&'static Product> {
        match self.accelerators {
            Accelerators::Nvidia(product) => Some(product),
            Accelerators::Amd(_) => None,
        }
    }

    /// The product of its GPUs, if they are AMD's.
    #[must_use]
    pub fn amd(&self) -> Option<&'static AmdProduct> {
        match self.accelerators {
            Accelerators::Amd(product) => Some(product),
            Accelerators::Nvidia(_) => None,
        }
    }

    /// The GPUs' large PCI window in MiB. With a resizable BAR an AMD GPU shows all its memory through it.
    #[must_use]
    pub fn bar_mib(&self) -> u64 {
        match self.accelerators {
            Accelerators::Nvidia(product) => product.bar1_mib,
            Accelerators::Amd(product) => (product.memory_bytes >> 20).next_power_of_two(),
        }
    }

    /// PCIe generation of the GPUs' links.
    #[must_use]
    pub fn pcie_generation(&self) -> u32 {
        match self.accelerators {
            Accelerators::Nvidia(product) => product.pcie_generation,
            Accelerators::Amd(_) => 5,
        }
    }

    /// Every PCI function, numbered depth first as firmware does it.
    #[must_use]
    pub fn functions(&self) -> Vec<PciFunction> {
        let mut walk = Walk::default();
        for root in self.roots {
            walk.root(root);
        }
        walk.functions
    }

    /// CPUs of one node in the numbering of Linux on x86: first threads of all cores first, the
    /// second threads after them. Two ranges, each (first, last).
    #[must_use]
    pub fn node_cpus(&self, node: u32) -> [(u32, u32); 2] {
        let first = node * self.cores_per_socket;
        let sibling = self.sockets * self.cores_per_socket + first;
        let last = self.cores_per_socket - 1;
        [(first, first + last), (sibling, sibling + last)]
    }

    /// CPUs of the machine.
    #[must_use]
    pub fn cpu_count(&self) -> u32 {
        self.sockets * self.cores_per_socket * 2
    }
}

/// The depth-first walk: it hands out bus numbers and counts each kind.
#[derive(Default)]
struct Walk {
    functions: Vec<PciFunction>,
    next_bus: u8,
    gpus: u32,
    nics: u32,
    nvswitches: u32,
}

/// Where the walk stands.
#[derive(Clone)]
struct Above {
    root_bus: u8,
    node: u32,
    bridges: Vec<Bdf>,
    switches: Vec<Bdf>,
}

impl Walk {
    fn root(&mut self, root: &Root) {
        self.next_bus = root.bus + 1;
        let above = Above {
            root_bus: root.bus,
            node: root.node,
            bridges: Vec::new(),
            switches: Vec::new(),
        };
        for (part, device) in root.ports.iter().zip(1u8..) {
            let bdf = Bdf {
                bus: root.bus,
                device,
            };
            self.bridge(bdf, Role::RootPort, &above, |walk, below, bus| {
                walk.part(part, below, bus);
            });
        }
    }

    /// Adds a bridge and walks what is behind it on a new bus.
    fn bridge(
        &mut self,
        bdf: Bdf,
        role: Role,
        above: &Above,
        behind: impl FnOnce(&mut Self, &Above, u8),
    ) {
        let place = self.functions.len();
        let bus = self.next_bus;
        self.next_bus += 1;
        self.functions.push(function(bdf, role, above));
        let mut below = above.clone();
        below.bridges.push(bdf);
        if role == Role::Upstream {
            below.switches.push(bdf);
        }
        behind(self, &below, bus);
        self.functions[place].buses = Some((bus, self.next_bus - 1));
    }

    fn part(&mut self, part: &Part, above: &Above, bus: u8) {
        let bdf = Bdf { bus, device: 0 };
        let role = match part {
            Part::Switch(children) => {
                return self.bridge(bdf, Role::Upstream, above, |walk, below, inner| {
                    for (child, device) in children.iter().zip(0u8..) {
                        let port = Bdf { bus: inner, device };
                        walk.bridge(port, Role::Downstream, below, |walk, below, bus| {
                            walk.part(child, below, bus);
                        });
                    }
                });
            }
            Part::Gpu => Role::Gpu(count(&mut self.gpus)),
            Part::Nic => Role::Nic(count(&mut self.nics)),
            Part::NvSwitch => Role::NvSwitch(count(&mut self.nvswitches)),
        };
        self.functions.push(function(bdf, role, above));
    }
}

fn count(counter: &mut u32) -> u32 {
    *counter += 1;
    *counter - 1
}

fn function(bdf: Bdf, role: Role, above: &Above) -> PciFunction {
    PciFunction {
        bdf,
        role,
        root_bus: above.root_bus,
        node: above.node,
        bridges: above.bridges.clone(),
        switches: above.switches.clone(),
        buses: None,
    }
}

/// `nvmlGpuTopologyLevel_t` of the path between two functions: 10 one switch, 20 several, 30 a
/// host bridge, 40 one NUMA node, 50 across sockets.
#[must_use]
pub fn common_ancestor(a: &PciFunction, b: &PciFunction) -> u32 {
    if a.bdf == b.bdf {
        return 0;
    }
    if a.root_bus != b.root_bus {
        return if a.node == b.node { 40 } else { 50 };
    }
    let shared = a
        .switches
        .iter()
        .zip(&b.switches)
        .take_while(|(x, y)| x == y)
        .count();
    if shared == 0 {
        return 30;
    }
    let joined = 1 + (a.switches.len() - shared) + (b.switches.len() - shared);
    if joined == 1 { 10 } else { 20 }
}
