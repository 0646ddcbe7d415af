//! The MIG capability files under `root/proc/driver/nvidia/capabilities`, which follow the state:
//! added before a change is committed and removed after it, so that they are never fewer than the
//! instances. Owns their form and the driver's numbering of `nvidia-cap<N>`.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{StoreError, io_error};
use crate::model::gpu::Gpu;
use crate::model::machine::Machine;

/// GPU instances to a GPU and compute instances to each in the driver's static numbering.
pub const NUMBERED_GIS: u32 = 15;
/// Compute instances to a GPU instance there.
pub const NUMBERED_CIS: u32 = 8;
/// Minors of `mig/config` and `mig/monitor` come before those of the instances.
const FIRST_MINOR: u32 = 3;

/// The minor of `nvidia-cap<N>` for a GPU instance (`ci` is `None`) or a compute instance, as in
/// the driver's `mig-minors`.
#[must_use]
pub fn capability_minor(gpu_minor: u32, gi: u32, ci: Option<u32>) -> u32 {
    let per_gi = NUMBERED_CIS + 1;
    let gi_access = FIRST_MINOR + (gpu_minor * NUMBERED_GIS + gi) * per_gi;
    gi_access + ci.map_or(0, |ci| ci + 1)
}

/// The text of a capability file.
#[must_use]
pub fn capability_text(minor: u32, mode: u32) -> String {
    format!("DeviceFileMinor: {minor}\nDeviceFileMode: {mode}\nDeviceFileModify: 1\n")
}

/// Adds what the new state has more than the old one.
pub(super) fn extend(dir: &Path, before: &Machine, after: &Machine) -> Result<(), StoreError> {
    changed(before, after).try_for_each(|gpu| extend_gpu(dir, gpu))
}

/// Removes what the new state has less.
pub(super) fn shrink(dir: &Path, before: &Machine, after: &Machine) -> Result<(), StoreError> {
    changed(before, after).try_for_each(|gpu| shrink_gpu(dir, gpu))
}

/// Brings every GPU's files in line with the state.
pub(super) fn repair(dir: &Path, machine: &Machine) -> Result<(), StoreError> {
    machine.gpus.iter().try_for_each(|gpu| {
        extend_gpu(dir, gpu)?;
        shrink_gpu(dir, gpu)
    })
}

/// GPUs whose layout differs, in their new state.
fn changed<'a>(before: &'a Machine, after: &'a Machine) -> impl Iterator<Item = &'a Gpu> {
    let pairs = before.gpus.iter().zip(&after.gpus);
    pairs
        .filter(|(before, after)| wanted(before) != wanted(after))
        .map(|(_, after)| after)
}

fn extend_gpu(dir: &Path, gpu: &Gpu) -> Result<(), StoreError> {
    let base = gpu_folder(dir, gpu);
    // The library may stand alone with the state, as in a container: then there is no tree.
    if !base.is_dir() {
        return Ok(());
    }
    for (path, minor) in wanted(gpu) {
        let folder = base.join(path);
        let path = folder.join("access");
        let text = capability_text(minor, 0o444);
        // What it says counts, not that it is there: a writer that was killed has left half of it.
        if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        fs::create_dir_all(&folder).map_err(|error| io_error("create", &folder, error))?;
        let next = folder.join("access.next");
        fs::write(&next, text).map_err(|error| io_error("write", &next, error))?;
        fs::rename(&next, &path).map_err(|error| io_error("rename", &next, error))?;
    }
    Ok(())
}

fn shrink_gpu(dir: &Path, gpu: &Gpu) -> Result<(), StoreError> {
    let base = gpu_folder(dir, gpu);
    let wanted: BTreeSet<PathBuf> = wanted(gpu)
        .into_iter()
        .map(|(path, _)| base.join(path))
        .collect();
    for gi in folders(&base)? {
        for ci in folders(&gi)? {
            remove_unless(&wanted, &ci)?;
        }
        remove_unless(&wanted, &gi)?;
    }
    Ok(())
}

fn gpu_folder(dir: &Path, gpu: &Gpu) -> PathBuf {
    dir.join(format!(
        "root/proc/driver/nvidia/capabilities/gpu{}/mig",
        gpu.minor
    ))
}

/// Folders that the state asks for, with the minor of their `access`.
fn wanted(gpu: &Gpu) -> Vec<(PathBuf, u32)> {
    let mut wanted = Vec::new();
    for gi in &gpu.instances {
        let folder = PathBuf::from(format!("gi{}", gi.id));
        for ci in &gi.compute {
            let minor = capability_minor(gpu.minor, gi.id, Some(ci.id));
            wanted.push((folder.join(format!("ci{}", ci.id)), minor));
        }
        wanted.push((folder, capability_minor(gpu.minor, gi.id, None)));
    }
    wanted
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| io_error("list", path, error))?,
    };
    let folders = entries.filter_map(Result::ok).map(|entry| entry.path());
    Ok(folders.filter(|path| path.is_dir()).collect())
}

fn remove_unless(wanted: &BTreeSet<PathBuf>, path: &Path) -> Result<(), StoreError> {
    if wanted.contains(path) {
        return Ok(());
    }
    fs::remove_dir_all(path).map_err(|error| io_error("remove", path, error))
}
