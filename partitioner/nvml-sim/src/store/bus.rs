//! The files under `root/sys` and `root/proc` of a GPU that has left the bus: set aside while it is gone, and
//! put back when it returns. Put back before that is committed and set aside after it, so that a GPU that the
//! driver lists always has them. Owns where they wait; what they say is for who made the machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{StoreError, io_error};
use crate::model::gpu::{Fault, Gpu};
use crate::model::machine::{Machine, functions};
use crate::model::spec::Role;
use crate::model::walk::iommu_group;

/// Folder beside the tree that keeps them, at the paths that they have in the tree.
const ASIDE: &str = "gone";

/// Puts back the files of GPUs that the new state has again.
pub(super) fn extend(dir: &Path, before: &Machine, after: &Machine) -> Result<(), StoreError> {
    changed(before, after)
        .filter(|gpu| !is_gone(gpu))
        .try_for_each(|gpu| put_back(dir, after, gpu))
}

/// Sets aside the files of GPUs that the new state has no more.
pub(super) fn shrink(dir: &Path, before: &Machine, after: &Machine) -> Result<(), StoreError> {
    changed(before, after)
        .filter(|gpu| is_gone(gpu))
        .try_for_each(|gpu| set_aside(dir, after, gpu))
}

/// Brings every GPU's files in line with the state.
pub(super) fn repair(dir: &Path, machine: &Machine) -> Result<(), StoreError> {
    machine.gpus.iter().try_for_each(|gpu| match is_gone(gpu) {
        true => set_aside(dir, machine, gpu),
        false => put_back(dir, machine, gpu),
    })
}

fn is_gone(gpu: &Gpu) -> bool {
    gpu.fault == Fault::Gone
}

/// GPUs that have left or returned, in their new state.
fn changed<'a>(before: &'a Machine, after: &'a Machine) -> impl Iterator<Item = &'a Gpu> {
    let pairs = before.gpus.iter().zip(&after.gpus);
    pairs
        .filter(|(before, after)| is_gone(before) != is_gone(after))
        .map(|(_, after)| after)
}

/// From the outside in: a link never leads to a device that is not there.
fn set_aside(dir: &Path, machine: &Machine, gpu: &Gpu) -> Result<(), StoreError> {
    let (tree, aside) = (dir.join("root"), dir.join(ASIDE));
    let paths = paths(machine, gpu);
    let mut outermost_first = paths.iter().rev();
    outermost_first.try_for_each(|path| carry(&tree.join(path), &aside.join(path)))
}

fn put_back(dir: &Path, machine: &Machine, gpu: &Gpu) -> Result<(), StoreError> {
    let (tree, aside) = (dir.join("root"), dir.join(ASIDE));
    let paths = paths(machine, gpu);
    let mut innermost_first = paths.iter();
    innermost_first.try_for_each(|path| carry(&aside.join(path), &tree.join(path)))
}

/// Renames, which is whole or not at all; nothing where nothing is: the library may stand alone with the
/// state, and a change that was interrupted has done a part already.
fn carry(from: &Path, to: &Path) -> Result<(), StoreError> {
    if from.symlink_metadata().is_err() {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|error| io_error("create", folder, error))?;
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("rename", from, error))
        }
        _ => Ok(()),
    }
}

/// What a kernel removes with a device and its driver's hold on it, innermost first.
fn paths(machine: &Machine, gpu: &Gpu) -> Vec<PathBuf> {
    let functions = machine.spec().map_or(&[][..], functions);
    let mut all = functions.iter();
    let Some(function) = all.find(|function| function.role == Role::Gpu(gpu.index)) else {
        return Vec::new();
    };
    let group = iommu_group(functions, function);
    let bdf = function.bdf;
    vec![
        PathBuf::from(function.sysfs_folder()),
        PathBuf::from(format!("sys/kernel/iommu_groups/{group}/devices/{bdf}")),
        PathBuf::from(format!("sys/bus/pci/devices/{bdf}")),
        PathBuf::from(format!("sys/bus/pci/drivers/nvidia/{bdf}")),
        PathBuf::from(format!("proc/driver/nvidia/gpus/{bdf}")),
    ]
}
