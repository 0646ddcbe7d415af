//! The numbering of a machine's PCI functions, depth first as firmware does it, and what follows from where they
//! lie. Owns bus numbers, devices of several functions, IOMMU groups and the levels between two functions.

use super::spec::{Bdf, MachineSpec, Part, PciFunction, Role, Root};

impl MachineSpec {
    /// Every PCI function.
    #[must_use]
    pub fn functions(&self) -> Vec<PciFunction> {
        let mut walk = Walk::default();
        for root in self.roots {
            walk.root(root);
        }
        walk.functions
    }
}

/// The number of a function's IOMMU group among `all` of its machine: each device has one, which its functions
/// share, for no access control keeps those apart.
#[must_use]
pub fn iommu_group(all: &[PciFunction], function: &PciFunction) -> u32 {
    let ours = function.bdf.slot();
    let before = all.iter().take_while(|other| other.bdf.slot() != ours);
    let devices = before.filter(|other| other.bdf.function == 0);
    u32::try_from(devices.count()).unwrap_or(u32::MAX)
}

/// Whether the device of a function has more of them, among `all` of its machine.
#[must_use]
pub fn is_shared(all: &[PciFunction], function: &PciFunction) -> bool {
    let ours = function.bdf;
    let mut all = all.iter();
    all.any(|other| other.bdf.slot() == ours.slot() && other.bdf != ours)
}

/// The depth-first walk: it hands out bus numbers and counts each kind.
#[derive(Default)]
struct Walk {
    functions: Vec<PciFunction>,
    next_bus: u8,
    gpus: u32,
    nics: u32,
    drives: u32,
    nvswitches: u32,
}

/// Where the walk stands.
#[derive(Clone)]
struct Above {
    domain: u16,
    root_bus: u8,
    node: u32,
    bridges: Vec<Bdf>,
    switches: Vec<Bdf>,
}

impl Walk {
    fn root(&mut self, root: &Root) {
        self.next_bus = root.bus + 1;
        let above = Above {
            domain: root.domain,
            root_bus: root.bus,
            node: root.node,
            bridges: Vec::new(),
            switches: Vec::new(),
        };
        for (part, device) in root.ports.iter().zip(root.first_device..) {
            let bdf = Bdf {
                domain: root.domain,
                bus: root.bus,
                device,
                function: 0,
            };
            if let Part::Bare(part) = part {
                self.endpoint(part, &above, bdf);
                continue;
            }
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
        let bdf = Bdf {
            domain: above.domain,
            bus,
            device: 0,
            function: 0,
        };
        let Part::Switch(children) = part else {
            return self.endpoint(part, above, bdf);
        };
        self.bridge(bdf, Role::Upstream, above, |walk, below, inner| {
            for (child, device) in children.iter().zip(0u8..) {
                let port = Bdf {
                    bus: inner,
                    device,
                    ..bdf
                };
                walk.bridge(port, Role::Downstream, below, |walk, below, bus| {
                    walk.part(child, below, bus);
                });
            }
        });
    }

    fn endpoint(&mut self, part: &Part, above: &Above, bdf: Bdf) {
        let role = match part {
            Part::Gpu => Role::Gpu(count(&mut self.gpus)),
            Part::Pair => {
                let number = count(&mut self.gpus);
                self.functions
                    .push(function(bdf, Role::Management(number), above));
                let second = Bdf { function: 1, ..bdf };
                self.functions
                    .push(function(second, Role::Gpu(number), above));
                return;
            }
            Part::Nic => Role::Nic(count(&mut self.nics)),
            Part::Drive => Role::Drive(count(&mut self.drives)),
            Part::NvSwitch => Role::NvSwitch(count(&mut self.nvswitches)),
            // Only a root port has a switch behind it, and only a root bus has bare functions.
            Part::Switch(_) | Part::Bare(_) => return,
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
    if (a.bdf.domain, a.root_bus) != (b.bdf.domain, b.root_bus) {
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
