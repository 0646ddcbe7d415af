//! What a host has, found without a daemon.
//!
//! Every question to the driver is asked through a worker with a deadline, so that a GPU or a driver that
//! hangs becomes a line among the problems and the rest of the inventory stands.

mod known;
mod samples;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kerf_api::json;
use kerf_api::partitioner::v1 as wire;
use kerf_api::partitioner::v1::failure::Code;
use kerf_types::inventory::{Health, Inventory};
use kerf_types::{AmdGpu, Gpu, HostMap, Timestamp};

use crate::client::{Client, ClientError, WorkerCommand};
use crate::in_words;
use crate::topology::{matrix, whole};
use known::Known;
pub use samples::samples;
pub use table::{samples_table, table, topology_table};

/// Stuck workers that discovery has at most. Each may hold a lock of the driver, so more of
/// them would make a sick host sicker; the GPUs not yet asked are then listed as unresponsive.
const STUCK_LIMIT: usize = 2;

/// Why there is no inventory at all.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    /// A worker could not be started or talked to.
    #[error("start discovery")]
    Worker(#[source] ClientError),
    /// The driver library that was named is none that can be loaded.
    #[error("cannot use the driver library {}", library.display())]
    Library {
        /// Its path.
        library: PathBuf,
        /// Why.
        #[source]
        cause: Box<ClientError>,
    },
}

/// Finds what a host has; `deadline` is for each question.
pub fn discover(command: &WorkerCommand, deadline: Duration) -> Result<Inventory, DiscoverError> {
    inventory(&mut Search::new(command, deadline))
}

/// The same where somebody has named the library: without it the answer would be another than was asked for, so one that
/// cannot be loaded is an error here. One that is loaded and refuses or hangs is a problem of the inventory, as ever.
pub fn discover_with_library(
    command: &WorkerCommand,
    deadline: Duration,
) -> Result<Inventory, DiscoverError> {
    let mut search = Search::new(command, deadline);
    let found = inventory(&mut search)?;
    match (search.unloaded.take(), &command.machine.library) {
        (Some(cause), Some(library)) => Err(DiscoverError::Library {
            library: library.clone(),
            cause: Box::new(cause),
        }),
        _ => Ok(found),
    }
}

fn inventory(search: &mut Search<'_>) -> Result<Inventory, DiscoverError> {
    let deadline = search.deadline;
    let host = search
        .ask(|client| client.observe_host(deadline))
        .map_err(DiscoverError::Worker)?;
    search.problems.extend(host.problems.iter().cloned());
    let (driver, gpus) = search.driver_and_gpus();
    let amd = search.amd(&host.amd_gpus);
    let mut problems = std::mem::take(&mut search.problems);
    let numa_nodes = read(host.numa_nodes, "NUMA node", &mut problems);
    let nics = read(host.nics, "network interface", &mut problems);
    let mut map = read(host.map.into_iter().collect(), "map", &mut problems);
    let map: HostMap = map.pop().unwrap_or_default();
    let mut found = Inventory {
        host: host.host,
        driver,
        gpus,
        amd,
        numa_nodes,
        nics,
        problems,
        map: Arc::new(map),
    };
    found.map = Arc::new(whole(&found));
    Ok(found)
}

/// The topology of what was found, as a document.
pub fn topology(found: &Inventory) -> json::Topology {
    let rows = matrix(found);
    json::Topology {
        schema: Default::default(),
        devices: rows.iter().map(|row| row.device.clone()).collect(),
        rows: rows
            .into_iter()
            .map(|row| json::TopologyRow {
                device: row.device,
                pci: row.pci.map(|pci| pci.to_string()),
                links: row.links.iter().map(ToString::to_string).collect(),
                cpu_affinity: row.cpu_affinity,
                numa_node: row.numa_node,
                gpu_numa_id: row.memory_node,
            })
            .collect(),
    }
}

fn read<W, T>(values: Vec<W>, what: &str, problems: &mut Vec<String>) -> Vec<T>
where
    T: TryFrom<W>,
    T::Error: std::error::Error,
{
    let mut found = Vec::new();
    for value in values {
        match T::try_from(value) {
            Ok(value) => found.push(value),
            Err(error) => problems.push(format!("{what}: {}", in_words(&error))),
        }
    }
    found
}

/// A search under way: its present worker, and those that hang. They keep their sockets until the end.
struct Search<'a> {
    command: &'a WorkerCommand,
    deadline: Duration,
    client: Option<Client>,
    stuck: Vec<Client>,
    /// Why the library could not be loaded.
    unloaded: Option<ClientError>,
    problems: Vec<String>,
}

impl Drop for Search<'_> {
    /// Workers that hang have had until now to come back.
    fn drop(&mut self) {
        self.stuck.drain(..).for_each(Client::end);
    }
}

impl<'a> Search<'a> {
    fn new(command: &'a WorkerCommand, deadline: Duration) -> Self {
        Self {
            command,
            deadline,
            client: None,
            stuck: Vec::new(),
            unloaded: None,
            problems: Vec::new(),
        }
    }

    /// Asks the present worker, or a new one. One that misses its deadline is left behind.
    fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::spawn(self.command)?,
        };
        let answer = question(&mut client);
        match &answer {
            Err(ClientError::Deadline { .. }) => {
                self.stuck.push(client);
            }
            Ok(_) | Err(ClientError::Refused(_)) => self.client = Some(client),
            Err(_) => {}
        }
        answer
    }

    fn driver_and_gpus(&mut self) -> (Option<kerf_types::inventory::Driver>, Vec<Gpu>) {
        let deadline = self.deadline;
        match self.ask(|client| client.open(deadline)) {
            Ok(opened) => {
                let driver = opened.driver.and_then(|driver| driver.try_into().ok());
                (driver, self.gpus(opened.gpu_count))
            }
            Err(error) => {
                self.problems.push(format!("driver: {}", in_words(&error)));
                // Only a driver that hangs says nothing of its GPUs; without one there are none.
                let sick = match &error {
                    ClientError::Deadline { .. } => {
                        self.known().all(&unresponsive("open the driver"))
                    }
                    _ => Vec::new(),
                };
                self.unloaded = Some(error).filter(is_of_loading);
                (None, sick)
            }
        }
    }

    /// AMD GPUs; one that does not answer is a problem, and nothing else is known of it.
    fn amd(&mut self, addresses: &[String]) -> Vec<AmdGpu> {
        let deadline = self.deadline;
        let mut found = Vec::new();
        for address in addresses {
            let Ok(pci) = address.parse() else { continue };
            if self.stuck.len() >= STUCK_LIMIT {
                self.problems.push(format!(
                    "AMD GPU {pci}: not asked, {STUCK_LIMIT} workers hang"
                ));
                continue;
            }
            match self.ask(|client| client.observe_amd(pci, deadline)) {
                Ok(gpu) => found.push(gpu),
                Err(error) => self
                    .problems
                    .push(format!("AMD GPU {pci}: {}", in_words(&error))),
            }
        }
        found
    }

    fn gpus(&mut self, count: u32) -> Vec<Gpu> {
        let deadline = self.deadline;
        let mut gpus = Vec::new();
        let mut known = None;
        for index in 0..count {
            let health = if self.stuck.len() >= STUCK_LIMIT {
                self.problems.push(format!(
                    "GPU {index}: not asked, {STUCK_LIMIT} workers hang"
                ));
                unresponsive("observe other GPUs")
            } else {
                // A worker that was just started has not opened the driver; one that has, does nothing.
                let answer = self.ask(|client| {
                    client.open(deadline)?;
                    client.observe_gpu(index, deadline)
                });
                match answer {
                    Ok(gpu) => {
                        gpus.push(gpu);
                        continue;
                    }
                    Err(error) => {
                        self.problems
                            .push(format!("GPU {index}: {}", in_words(&error)));
                        health_after(&error)
                    }
                }
            };
            let known = known.get_or_insert_with(|| self.known());
            gpus.extend(known.gpu(index, count, health));
        }
        gpus
    }

    /// What is known without NVML, read in a thread that may be left behind: it enters the driver too.
    fn known(&self) -> Known {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let sysroot = self.command.machine.sysroot.clone();
        std::thread::spawn(move || send.send(Known::read(&sysroot)));
        receive.recv_timeout(self.deadline).unwrap_or_default()
    }
}

/// Whether it was the library, and no driver behind it that has answered.
fn is_of_loading(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(failure)
        if failure.code == i32::from(Code::NoDriver) && failure.nvml_code.is_none())
}

fn health_after(error: &ClientError) -> Health {
    match error {
        ClientError::Refused(wire::Failure { code, .. }) if *code == i32::from(Code::Lost) => {
            Health::Lost { since: now() }
        }
        ClientError::Refused(wire::Failure { code, .. })
            if *code == i32::from(Code::ResetRequired) =>
        {
            Health::ResetRequired { since: now() }
        }
        _ => unresponsive("observe"),
    }
}

fn unresponsive(operation: &str) -> Health {
    Health::Unresponsive {
        since: now(),
        operation: operation.to_owned(),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
