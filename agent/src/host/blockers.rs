//! What is in the way of a change of mode: named for a person who may end it, and never ended by kerf.
//!
//! A driver says IN_USE and not by whom. The usual ones are processes on the GPU, the persistence daemon, and the
//! kernel module of the display driver, which holds every GPU open.

use std::path::Path;

use kerf_planner::PlanError;
use kerf_planner::amd::AmdPlanError;
use kerf_types::{Gpu, PciAddress};

use super::{Host, HostError};
use crate::process::holders::command;

/// The persistence daemon, as `comm` has it: the kernel keeps 15 bytes of a name.
const PERSISTENCE_DAEMON: &str = "nvidia-persiste";

/// The module that must be unloaded before a reset.
const DISPLAY_MODULE: &str = "nvidia_drm";

impl Host {
    /// The same error with what is in the way of the GPU, where that can be told.
    pub(super) fn with_blockers(&self, pci: PciAddress, error: HostError) -> HostError {
        let root = &self.config.paths.sysroot;
        let amd = self.inventory.amd.iter().find(|gpu| gpu.pci == pci);
        let found = match (self.gpu(pci), amd) {
            (Ok(gpu), _) => blockers(root, gpu),
            (Err(_), Some(gpu)) => named(root, gpu.processes.iter().copied()),
            (Err(_), None) => Vec::new(),
        };
        if found.is_empty() {
            return error;
        }
        let (by, source) = (found.join(", "), Box::new(error));
        HostError::ModeBlocked {
            gpu: pci,
            by,
            source,
        }
    }

    /// The same for a refusal of the planner, which names processes by number alone.
    pub(super) fn explained(&self, error: HostError) -> HostError {
        let gpu = match &error {
            HostError::Plan(plan) => match plan.as_ref() {
                PlanError::GpuInUse { gpu, .. } => gpu.pci,
                PlanError::Amd(AmdPlanError::InUse { gpu, .. }) => {
                    return self.with_blockers(gpu.pci, error);
                }
                _ => return error,
            },
            _ => return error,
        };
        // A lease is no process: who has it is told already.
        let has_process = self
            .gpu(gpu)
            .is_ok_and(|gpu| gpu.processes.iter().any(|one| one.gi.is_none()));
        match has_process {
            true => self.with_blockers(gpu, error),
            false => error,
        }
    }
}

/// What can be seen to hold a GPU.
fn blockers(root: &Path, gpu: &Gpu) -> Vec<String> {
    let mut found = named(root, gpu.processes.iter().map(|process| process.pid));
    if let Some(pid) = persistence_daemon(root) {
        found.push(format!(
            "the persistence daemon nvidia-persistenced (process {pid})"
        ));
    }
    if is_loaded(root, DISPLAY_MODULE) {
        found.push(format!(
            "the kernel module {DISPLAY_MODULE}, which is loaded"
        ));
    }
    found
}

/// Processes with the names of their programs.
fn named(root: &Path, pids: impl Iterator<Item = u32>) -> Vec<String> {
    // A simulated machine has the processes of the real one.
    let name = |pid| command(root, pid).or_else(|| command(Path::new("/"), pid));
    let processes = pids.map(|pid| match name(pid) {
        Some(name) => format!("process {pid} ({name})"),
        None => format!("process {pid}"),
    });
    processes.collect()
}

pub(super) fn persistence_daemon(root: &Path) -> Option<u32> {
    let entries = std::fs::read_dir(root.join("proc")).ok()?;
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut pids: Vec<u32> = pids.collect();
    pids.sort_unstable();
    let is_it = |pid: &u32| command(root, *pid).as_deref() == Some(PERSISTENCE_DAEMON);
    pids.into_iter().find(is_it)
}

fn is_loaded(root: &Path, module: &str) -> bool {
    let listed = std::fs::read_to_string(root.join("proc/modules")).unwrap_or_default();
    let mut names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names.any(|name| name == module) || root.join("sys/module").join(module).exists()
}

#[cfg(test)]
mod tests;
