//! What a PCI function is to those who list the bus: ids, class, driver. Owns nothing that a driver shows.

use crate::model::card::{Card, Maker};
use crate::model::spec::{Accelerators, MachineSpec, NicKind, Role};

/// The ids of a function: vendor, device, subsystem vendor and device, class, and its driver.
pub struct Identity {
    /// PCI vendor id.
    pub vendor: u16,
    /// PCI device id.
    pub device: u16,
    /// Subsystem vendor and device id.
    pub subsystem: (u16, u16),
    /// Class code, 24 bits.
    pub class: u32,
    /// Revision.
    pub revision: u8,
    /// Kernel driver.
    pub driver: &'static str,
}

const BROADCOM: u16 = 0x1000;
const NVIDIA: u16 = 0x10de;
const AMD: u16 = 0x1002;
const BRIDGE: u32 = 0x06_0400;

/// The identity of a function.
pub fn identity(spec: &MachineSpec, role: Role) -> Identity {
    match role {
        Role::RootPort => {
            let (device, vendor) = spec.root_port_id;
            Identity {
                vendor,
                device,
                subsystem: (vendor, 0),
                class: BRIDGE,
                revision: 4,
                driver: "pcieport",
            }
        }
        Role::Upstream | Role::Downstream => Identity {
            vendor: BROADCOM,
            device: 0xc030,
            subsystem: (BROADCOM, 0x1003),
            class: BRIDGE,
            revision: 0xb0,
            driver: "pcieport",
        },
        Role::Gpu(_) => accelerator(spec.accelerators),
        Role::Management(_) => management(accelerator(spec.accelerators)),
        Role::Nic(_) => Identity {
            vendor: spec.nic.vendor,
            device: spec.nic.device,
            subsystem: (spec.nic.vendor, 0x0041),
            class: if spec.nic.kind == NicKind::InfiniBand {
                0x02_0700
            } else {
                0x02_0000
            },
            revision: 0,
            driver: spec.nic.driver,
        },
        Role::Drive(_) => Identity {
            vendor: spec.drive.vendor,
            device: spec.drive.device,
            subsystem: (spec.drive.vendor, 0xa813),
            class: 0x01_0802,
            revision: 0,
            driver: "nvme",
        },
        Role::NvSwitch(_) => Identity {
            vendor: NVIDIA,
            device: spec.nvswitch_device,
            subsystem: (NVIDIA, 0x1796),
            class: 0x06_8000,
            revision: 0xa1,
            driver: "nvidia-nvswitch",
        },
    }
}

/// The management function of a pair has the id below that of the user function, and a driver of its own.
fn management(user: Identity) -> Identity {
    let device = user.device - 1;
    Identity {
        device,
        driver: "xclmgmt",
        ..user
    }
}

fn accelerator(accelerators: Accelerators) -> Identity {
    match accelerators {
        Accelerators::Nvidia(product) => Identity {
            vendor: NVIDIA,
            device: product.pci_device(),
            subsystem: (NVIDIA, product.pci_subsystem()),
            class: 0x03_0200,
            revision: 0xa1,
            driver: "nvidia",
        },
        Accelerators::Amd(product) => Identity {
            vendor: AMD,
            device: product.device_id,
            subsystem: (AMD, product.subsystem_id),
            class: product.class,
            revision: 0,
            driver: "amdgpu",
        },
        Accelerators::Card(card) => Identity {
            vendor: card.id.0,
            device: card.id.1,
            subsystem: card.subsystem,
            class: card.class,
            revision: card.revision,
            driver: card.driver,
        },
        // Nobody asks: such a machine's functions say themselves what they are.
        Accelerators::Unknown => Identity {
            vendor: u16::MAX,
            device: u16::MAX,
            subsystem: (u16::MAX, u16::MAX),
            class: 0x12_0000,
            revision: 0,
            driver: "",
        },
    }
}

/// The mode of a function's IOMMU group as `type` prints it: what user space drives by itself is translated.
pub fn iommu_type(spec: &MachineSpec, role: Role) -> &'static str {
    match (spec.card(), role) {
        (
            Some(Card {
                maker: Maker::Tpu, ..
            }),
            Role::Gpu(_),
        ) => "DMA",
        _ => "identity",
    }
}
