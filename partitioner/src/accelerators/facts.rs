//! What all accelerators have in common: their PCI function, driver, device nodes, and how a capability is set.

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::map::{
    Accelerator, AcceleratorHealth, Capabilities, Capability, CapabilityKey, CapabilityValue,
    ClassDevice, DeviceClass, PciFunction, Provenance, Vendor,
};

use super::pcie;
use crate::sysfs::pci::is_awake;
use crate::sysfs::{Device, Folder, Reader};
use crate::systree::label;

/// Base class of processing accelerators (PCI Code and ID Assignment, class 12h).
const PROCESSING_ACCELERATOR: u16 = 0x12;
/// Drivers that give a whole function to a user: its node is its IOMMU group's
/// (`Documentation/driver-api/vfio.rst`, "VFIO Usage Example").
const VFIO: [&str; 3] = ["vfio-pci", "xe-vfio-pci", "nvgrace-gpu-vfio-pci"];

/// What there is to look at.
pub(super) struct Scene<'a> {
    /// Reads files, and remembers the odd ones.
    pub reader: &'a Reader<'a>,
    /// All PCI functions.
    pub functions: &'a [PciFunction],
    /// Devices of the kernel's classes, by the function that they are of.
    devices: BTreeMap<PciAddress, Vec<&'a ClassDevice>>,
}

impl<'a> Scene<'a> {
    /// All that there is.
    pub fn new(
        reader: &'a Reader<'a>,
        functions: &'a [PciFunction],
        devices: &'a [ClassDevice],
    ) -> Self {
        let mut by_function: BTreeMap<PciAddress, Vec<&ClassDevice>> = BTreeMap::new();
        for device in devices {
            if let Some(address) = device.pci {
                by_function.entry(address).or_default().push(device);
            }
        }
        Self {
            reader,
            functions,
            devices: by_function,
        }
    }

    /// Devices that the kernel's classes make of a function.
    pub fn devices(&self, function: &PciFunction) -> &[&'a ClassDevice] {
        self.devices
            .get(&function.address)
            .map_or(&[], Vec::as_slice)
    }

    /// The functions that satisfy `is_mine`, once each, by address.
    pub fn functions(&self, is_mine: impl Fn(&PciFunction) -> bool) -> Vec<&'a PciFunction> {
        let mut mine: Vec<&PciFunction> =
            self.functions.iter().filter(|one| is_mine(one)).collect();
        mine.sort_by_key(|one| one.address);
        mine.dedup_by_key(|one| one.address);
        mine
    }

    /// An accelerator with what its PCI function tells. The model is its ids until somebody knows better.
    pub fn accelerator(
        &self,
        function: &PciFunction,
        vendor: impl Into<Option<Vendor>>,
    ) -> Accelerator {
        let mut accelerator = Accelerator {
            id: function.address.to_string(),
            vendor: vendor.into(),
            model: ids(function),
            pci: Some(function.address),
            numa_node: function.numa_node,
            memory: None,
            memory_used: None,
            architecture: None,
            serial: None,
            unique_id: None,
            driver: function.driver.as_deref().map(|name| self.driver(name)),
            nodes: self.nodes(function),
            health: AcceleratorHealth::Unknown,
            utilisation_percent: None,
            capabilities: Capabilities::new(),
        };
        let capabilities = &mut accelerator.capabilities;
        if function.physical_function.is_some() {
            flag(capabilities, CapabilityKey::Virtualised, true);
        }
        let at = Folder::open(self.reader, folder(function.address));
        let config = at.filter(is_awake).and_then(|at| at.file("config"));
        if config.is_some_and(|config| pcie::may_ask_for_atomics(&config)) {
            flag(capabilities, CapabilityKey::PcieAtomics, true);
        }
        accelerator
    }

    /// A driver's name and, where its module tells one, its version.
    pub fn driver(&self, name: &str) -> String {
        let module = name.replace('-', "_");
        match self.label(&format!("sys/module/{module}/version")) {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        }
    }

    /// The folder of a device, whose files its driver answers.
    pub fn device(&self, folder: String) -> Device<'a, 'a> {
        Device::new(self.reader, folder)
    }

    /// A name or number that a file tells, fit to be shown. No file of a device: those may never answer.
    pub fn label(&self, path: &str) -> Option<String> {
        label(&self.reader.text(path)?)
    }

    /// Device nodes that the kernel's classes and VFIO make of a function, sorted.
    fn nodes(&self, function: &PciFunction) -> Vec<String> {
        let node = |device: &&ClassDevice| match device.class {
            // Google's driver of old has its nodes right under `/dev`.
            DeviceClass::Accel if function.vendor == Some(0x1ae0) => {
                Some(format!("/dev/{}", device.name))
            }
            DeviceClass::Accel => Some(format!("/dev/accel/{}", device.name)),
            // A connector (`card0-DP-1`) is a device of the class and has no node.
            DeviceClass::Drm if !device.name.contains('-') => {
                Some(format!("/dev/dri/{}", device.name))
            }
            DeviceClass::Mic | DeviceClass::Ve => Some(format!("/dev/{}", device.name)),
            _ => None,
        };
        let mut nodes: Vec<String> = self.devices(function).iter().filter_map(node).collect();
        let has_vfio = function
            .driver
            .as_deref()
            .is_some_and(|name| VFIO.contains(&name));
        if let Some(group) = function.iommu_group.filter(|_| has_vfio) {
            nodes.push(format!("/dev/vfio/{group}"));
        }
        nodes.sort();
        nodes.dedup();
        nodes
    }
}

/// How a device is, of which `told` was read: it is not well if its driver no longer answers.
pub(super) fn heard(device: &Device<'_, '_>, told: AcceleratorHealth) -> AcceleratorHealth {
    match device.is_silent() {
        true => AcceleratorHealth::Failed("its driver does not answer".to_owned()),
        false => told,
    }
}

/// The folder of a PCI function.
pub(super) fn folder(address: PciAddress) -> String {
    format!("sys/bus/pci/devices/{address}")
}

/// Whether a function is of PCI's class of processing accelerators.
pub(super) fn is_processing_accelerator(function: &PciFunction) -> bool {
    function.base_class() == Some(PROCESSING_ACCELERATOR)
}

/// Whether a function drives or could drive a display: VGA, 3D, or another display controller.
pub(super) fn is_display(function: &PciFunction) -> bool {
    matches!(function.class_pair(), Some(0x0300 | 0x0302 | 0x0380))
}

/// That the kernel says whether it can.
pub(super) fn flag(capabilities: &mut Capabilities, key: CapabilityKey, can: bool) {
    kernel(capabilities, key, CapabilityValue::Flag(can));
}

/// That the kernel says how much; nothing and zero are no answers.
pub(super) fn count(
    capabilities: &mut Capabilities,
    key: CapabilityKey,
    count: impl Into<Option<u64>>,
) {
    if let Some(count) = count.into().filter(|count| *count > 0) {
        kernel(capabilities, key, CapabilityValue::Count(count));
    }
}

/// What all parts of a device have together. Where one of them does not say, or there is none, nobody knows it: what
/// the others have is not what the device has.
pub(super) fn sum(parts: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    let mut parts = parts.into_iter();
    let first = parts.next()??;
    parts.try_fold(first, |all, part| Some(all.saturating_add(part?)))
}

/// That the kernel says which one.
pub(super) fn word(capabilities: &mut Capabilities, key: CapabilityKey, word: &str) {
    kernel(capabilities, key, CapabilityValue::Word(word.to_owned()));
}

/// That the kernel says which ones; none is no answer.
pub(super) fn words(capabilities: &mut Capabilities, key: CapabilityKey, mut words: Vec<String>) {
    words.sort();
    words.dedup();
    if !words.is_empty() {
        kernel(capabilities, key, CapabilityValue::Words(words));
    }
}

fn kernel(capabilities: &mut Capabilities, key: CapabilityKey, value: CapabilityValue) {
    let provenance = Provenance::Kernel;
    capabilities.insert(key, Capability { value, provenance });
}

/// The ways to cut it: those that its maker has for it, with the most slices that they make, and virtual functions
/// (`sriov_totalvfs` of `Documentation/ABI/testing/sysfs-bus-pci`). How many of these there can be counts only where
/// there is no other way: a GPU that makes eight partitions of its own is cut into eight, however many it can show.
pub(super) fn ways(
    capabilities: &mut Capabilities,
    function: &PciFunction,
    mut own: Vec<String>,
    most: Option<u64>,
) {
    let virtuals = function.sriov.map(|functions| functions.total);
    let virtuals = virtuals.filter(|total| *total > 0).map(u64::from);
    let most = match own.is_empty() {
        true => most.or(virtuals),
        false => most,
    };
    if virtuals.is_some() {
        own.push("sriov".to_owned());
    }
    words(capabilities, CapabilityKey::PartitionModes, own);
    count(capabilities, CapabilityKey::PartitionMax, most);
}

/// That it can be cut into virtual functions and in no other way.
pub(super) fn sriov(capabilities: &mut Capabilities, function: &PciFunction) {
    ways(capabilities, function, Vec::new(), None);
}

/// `10de:2330`, with question marks for what nobody says.
fn ids(function: &PciFunction) -> String {
    let id = |id: Option<u16>| id.map_or_else(|| "????".to_owned(), |id| format!("{id:04x}"));
    format!("{}:{}", id(function.vendor), id(function.device))
}
