//! Machines that no table knows: the state carries what they consist of. Owns that record, and the one
//! `MachineSpec` that a process has for each.
//!
//! The rest of the model takes a machine's fixed part as `&'static`, for those in the tables are. A record that was
//! read is therefore kept for the life of the process, once for each different one: as a rule, one.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::machine::place;
use super::nvlink::LinkEnd;
use super::processor::Processor;
use super::product::Product;
use super::spec::{Accelerators, Bdf, DriveSpec, MachineSpec, NicKind, NicSpec, PciFunction, Role};
use super::tables::{self, processors};

/// Products that an imported machine may have, by PCI device id. Not those whose memory is a NUMA node of the
/// processor's, which nothing that is imported tells of.
static PRODUCTS: [&Product; 9] = [
    &tables::A100_SXM4_40GB,
    &tables::A100_SXM4_80GB,
    &tables::A30,
    &tables::H100_80GB_HBM3,
    &tables::H100_NVL,
    &tables::H200,
    &tables::B200,
    &tables::B300,
    &tables::RTX_PRO_6000_SERVER,
];

/// What such a machine consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// PCI device id of its GPUs, where they are of a product of the tables.
    pub device_id: Option<u16>,
    /// The maker of its processors.
    pub maker: ProcessorMaker,
    /// NUMA nodes, each a socket.
    pub nodes: u32,
    /// Cores of one socket.
    pub cores_per_node: u32,
    /// PCI functions; one address may be there twice.
    pub functions: Vec<PciFunction>,
    /// Of each GPU how many NVLinks lead to which function.
    pub nvlinks: Vec<Vec<NvLinks>>,
}

/// NVLinks to one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvLinks {
    /// Where they end; `None` for an NVSwitch that the machine does not see.
    pub target: Option<Bdf>,
    /// How many.
    pub count: u32,
}

/// Who made the processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessorMaker {
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// 64-bit Arm.
    Arm,
}

impl ProcessorMaker {
    /// A processor of that maker: which one is told nowhere.
    #[must_use]
    pub fn processor(self) -> &'static Processor {
        match self {
            Self::Amd => &processors::EPYC_9004,
            Self::Intel => &processors::XEON_4,
            Self::Arm => &processors::GRACE,
        }
    }

    /// Device and vendor id of its root ports.
    #[must_use]
    pub fn root_port_id(self) -> (u16, u16) {
        match self {
            Self::Amd => (0x14a5, 0x1022),
            Self::Intel => (0x352a, 0x8086),
            Self::Arm => (0x22b1, 0x10de),
        }
    }

    /// From one socket to another, as `distance` prints it.
    fn remote_distance(self) -> u32 {
        match self {
            Self::Amd => 32,
            Self::Intel => 21,
            Self::Arm => 40,
        }
    }
}

/// The product with that PCI device id.
#[must_use]
pub fn product(device_id: u16) -> Option<&'static Product> {
    let is_it = |product: &&&Product| product.pci_device() == device_id;
    PRODUCTS.iter().find(is_it).copied()
}

/// An imported machine that this process knows.
#[derive(Clone, Copy)]
pub struct Imported(&'static Known);

struct Known {
    record: Record,
    spec: MachineSpec,
}

static ALL: Mutex<Vec<&'static Known>> = Mutex::new(Vec::new());

impl Imported {
    /// The machine of a record; `None` where it names a product that is not in the tables.
    #[must_use]
    pub fn new(record: Record) -> Option<Self> {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|known| known.record == record) {
            return Some(Self(known));
        }
        let spec = spec(&record)?;
        let known: &'static Known = Box::leak(Box::new(Known { record, spec }));
        all.push(known);
        Some(Self(known))
    }

    /// The machine that has this spec, if it was imported.
    #[must_use]
    pub fn of_spec(spec: &'static MachineSpec) -> Option<Self> {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let is_its = |known: &&&'static Known| std::ptr::eq(&raw const known.spec, spec);
        all.iter().find(is_its).map(|known| Self(known))
    }

    /// Its fixed part.
    #[must_use]
    pub fn spec(&self) -> &'static MachineSpec {
        &self.0.spec
    }

    /// Its PCI functions.
    fn functions(self) -> &'static [PciFunction] {
        &self.0.record.functions
    }

    /// Where link `link` of a GPU ends; `None` where it leads nowhere.
    #[must_use]
    pub fn link_end(self, gpu: u32, link: u32) -> Option<LinkEnd> {
        let mut before = 0;
        let ends = self.0.record.nvlinks.get(place(gpu))?;
        let end = ends.iter().find(|end| {
            before = end.count.saturating_add(before);
            link < before
        })?;
        let Some(target) = end.target else {
            return Some(LinkEnd::Hidden);
        };
        let mut functions = self.functions().iter();
        let function = functions.find(|function| function.bdf == target)?;
        Some(match function.role {
            Role::Gpu(_) => LinkEnd::Gpu(function),
            _ => LinkEnd::Switch(function),
        })
    }
}

/// The PCI functions of an imported machine; none of another.
pub(super) fn functions(spec: &'static MachineSpec) -> &'static [PciFunction] {
    Imported::of_spec(spec).map_or(&[], Imported::functions)
}

fn spec(record: &Record) -> Option<MachineSpec> {
    let accelerators = match record.device_id {
        Some(id) => Accelerators::Nvidia(product(id)?),
        None => Accelerators::Unknown,
    };
    Some(MachineSpec {
        name: String::leak(record.name.clone()),
        summary: "a machine that was described elsewhere",
        accelerators,
        processor: record.maker.processor(),
        sockets: record.nodes,
        cores_per_socket: record.cores_per_node,
        node_memory_kib: NODE_MEMORY_KIB,
        remote_distance: record.maker.remote_distance(),
        memory_nodes_per_gpu: 0,
        nic: NO_NIC,
        drive: NO_DRIVE,
        root_port_id: record.maker.root_port_id(),
        nvswitch_device: nvswitch_device(record.device_id),
        switches_outside: false,
        roots: &[],
    })
}

/// The NVSwitch of a product's generation: the second, which Ampere has, or the third.
#[must_use]
pub fn nvswitch_device(gpu: Option<u16>) -> u16 {
    match gpu {
        Some(0x20b0..=0x20b7) => 0x1af1,
        _ => 0x22a3,
    }
}

/// Memory of a node: nothing that is imported tells of it.
const NODE_MEMORY_KIB: u64 = 256 << 20;

/// Its functions say what they are themselves.
const NO_NIC: NicSpec = NicSpec {
    vendor: u16::MAX,
    device: u16::MAX,
    driver: "",
    kind: NicKind::Interface,
    gbps: 0,
    generation: 0,
};
const NO_DRIVE: DriveSpec = DriveSpec {
    vendor: u16::MAX,
    device: u16::MAX,
    model: "",
    bytes: 0,
    generation: 0,
};

impl fmt::Debug for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.record.fmt(f)
    }
}

impl Serialize for Imported {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.record.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Imported {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let record = Record::deserialize(deserializer)?;
        Self::new(record).ok_or_else(|| de::Error::custom("a product that is not known"))
    }
}
