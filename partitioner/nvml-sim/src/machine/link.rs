//! The PCIe link of each function: what it can do, and what it was trained to. Owns the agreement of both ends.

use crate::model::spec::{MachineSpec, PciFunction, Role};

/// Generation and lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// PCIe generation.
    pub generation: u32,
    /// Lanes.
    pub lanes: u32,
}

/// A function's link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What the function's port can do at most.
    pub most: Speed,
    /// What the link runs at.
    pub now: Speed,
}

/// The link of a function: above an endpoint and an upstream port, below a root port and a downstream port. `None`
/// for one on the root bus itself, which has none.
pub fn link(spec: &MachineSpec, all: &[PciFunction], function: &PciFunction) -> Option<Link> {
    let own = most(spec, function.role);
    let other = match function.role {
        Role::RootPort | Role::Downstream => {
            let mut all = all.iter();
            all.find(|below| below.bridges.last() == Some(&function.bdf))
        }
        _ => all
            .iter()
            .find(|above| Some(&above.bdf) == function.bridges.last()),
    }?;
    let other = most(spec, other.role);
    let now = Speed {
        generation: own.generation.min(other.generation),
        lanes: own.lanes.min(other.lanes),
    };
    Some(Link { most: own, now })
}

/// What a port of that kind can do. Bridges do what the machine's fastest endpoints do, and at least PCIe 4.
fn most(spec: &MachineSpec, role: Role) -> Speed {
    let (generation, lanes) = match role {
        Role::RootPort | Role::Upstream | Role::Downstream | Role::NvSwitch(_) => {
            (spec.pcie_generation().max(4), 16)
        }
        Role::Gpu(_) | Role::Management(_) => (spec.pcie_generation(), 16),
        Role::Nic(_) => (spec.nic.generation, 16),
        Role::Drive(_) => (spec.drive.generation, 4),
    };
    Speed { generation, lanes }
}

impl Speed {
    /// As `max_link_speed` and `current_link_speed` print it (`pci_speed_string` of `drivers/pci/probe.c`).
    pub fn text(self) -> &'static str {
        match self.generation {
            1 => "2.5 GT/s PCIe",
            2 => "5.0 GT/s PCIe",
            3 => "8.0 GT/s PCIe",
            4 => "16.0 GT/s PCIe",
            5 => "32.0 GT/s PCIe",
            6 => "64.0 GT/s PCIe",
            _ => "Unknown",
        }
    }
}
