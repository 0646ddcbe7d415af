//! Machines with one vendor's accelerators, as small trees with what the kernel's documents and drivers write.

mod amd;
mod driver;
mod fpga;
mod gaudi;
mod hostile;
mod intel;
mod neuron;
mod nvidia;
mod other;
mod pcie;
mod registry;
mod told;
mod tpu;

use std::fs;
use std::os::unix::fs::symlink;

use kerf_types::PciAddress;
use kerf_types::map::{
    Accelerator, CapabilityKey, CapabilityValue, ClassDevice, DeviceClass, End, Link, Oddity,
    PciFunction, Provenance, SriovFunctions,
};
use tempfile::TempDir;

use super::{Found, accelerators};
use crate::sysfs::{Reader, Root};

/// A tree, and what readers of other parts find in it.
struct World {
    folder: TempDir,
    functions: Vec<PciFunction>,
    devices: Vec<ClassDevice>,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            functions: Vec::new(),
            devices: Vec::new(),
        }
    }

    /// Writes a file; a content that begins with `->` is a link.
    fn file(&mut self, path: &str, content: &str) -> &mut Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        match content.strip_prefix("->") {
            Some(target) => symlink(target, path).expect("a link"),
            None => fs::write(path, content).expect("a file"),
        }
        self
    }

    /// Adds a function with its folder under the bus and below `/sys/devices`.
    fn function(
        &mut self,
        at: &str,
        class: u32,
        ids: (u16, u16),
        driver: Option<&str>,
    ) -> &mut PciFunction {
        let path = format!("sys/devices/pci0000:00/{at}");
        fs::create_dir_all(self.folder.path().join(&path)).expect("a folder");
        let link = format!("sys/bus/pci/devices/{at}");
        self.file(&link, &format!("->../../../../{path}"));
        self.functions.push(PciFunction {
            address: address(at),
            class: Some(class),
            vendor: Some(ids.0),
            device: Some(ids.1),
            subsystem: None,
            numa_node: Some(1),
            parent: None,
            host_bridge: "pci0000:00".to_owned(),
            path: format!("/{path}"),
            link: None,
            driver: driver.map(str::to_owned),
            iommu_group: None,
            physical_function: None,
            sriov: None,
            acs: None,
        });
        self.functions.last_mut().expect("a function")
    }

    /// Adds a device of a class.
    fn device(&mut self, class: DeviceClass, name: &str, at: &str) -> &mut Self {
        self.devices.push(ClassDevice {
            class,
            name: name.to_owned(),
            pci: Some(address(at)),
            numa_node: None,
        });
        self
    }

    fn find(&self) -> Found {
        self.find_with_oddities().0
    }

    fn find_with_oddities(&self) -> (Found, Vec<Oddity>) {
        let root = Root::open(self.folder.path()).expect("a root");
        let reader = Reader::new(&root);
        let found = accelerators(&reader, &self.functions, &self.devices);
        (found, reader.into_oddities())
    }

    /// What is found where exactly one accelerator is.
    fn only(&self) -> Accelerator {
        let found = self.find();
        match <[Accelerator; 1]>::try_from(found.accelerators) {
            Ok([one]) => one,
            Err(all) => panic!("{} accelerators", all.len()),
        }
    }
}

fn address(text: &str) -> PciAddress {
    text.parse().expect("an address")
}

/// A virtual function of `of`.
fn virtual_of(function: &mut PciFunction, of: &str) {
    function.physical_function = Some(address(of));
}

fn with_virtuals(function: &mut PciFunction, total: u32) {
    function.sriov = Some(SriovFunctions { total, enabled: 0 });
}

/// A capability's value in words, and how it is known.
fn said(one: &Accelerator, key: CapabilityKey) -> Option<(String, Provenance)> {
    let capability = one.capabilities.get(&key)?;
    let value = match &capability.value {
        CapabilityValue::Flag(flag) => flag.to_string(),
        CapabilityValue::Count(count) => count.to_string(),
        CapabilityValue::Word(word) => word.clone(),
        CapabilityValue::Words(words) => words.join(" "),
    };
    Some((value, capability.provenance))
}

/// A value that the kernel told.
fn kernel(value: &str) -> Option<(String, Provenance)> {
    Some((value.to_owned(), Provenance::Kernel))
}

/// A value of a table.
fn published(value: &str) -> Option<(String, Provenance)> {
    Some((value.to_owned(), Provenance::Published))
}

/// A value of a table that nobody could confirm.
fn unverified(value: &str) -> Option<(String, Provenance)> {
    Some((value.to_owned(), Provenance::Unverified))
}

/// A link in one line: `a - b xgmi x1 64`.
fn line(link: &Link) -> String {
    let end = |end: &End| match end {
        End::Accelerator(id) => id.clone(),
        End::Switch(at) => at.map(|at| at.to_string()).unwrap_or_default(),
        End::Cpu(node) => format!("node{node}"),
    };
    let gbps = link.gbps.map_or("-".to_owned(), |gbps| gbps.to_string());
    format!(
        "{} - {} {} x{} {gbps}",
        end(&link.a),
        end(&link.b),
        link.kind.as_str(),
        link.count
    )
}

fn lines(found: &Found) -> Vec<String> {
    found.links.iter().map(line).collect()
}
