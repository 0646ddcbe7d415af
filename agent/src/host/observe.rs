//! Looking at the hardware. What cannot be read is kept as it was last seen, with its sickness named.

use std::path::{Path, PathBuf};

use kerf_types::inventory::{Health, Nic, NumaNode};
use kerf_types::{Gpu, PciAddress};

use super::{Host, HostError, now};
use crate::errors::chain;
use crate::hardware::HardwareError;

impl Host {
    /// Reads everything anew, GPU by GPU. The caller settles, so that names and picture follow in order.
    pub(super) async fn observe_all(&mut self) {
        self.observe_platform().await;
        match self.hardware.open().await {
            Ok(opened) => {
                self.inventory.driver = opened.driver.and_then(|driver| driver.try_into().ok());
                self.recovered("driver");
                for index in 0..opened.gpu_count {
                    self.observe_gpu(index).await;
                }
                self.find_libraries();
            }
            Err(error) => self.driver_failed(&error),
        }
    }

    async fn observe_platform(&mut self) {
        let facts = match self.hardware.observe_host().await {
            Ok(facts) => facts,
            Err(error) => {
                self.degrade("worker", chain(&error), "see the log of kerf-partitioner");
                return;
            }
        };
        self.recovered("worker");
        let nodes: Result<Vec<NumaNode>, _> = facts
            .numa_nodes
            .into_iter()
            .map(NumaNode::try_from)
            .collect();
        let nics: Result<Vec<Nic>, _> = facts.nics.into_iter().map(Nic::try_from).collect();
        self.inventory.problems = facts.problems;
        match (nodes, nics) {
            (Ok(nodes), Ok(nics)) => {
                self.inventory.numa_nodes = nodes;
                self.inventory.nics = nics;
            }
            (Err(error), _) | (_, Err(error)) => self.inventory.problems.push(error.to_string()),
        }
        self.pci_paths = facts.pci_paths.into_iter().collect();
    }

    fn driver_failed(&mut self, error: &HardwareError) {
        if error.is_no_driver() && self.config.paths.nvml.is_none() {
            // A host without NVIDIA GPUs is a healthy host.
            self.recovered("driver");
            return;
        }
        let status = self.hardware.status();
        let why = if status.driver_hangs {
            format!(
                "it does not respond: {} workers are stuck in its calls",
                status.stuck
            )
        } else {
            chain(error)
        };
        let hint = "running containers go on; kerfd recovers when the driver answers";
        self.degrade("driver", why.clone(), hint);
        let now = now();
        for gpu in self
            .inventory
            .gpus
            .iter_mut()
            .filter(|gpu| gpu.health.is_ok())
        {
            gpu.health = Health::Unresponsive {
                since: now,
                operation: why.clone(),
            };
        }
    }

    /// Reads one GPU and notes how it is.
    pub(super) async fn observe_gpu(&mut self, index: u32) {
        match self.hardware.observe(index).await {
            Ok(gpu) => self.take_gpu(gpu),
            Err(error) => self.gpu_failed(index, &error),
        }
    }

    /// Takes over what was read of a GPU.
    pub(super) fn take_gpu(&mut self, gpu: Gpu) {
        self.lives.note(&gpu);
        let name = gpu_name(gpu.index, gpu.pci);
        if gpu.health.is_ok() {
            self.recovered(&name);
        } else {
            let why = health_text(&gpu.health);
            self.degrade(
                &name,
                why,
                "its neighbours go on; drain and reset or replace it",
            );
        }
        match self
            .inventory
            .gpus
            .iter_mut()
            .find(|known| known.pci == gpu.pci)
        {
            Some(known) => *known = gpu,
            None => {
                let text = format!("{} ({}) found", gpu.name, gpu.uuid);
                self.events.add("gpu", &name, &text);
                self.inventory.gpus.push(gpu);
                self.inventory.gpus.sort_by_key(|gpu| gpu.index);
            }
        }
    }

    /// Notes that a GPU could not be read; what was known of it stays.
    pub(super) fn gpu_failed(&mut self, index: u32, error: &HardwareError) {
        let now = now();
        let Some(gpu) = self
            .inventory
            .gpus
            .iter_mut()
            .find(|gpu| gpu.index == index)
        else {
            let why = format!("GPU {index} has never been read: {}", chain(error));
            self.degrade(&format!("gpu {index}"), why, "its neighbours go on");
            return;
        };
        let name = gpu_name(gpu.index, gpu.pci);
        let since = match &gpu.health {
            Health::Unresponsive { since, .. } | Health::Lost { since } => *since,
            _ => now,
        };
        match error {
            error if error.is_lost() => gpu.health = Health::Lost { since },
            HardwareError::Unresponsive { operation, .. }
            | HardwareError::Deadline { operation, .. } => {
                gpu.health = Health::Unresponsive {
                    since,
                    operation: operation.clone(),
                };
            }
            // The whole driver is at fault, which has an entry of its own.
            HardwareError::DriverHangs { .. } => return,
            error if error.is_no_driver() => return,
            // Whatever else comes of asking it: it cannot be trusted until it answers properly.
            error => {
                gpu.health = Health::Unresponsive {
                    since,
                    operation: chain(error),
                }
            }
        }
        let why = health_text(&gpu.health);
        self.degrade(
            &name,
            why,
            "its neighbours go on; it is let in again when it answers",
        );
    }

    /// Files that the driver offers to containers: its libraries carry its version in their names.
    fn find_libraries(&mut self) {
        let Some(driver) = &self.inventory.driver else {
            return;
        };
        let ending = format!(".so.{}", driver.version);
        let mut found = Vec::new();
        for folder in [
            "usr/lib/x86_64-linux-gnu",
            "usr/lib/aarch64-linux-gnu",
            "usr/lib64",
        ] {
            let folder = self.config.paths.sysroot.join(folder);
            let Ok(entries) = std::fs::read_dir(folder) else {
                continue;
            };
            let files = entries.flatten().map(|entry| entry.path());
            found.extend(files.filter(|path| is_driver_library(path, &ending)));
        }
        found.sort();
        self.libraries = found;
    }

    /// The GPU at this address, or a clear error.
    pub(super) fn gpu(&self, pci: PciAddress) -> Result<&Gpu, HostError> {
        self.inventory
            .gpus
            .iter()
            .find(|gpu| gpu.pci == pci)
            .ok_or_else(|| HostError::NotFound {
                what: "GPU",
                name: pci.to_string(),
            })
    }
}

fn is_driver_library(path: &Path, ending: &str) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("lib") && name.ends_with(ending))
}

/// How a GPU is called in `kerf status`.
pub fn gpu_name(index: u32, pci: PciAddress) -> String {
    format!("gpu {index} ({pci})")
}

fn health_text(health: &Health) -> String {
    match health {
        Health::Ok => "well".to_owned(),
        Health::Lost { since } => format!("the driver has lost it since {since}"),
        Health::Unresponsive { since, operation } => {
            format!("it does not respond since {since} ({operation})")
        }
        Health::Xid { since, code } => format!("it reported XID {code} at {since}"),
    }
}

/// The name under which programs look for a driver library: `libcuda.so.1` for `libcuda.so.590.48.01`.
pub(super) fn soname(library: &Path) -> Option<PathBuf> {
    let name = library.file_name()?.to_str()?;
    let (stem, _) = name.split_once(".so.")?;
    Some(PathBuf::from(format!("{stem}.so.1")))
}
