//! The device nodes, environment and mounts that a lease stands for.

mod drm;
pub(super) mod rdma;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use kerf_runtime::frame::{DeviceNode, Grant, MemoryPolicy};
use kerf_types::lease::{Lease, Subject};
use kerf_types::{Gpu, GpuInstance, PciAddress};
use nix::sys::stat::{major, minor};

use super::view::with_only;
use super::{Host, HostError, locality};
use crate::cdi::{self, CdiDevice};
use crate::errors::chain;

/// Nodes that every container with a GPU needs.
const COMMON: [&str; 2] = ["/dev/nvidiactl", "/dev/nvidia-uvm"];

/// A node for profilers and debuggers. nvidia-modprobe makes it together with nvidia-uvm, but a host that
/// made its nodes by hand may lack it, and CUDA runs without.
const OPTIONAL: &str = "/dev/nvidia-uvm-tools";

/// What is not well where a node has no name there.
const LINKS: &str = "links in /dev/char";

impl Host {
    /// Everything that the container of a lease gets.
    pub(super) async fn grant_of(&mut self, lease: &Lease) -> Result<Grant, HostError> {
        let device = self.lease_device(lease).await?;
        Ok(self.grant_with(lease, device))
    }

    /// The same from what was found out about its devices.
    pub(super) fn grant_with(&self, lease: &Lease, device: CdiDevice) -> Grant {
        let (cpuset_cpus, cpuset_mems) = locality::cpuset(&self.inventory, lease, &self.allowed);
        Grant {
            lease_id: lease.id.to_string(),
            fence: lease.fence.0,
            devices: device.nodes,
            cpuset_cpus,
            memory_policy: cpuset_mems.clone().map(|nodes| MemoryPolicy {
                // Older than any kernel that has a runtime which knows policies; the cpuset says the same.
                mode: "MPOL_BIND".to_owned(),
                nodes,
            }),
            cpuset_mems,
            env: device.env,
            mounts: self
                .driver_files_of(lease)
                .iter()
                .cloned()
                .chain(device.mounts)
                .collect(),
            additional_gids: device.gids,
            memlock_unlimited: device.memlock,
            ..Grant::default()
        }
    }

    /// The nodes, mounts and environment of a lease, each node once.
    pub(super) async fn lease_device(&mut self, lease: &Lease) -> Result<CdiDevice, HostError> {
        let mut nodes = BTreeMap::new();
        let mut names = Vec::new();
        let mut extra = CdiDevice::default();
        for subject in &lease.subjects {
            self.add_share(subject, &mut extra)?;
            let device = match subject {
                Subject::Slice { slice, uuid, .. } => {
                    names.push(uuid.to_string());
                    let gpu = self.gpu(slice.gpu)?.clone();
                    let instance = gpu
                        .instances
                        .iter()
                        .filter(|instance| instance.placement == slice.placement)
                        .find_map(|instance| {
                            let mut compute = instance.compute.iter();
                            let own = compute.find(|compute| compute.uuid == *uuid)?;
                            Some(with_only(instance, own))
                        })
                        .filter(|_| gpu.health.is_ok())
                        .ok_or_else(|| gone(format!("slice {slice} ({uuid})")))?;
                    self.slice_device(&gpu, &instance).await?
                }
                Subject::Gpu { gpu, uuid, .. } => {
                    names.push(uuid.to_string());
                    let live = self.gpu(*gpu)?;
                    if live.uuid != *uuid || live.mig_mode.is_on() || !live.health.is_ok() {
                        return Err(gone(format!("GPU {gpu} ({uuid})")));
                    }
                    match subject.share() {
                        Some(_) => self.gpu_device(*gpu)?,
                        None => self.whole_device(*gpu)?,
                    }
                }
            };
            extra.gids.extend(device.gids);
            nodes.extend(
                device
                    .nodes
                    .into_iter()
                    .map(|node| (node.path.clone(), node)),
            );
        }
        if let Some(channel) = lease.imex {
            let node = self.channel_node(channel).await?;
            nodes.insert(node.path.clone(), node);
        }
        if !names.is_empty() {
            let visible = format!("NVIDIA_VISIBLE_DEVICES={}", names.join(","));
            extra.env.insert(0, visible);
        }
        self.add_devices(lease, &mut nodes, &mut extra)?;
        extra.env.extend(locality::variables(lease));
        // By which a container that has the lease by its CDI name alone is found.
        extra.env.push(format!("KERF_LEASE={}", lease.id));
        extra.gids.sort_unstable();
        extra.gids.dedup();
        Ok(CdiDevice {
            nodes: nodes.into_values().collect(),
            ..extra
        })
    }

    /// The device of one slice: its GPU, and the capabilities of its GI and CI; nothing of its siblings.
    pub(super) async fn slice_device(
        &mut self,
        gpu: &Gpu,
        instance: &GpuInstance,
    ) -> Result<CdiDevice, HostError> {
        let mut device = self.gpu_device(gpu.pci)?;
        let compute = instance
            .compute
            .iter()
            .map(|compute| compute.capability_minor);
        let minors: Option<Vec<u32>> = [instance.capability_minor]
            .into_iter()
            .chain(compute)
            .map(|minor| minor.map(|minor| minor.0))
            .collect();
        let minors = minors.ok_or_else(|| HostError::Node {
            path: "/proc/driver/nvidia-caps/mig-minors".to_owned(),
            why: format!("it names no capability for GPU instance {}", instance.id),
        })?;
        device.nodes.extend(self.capability_nodes(&minors).await?);
        if let Some(compute) = instance.compute.first() {
            device.env = vec![format!("NVIDIA_VISIBLE_DEVICES={}", compute.uuid)];
        }
        Ok(device)
    }

    /// Nodes of capabilities. The worker is asked only for those that are not known or no longer there.
    async fn capability_nodes(&mut self, minors: &[u32]) -> Result<Vec<DeviceNode>, HostError> {
        let known = minors.iter().map(|minor| self.capability_node(*minor));
        let known: Vec<Result<DeviceNode, HostError>> = known.collect();
        let missing = minors.iter().zip(&known).filter(|(_, node)| node.is_err());
        let missing: Vec<u32> = missing.map(|(minor, _)| *minor).collect();
        if missing.is_empty() {
            return known.into_iter().collect();
        }
        for node in self.hardware.ensure_nodes(missing).await? {
            let numbers = (node.major, node.minor);
            self.capabilities
                .insert(node.minor, (PathBuf::from(node.path), numbers));
        }
        let nodes = minors.iter().map(|minor| self.capability_node(*minor));
        nodes.collect()
    }

    /// The node of a capability that was seen before.
    fn capability_node(&self, minor: u32) -> Result<DeviceNode, HostError> {
        let unknown = || HostError::Node {
            path: format!("/dev/nvidia-caps/nvidia-cap{minor}"),
            why: "the driver does not have it".to_owned(),
        };
        let (path, numbers) = self.capabilities.get(&minor).ok_or_else(unknown)?;
        self.node(path, Some(*numbers))
    }

    /// A GPU that belongs to one container: as such it has its nodes of the DRM subsystem as well.
    fn whole_device(&self, pci: PciAddress) -> Result<CdiDevice, HostError> {
        let mut device = self.gpu_device(pci)?;
        for path in drm::nodes(&self.config.paths.sysroot, pci) {
            self.open_node(&mut device, &path)?;
        }
        Ok(device)
    }

    /// Adds a node, and the group that may open it where not everybody may.
    pub(super) fn open_node(&self, device: &mut CdiDevice, path: &Path) -> Result<(), HostError> {
        let node = self.node(path, None)?;
        let is_for_all = node.file_mode & 0o006 == 0o006;
        if node.gid != 0 && !is_for_all && !device.gids.contains(&node.gid) {
            device.gids.push(node.gid);
        }
        device.nodes.push(node);
        Ok(())
    }

    /// What opens a GPU: its own node, and those that all GPUs share.
    pub(super) fn gpu_device(&self, pci: PciAddress) -> Result<CdiDevice, HostError> {
        let gpu = self.gpu(pci)?;
        let own = PathBuf::from(format!("/dev/nvidia{}", gpu.minor));
        let paths = COMMON.iter().map(PathBuf::from).chain([own]);
        let nodes: Result<Vec<DeviceNode>, HostError> =
            paths.map(|path| self.node(&path, None)).collect();
        let mut nodes = nodes?;
        if under(&self.config.paths.sysroot, Path::new(OPTIONAL)).exists() {
            nodes.push(self.node(Path::new(OPTIONAL), None)?);
        }
        let env = vec![format!("NVIDIA_VISIBLE_DEVICES={}", gpu.uuid)];
        Ok(CdiDevice {
            nodes,
            env,
            ..CdiDevice::default()
        })
    }

    pub(super) fn node(
        &self,
        path: &Path,
        expected: Option<(u32, u32)>,
    ) -> Result<DeviceNode, HostError> {
        let bad = |why: String| HostError::Node {
            path: path.display().to_string(),
            why,
        };
        let host_path = under(&self.config.paths.sysroot, path);
        let metadata =
            std::fs::symlink_metadata(&host_path).map_err(|error| bad(error.to_string()))?;
        if !metadata.file_type().is_char_device() {
            return Err(bad("it is not a character device".to_owned()));
        }
        let number = |value: u64| u32::try_from(value).map_err(|error| bad(error.to_string()));
        let found = (
            number(major(metadata.rdev()))?,
            number(minor(metadata.rdev()))?,
        );
        if expected.is_some_and(|expected| expected != found) {
            return Err(bad(format!(
                "it is {found:?}, the driver says {expected:?}"
            )));
        }
        Ok(DeviceNode {
            path: path.to_owned(),
            host_path,
            major: found.0,
            minor: found.1,
            file_mode: metadata.permissions().mode() & 0o777,
            uid: metadata.uid(),
            gid: metadata.gid(),
        })
    }

    /// The CDI devices that stand now: every slice that can be claimed, and every GPU that is not cut. A share has no
    /// name that stands: it comes by an ask or by a lease.
    pub(super) async fn standing_devices(&mut self) -> super::publish::Standing {
        let mut standing = super::publish::Standing::default();
        for slice in self.slices() {
            let Ok(gpu) = self.gpu(slice.id.gpu).cloned() else {
                continue;
            };
            let Some((_, uuid)) = slice.device() else {
                continue;
            };
            if !gpu.health.is_ok() || self.shared.of(gpu.pci).is_some() {
                continue;
            }
            match self.slice_device(&gpu, &slice.instance).await {
                Ok(device) => {
                    standing.slices.insert(slice.id.to_string(), device.clone());
                    standing.slices.insert(uuid.to_string(), device);
                }
                Err(error) => self.node_trouble(&error),
            }
        }
        let mut all = CdiDevice::default();
        for gpu in self.inventory.gpus.clone() {
            if gpu.mig_mode.is_on() || !gpu.health.is_ok() || self.shared.of(gpu.pci).is_some() {
                continue;
            }
            match self.whole_device(gpu.pci) {
                Ok(device) => {
                    join(&mut all, &device);
                    standing.gpus.insert(gpu.pci.to_string(), device.clone());
                    standing.gpus.insert(gpu.uuid.to_string(), device);
                }
                Err(error) => self.node_trouble(&error),
            }
        }
        if !all.nodes.is_empty() {
            standing.gpus.insert(cdi::ALL.to_owned(), all);
        }
        standing.devices = self.standing_makers();
        standing.common = self.driver_files.clone();
        standing
    }

    /// Has the names in `/dev/char` made for nodes that are new: a systemd that reads its units anew would take them
    /// away from containers otherwise. A host without that folder has nobody who looks there.
    pub(super) async fn link_nodes(&mut self, standing: &super::publish::Standing) {
        let devices = standing.slices.values().chain(standing.gpus.values());
        let nodes = devices.flat_map(|device| &device.nodes);
        let paths: BTreeSet<PathBuf> = nodes.map(|node| node.path.clone()).collect();
        let folder = under(&self.config.paths.sysroot, Path::new("/dev/char"));
        if paths.is_subset(&self.linked) || !folder.is_dir() {
            return;
        }
        match self.hardware.ensure_nodes(Vec::new()).await {
            Ok(_) => {
                self.linked = paths;
                self.recovered(LINKS);
            }
            Err(error) => {
                let hint = "containers lose their devices when systemd reads its units anew; \
                            see what stands in the way there";
                self.degrade(LINKS, chain(&error), hint);
            }
        }
    }

    pub(super) fn node_trouble(&mut self, error: &HostError) {
        if let HostError::Node { path, .. } = error {
            let what = format!("device node {path}");
            self.degrade(&what, error.to_string(), error.hint());
        }
    }
}

/// Adds a GPU to those before it. Nodes that all of them have stand once, and the one variable names them all.
fn join(all: &mut CdiDevice, one: &CdiDevice) {
    for node in &one.nodes {
        if !all.nodes.iter().any(|known| known.path == node.path) {
            all.nodes.push(node.clone());
        }
    }
    all.gids.extend(&one.gids);
    all.gids.sort_unstable();
    all.gids.dedup();
    match (
        all.env.first_mut(),
        one.env.first().and_then(|entry| entry.split_once('=')),
    ) {
        (Some(names), Some((_, name))) => {
            names.push(',');
            names.push_str(name);
        }
        _ => all.env.clone_from(&one.env),
    }
}

/// What a lease is about is not there any more, or not well.
fn gone(what: String) -> HostError {
    HostError::Busy {
        what,
        state: "gone or not well".to_owned(),
        by: None,
    }
}

fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
