//! To the text: a host, or some of its devices, as NCCL or RCCL would write it down.
//!
//! The shape follows NCCL's own walk over sysfs (NVIDIA/nccl `src/graph/xml.cc`, `ncclTopoGetXmlFromSys`): from a device
//! two folders up each time, so that a switch's downstream and upstream port become one element, until there is no
//! PCI address, where the `cpu` of the last one's NUMA node stands. An attribute that nobody knows is left out, as NCCL
//! does. Written are accelerators, network controllers, and what is above them; a virtual function is no device of
//! its own here unless its physical one is out of sight.

mod element;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;
use std::fmt::Display;

use kerf_types::inventory::{Inventory, NicKind, Rate};
use kerf_types::map::{
    Accelerator, CapabilityKey, CapabilityValue, End, HostMap, LinkKind, PciFunction, Provenance,
    Vendor,
};
use kerf_types::{PciAddress, inventory};

use super::{COMPUTE_CLASSES, NETWORK_CLASS, SWITCH_CLASS, UNSEEN_SWITCH};
use element::Element;
use tree::Tree;

/// The bits by which HIP tells what a GPU of the gfx9 family can do (`hipDeviceArch_t`, ROCm/clr
/// `hipamd/src/hip_device.cpp` sets the same ones for all of them); RCCL writes them as `arch`.
const HIP_ARCH: &str = "38911";

/// The host as NCCL's XML, with `only` these devices and all interfaces where it is given; `host` must be
/// [whole](crate::topology::whole).
pub fn write(host: &Inventory, only: Option<&BTreeSet<PciAddress>>) -> String {
    let writer = Writer {
        host,
        map: &host.map,
        is_rccl: host.gpus.is_empty() && host.map.accelerators.iter().any(is_amd_gpu),
        is_part: only.is_some(),
    };
    let is_wanted = |pci: &PciAddress| only.is_none_or(|only| only.contains(pci));
    let mut tree = Tree::new(host);
    for (dev, one) in writer.accelerators().iter().enumerate() {
        if let Some(pci) = one.pci.filter(is_wanted) {
            tree.add(pci, Some(writer.gpu(dev, one)));
        }
    }
    let mut dev = 0;
    for pci in writer.network_functions() {
        tree.add(pci, writer.nic(pci, &mut dev));
    }
    let mut root = Element::new("system");
    root.set("version", if writer.is_rccl { "2" } else { "1" });
    root.children = tree.into_cpus();
    root.text()
}

struct Writer<'a> {
    host: &'a Inventory,
    map: &'a HostMap,
    /// Whether RCCL will read it.
    is_rccl: bool,
    /// Whether it describes a part of the host, for a container. What is written wins over what NCCL finds, so there
    /// stands nothing in it that NCCL counts or asks for itself: the numbers of devices are the container's there, and
    /// rates and ways to memory those of the hour when it starts.
    is_part: bool,
}

impl<'a> Writer<'a> {
    /// Accelerators that are PCI functions and compute, by address.
    fn accelerators(&self) -> Vec<&'a Accelerator> {
        let all = self.map.accelerators.iter();
        all.filter(|one| {
            let Some(function) = one.pci.and_then(|pci| self.function(pci)) else {
                return false;
            };
            let computes = function
                .class_pair()
                .is_some_and(|class| COMPUTE_CLASSES.contains(&u32::from(class)));
            function.physical_function.is_none() && (computes || is_gpu(one))
        })
        .collect()
    }

    fn function(&self, pci: PciAddress) -> Option<&'a PciFunction> {
        self.map.function(pci)
    }

    /// Network controllers by address, those of one card as its first function, as NCCL has it.
    fn network_functions(&self) -> BTreeSet<PciAddress> {
        let functions = self.map.pci.iter().filter(|function| {
            function.base_class().map(u32::from) == Some(NETWORK_CLASS)
                && function.physical_function.is_none()
        });
        functions
            .map(|function| self.card(function.address))
            .collect()
    }

    fn card(&self, pci: PciAddress) -> PciAddress {
        let first = PciAddress { function: 0, ..pci };
        self.function(first)
            .map_or(pci, |function| function.address)
    }

    /// Adds what NCCL counts or finds out by itself, where it is known and is not left to it.
    fn tell(&self, element: &mut Element, name: &'static str, value: Option<impl Display>) {
        element.set_known(name, value.filter(|_| !self.is_part));
    }

    /// The interfaces of a card; `None` where its driver shows none.
    fn nic(&self, card: PciAddress, dev: &mut usize) -> Option<Element> {
        let of_card = |nic: &&inventory::Nic| nic.pci.is_some_and(|pci| self.card(pci) == card);
        let nics: Vec<_> = self.host.nics.iter().filter(of_card).collect();
        // An RDMA interface and the network interface of the same function are one.
        let has_rdma = nics.iter().any(|nic| nic.kind == NicKind::Rdma);
        let mut all = Element::new("nic");
        for nic in nics
            .iter()
            .filter(|nic| (nic.kind == NicKind::Rdma) == has_rdma)
        {
            let ports: Vec<(u32, Option<Rate>)> = match nic.ports.as_slice() {
                [] => vec![(1, nic.rate)],
                ports => ports.iter().map(|port| (port.number, port.rate)).collect(),
            };
            for (port, rate) in ports {
                let mut net = Element::new("net");
                net.set("name", &nic.name);
                self.tell(&mut net, "dev", Some(*dev));
                self.tell(&mut net, "speed", rate.map(|rate| rate.0));
                net.set("port", port);
                self.tell(&mut net, "gdr", Some(u32::from(has_rdma)));
                all.children.push(net);
                *dev += 1;
            }
        }
        (!all.children.is_empty()).then_some(all)
    }

    fn gpu(&self, dev: usize, one: &Accelerator) -> Element {
        let mut gpu = Element::new("gpu");
        self.tell(&mut gpu, "dev", Some(dev));
        if self.is_rccl {
            gpu.set_known("sm", count(one, CapabilityKey::ComputeUnits));
            if let Some(architecture) = &one.architecture {
                gpu.set("gcn", gcn(architecture));
                gpu.set("arch", HIP_ARCH);
            }
        } else {
            gpu.set_known("sm", self.sm(one));
        }
        self.tell(&mut gpu, "rank", Some(dev));
        let reachable = one.capabilities.get(&CapabilityKey::PeerDma);
        // What its maker says of the model does not say that this host can.
        let told = reachable.filter(|dma| dma.provenance == Provenance::Kernel);
        let told = told.and_then(|dma| match dma.value {
            CapabilityValue::Flag(can) => Some(u32::from(can)),
            _ => None,
        });
        self.tell(&mut gpu, "gdr", told);
        gpu.children = self.links(one);
        gpu
    }

    /// Compute capability without its point, as NCCL has it.
    fn sm(&self, one: &Accelerator) -> Option<u32> {
        let gpu = self.host.gpus.iter().find(|gpu| Some(gpu.pci) == one.pci)?;
        let (major, minor) = gpu.compute_capability;
        Some(major * 10 + minor).filter(|sm| *sm > 0)
    }

    fn links(&self, one: &Accelerator) -> Vec<Element> {
        let name = if self.is_rccl { "xgmi" } else { "nvlink" };
        let own = End::Accelerator(one.id.clone());
        let mut links = Vec::new();
        for link in &self.map.links {
            let other = if link.a == own {
                &link.b
            } else if link.b == own {
                &link.a
            } else {
                continue;
            };
            if !matches!(link.kind, LinkKind::NvLink | LinkKind::Xgmi) {
                continue;
            }
            let target = match other {
                End::Switch(pci) => {
                    let unseen = || UNSEEN_SWITCH.to_owned();
                    let address = pci.map_or_else(unseen, |pci| pci.to_string());
                    Some((address, Some(SWITCH_CLASS)))
                }
                End::Accelerator(id) => {
                    let target = self.target(id);
                    target.map(|(pci, class)| (pci.to_string(), class))
                }
                End::Cpu(_) => None,
            };
            if let Some((address, class)) = target {
                let mut element = Element::new(name);
                element.set("target", address);
                element.set("count", link.count);
                let class = class.map(|class| format!("0x{class:06x}"));
                element.set_known("tclass", class);
                links.push(element);
            }
        }
        links
    }

    fn target(&self, id: &str) -> Option<(PciAddress, Option<u32>)> {
        let one = self.map.accelerators.iter().find(|one| one.id == id)?;
        let function = self.function(one.pci?)?;
        Some((function.address, function.class))
    }
}

fn is_gpu(one: &Accelerator) -> bool {
    one.vendor == Some(Vendor::Nvidia) || is_amd_gpu(one)
}

/// FPGAs are AMD's as well.
fn is_amd_gpu(one: &Accelerator) -> bool {
    let target = one.architecture.as_deref();
    one.vendor == Some(Vendor::Amd) && target.is_some_and(|target| target.starts_with("gfx"))
}

fn count(one: &Accelerator, key: CapabilityKey) -> Option<u64> {
    match one.capabilities.get(&key)?.value {
        CapabilityValue::Count(count) => Some(count),
        _ => None,
    }
}

/// RCCL's word for a target. Those before gfx942 have a number besides their name (`hipDeviceProp_t::gcnArch`, which
/// ROCm 6 took away), and RCCL of their time writes it; gfx90a has 910.
fn gcn(target: &str) -> &str {
    match target {
        "gfx90a" => "910",
        "gfx900" | "gfx906" | "gfx908" | "gfx940" => target.trim_start_matches("gfx"),
        target => target,
    }
}
