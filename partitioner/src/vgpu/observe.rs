//! What one GPU has of vGPUs now.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::vgpu::VgpuFramework;
use kerf_types::{
    GiId, PciAddress, Sriov, Vgpu, VgpuFunction, VgpuGpu, VgpuType, VgpuTypeId, VgpuUuid,
};

use super::handles::{self, Holders};
use super::{VgpuError, table};
use crate::in_words;
use crate::systree::{SysTree, TreeError, fact};

/// Characters of a text without sense that are told; a message to kerfd has a limit.
const SHOWN: usize = 80;

/// Names by type, and on how many functions it can be made.
type Types = BTreeMap<VgpuTypeId, (String, u32)>;

/// The folder of a PCI function.
pub(super) fn folder(pci: PciAddress) -> String {
    format!("/sys/bus/pci/devices/{pci}")
}

/// The folder of a function's vGPU files in the vendor-specific framework.
pub(super) fn vfio(function: PciAddress) -> String {
    format!("{}/nvidia", folder(function))
}

/// The folder of a type of mediated devices.
pub(super) fn mdev_type(function: PciAddress, id: VgpuTypeId) -> String {
    format!("/sys/class/mdev_bus/{function}/mdev_supported_types/nvidia-{id}")
}

/// The folder of a mediated device.
pub(super) fn mdev(uuid: VgpuUuid) -> String {
    format!("/sys/bus/mdev/devices/{uuid}")
}

/// The GPU at this address. What a file does not tell is unknown, never nothing; so a function that is listed and
/// cannot be found fails the whole look, since nobody can name it.
pub fn observe(tree: &dyn SysTree, gpu: PciAddress) -> Result<VgpuGpu, VgpuError> {
    let home = folder(gpu);
    let names = tree.list(&home).map_err(|cause| match cause.is_absent() {
        true => VgpuError::NotFound { gpu },
        false => VgpuError::Unreadable { pci: gpu, cause },
    })?;
    let sriov = sriov(tree, gpu)?;
    let mut look = Look {
        tree,
        framework: None,
        holders: None,
        types: Types::new(),
        problems: Vec::new(),
    };
    let mut functions = look.functions(gpu, &home, &names)?;
    functions.sort_by_key(|function| function.pci);
    let types = look.types.into_iter();
    let types = types.map(|(id, (name, available))| VgpuType {
        id,
        name,
        available,
    });
    Ok(VgpuGpu {
        pci: gpu,
        framework: look.framework,
        sriov,
        types: types.collect(),
        functions,
        problems: look.problems,
    })
}

/// How many virtual functions the GPU has; `None` where it can have none. A GPU that can have some and does not say
/// how many it has fails the look: taken for none, they would be turned on over those that are there.
fn sriov(tree: &dyn SysTree, gpu: PciAddress) -> Result<Option<Sriov>, VgpuError> {
    let number = |name: &str| {
        let path = format!("{}/{name}", folder(gpu));
        let bytes = tree.read(&path)?;
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok((text.parse::<u32>().map_err(|_| text), path))
    };
    let known = |(number, path): (Result<u32, String>, String)| {
        number.map_err(|text| VgpuError::Garbled {
            path,
            text: text.chars().take(SHOWN).collect(),
        })
    };
    let unreadable = |cause| VgpuError::Unreadable { pci: gpu, cause };
    let most = match number("sriov_totalvfs") {
        Err(error) if TreeError::is_absent(&error) => return Ok(None),
        most => known(most.map_err(unreadable)?)?,
    };
    if most == 0 {
        return Ok(None);
    }
    let functions = known(number("sriov_numvfs").map_err(unreadable)?)?;
    Ok(Some(Sriov { functions, most }))
}

/// One look at a GPU, with what it gathers on the way.
struct Look<'a> {
    tree: &'a dyn SysTree,
    framework: Option<VgpuFramework>,
    /// Looked up with the first vGPU that may have a user: it reads all of `/proc`.
    holders: Option<Holders>,
    types: Types,
    problems: Vec<String>,
}

impl Look<'_> {
    /// The GPU itself where its driver makes vGPUs on it, and its virtual functions.
    fn functions(
        &mut self,
        gpu: PciAddress,
        home: &str,
        names: &[String],
    ) -> Result<Vec<VgpuFunction>, VgpuError> {
        let mut found: Vec<VgpuFunction> = self.function(gpu).into_iter().collect();
        let mut addresses = BTreeSet::from([gpu]);
        for name in names.iter().filter(|name| is_virtual(name)) {
            let path = format!("{home}/{name}");
            let link = self.tree.link(&path);
            let link = link.map_err(|cause| VgpuError::Unreadable { pci: gpu, cause })?;
            let address = link.rsplit('/').next().and_then(|last| last.parse().ok());
            let address: PciAddress = address.ok_or(VgpuError::Unnamed { path, link })?;
            if !addresses.insert(address) {
                self.problems
                    .push(format!("{home}/{name} leads to {address}, as another does"));
                continue;
            }
            found.extend(self.function(address));
        }
        Ok(found)
    }

    /// A function, if vGPUs are made on it.
    fn function(&mut self, pci: PciAddress) -> Option<VgpuFunction> {
        let current = format!("{}/current_vgpu_type", vfio(pci));
        match self.tree.read(&current) {
            Ok(bytes) => {
                self.framework = Some(VgpuFramework::Vfio);
                let text = String::from_utf8_lossy(&bytes);
                let current_type = table::number_of(&text);
                if current_type.is_none() {
                    let text: String = text.chars().take(SHOWN).collect();
                    self.problems.push(format!("{current} reads {text:?}"));
                }
                return Some(self.vfio(pci, current_type));
            }
            Err(error) if error.is_absent() => {}
            Err(error) => {
                self.framework = Some(VgpuFramework::Vfio);
                self.problem(&error);
                return Some(self.vfio(pci, None));
            }
        }
        let types = format!("/sys/class/mdev_bus/{pci}/mdev_supported_types");
        match self.tree.list(&types) {
            Ok(names) => {
                self.framework = Some(VgpuFramework::Mdev);
                Some(self.mdev(pci, &names))
            }
            Err(error) if error.is_absent() => None,
            Err(error) => {
                self.framework = Some(VgpuFramework::Mdev);
                self.problem(&error);
                Some(VgpuFunction {
                    pci,
                    creatable: None,
                    vgpus: None,
                })
            }
        }
    }

    fn vfio(&mut self, pci: PciAddress, current: Option<u32>) -> VgpuFunction {
        let own = vfio(pci);
        let path = format!("{own}/creatable_vgpu_types");
        let creatable = match self.tree.read(&path) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                table::is_table(&text).then(|| table::types(&text))
            }
            Err(error) => {
                self.problem(&error);
                None
            }
        };
        for (id, name) in creatable.iter().flatten() {
            self.count(*id, name, 1);
        }
        let number = |name: &str| table::valid(&fact(self.tree, &format!("{own}/{name}"))?);
        let (gpu_instance, placement) = (number("gpu_instance_id"), number("placement_id"));
        let vgpus = current.map(|current| match current {
            0 => Vec::new(),
            type_id => vec![Vgpu {
                uuid: None,
                type_id: VgpuTypeId(type_id),
                gpu_instance: gpu_instance.map(GiId),
                placement,
                user: self.user(pci),
            }],
        });
        VgpuFunction {
            pci,
            creatable: creatable.map(|types| types.into_iter().map(|(id, _)| id).collect()),
            vgpus,
        }
    }

    fn user(&mut self, pci: PciAddress) -> Option<String> {
        let tree = self.tree;
        let holders = self.holders.get_or_insert_with(|| handles::holders(tree));
        let pid = handles::holder(tree, holders, pci)?;
        Some(format!("process {pid}"))
    }

    fn mdev(&mut self, pci: PciAddress, names: &[String]) -> VgpuFunction {
        let (mut creatable, mut vgpus) = (Some(Vec::new()), Some(Vec::new()));
        let mut uuids = BTreeSet::new();
        for id in names.iter().filter_map(|name| type_of(name)) {
            let kind = mdev_type(pci, id);
            let text = |name: &str| fact(self.tree, &format!("{kind}/{name}"));
            let available: Option<u32> =
                text("available_instances").and_then(|text| text.parse().ok());
            let title = text("name").and_then(|text| table::name(&text));
            let title = title.unwrap_or_else(|| format!("nvidia-{id}"));
            self.count(id, &title, available.unwrap_or(0));
            match available {
                None => creatable = None,
                Some(0) => {}
                Some(_) => creatable.iter_mut().for_each(|all| all.push(id)),
            }
            match self.tree.list(&format!("{kind}/devices")) {
                Ok(devices) => {
                    for name in devices {
                        let Ok(uuid) = name.parse() else {
                            self.problems.push(format!("{kind}/devices has {name:?}"));
                            continue;
                        };
                        // A device is of one type; where the kernel lists it twice, the first counts.
                        if !uuids.insert(uuid) {
                            self.problems
                                .push(format!("{kind}/devices has {uuid} once more"));
                            continue;
                        }
                        let vgpu = self.mediated(uuid, id);
                        vgpus.iter_mut().for_each(|all| all.push(vgpu.clone()));
                    }
                }
                Err(error) => {
                    self.problem(&error);
                    vgpus = None;
                }
            }
        }
        VgpuFunction {
            pci,
            creatable,
            vgpus,
        }
    }

    fn mediated(&self, uuid: VgpuUuid, type_id: VgpuTypeId) -> Vgpu {
        let name = fact(self.tree, &format!("{}/nvidia/vm_name", mdev(uuid)));
        Vgpu {
            uuid: Some(uuid),
            type_id,
            gpu_instance: None,
            placement: None,
            user: name.and_then(|name| table::name(&name)),
        }
    }

    fn count(&mut self, id: VgpuTypeId, name: &str, more: u32) {
        let entry = self.types.entry(id);
        let (_, available) = entry.or_insert_with(|| (name.to_owned(), 0));
        *available = available.saturating_add(more);
    }

    fn problem(&mut self, error: &TreeError) {
        self.problems.push(in_words(error));
    }
}

fn is_virtual(name: &str) -> bool {
    let number = name.strip_prefix("virtfn");
    number.is_some_and(|number| table::number_of(number).is_some())
}

fn type_of(name: &str) -> Option<VgpuTypeId> {
    name.strip_prefix("nvidia-")
        .and_then(table::number_of)
        .map(VgpuTypeId)
}
