//! One GPU with two virtual functions, and a kernel in which something may go wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_agent::host::HostHandle;
use nvidia_ml::kernel::Kernel;
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};
use rusqlite::Connection;
use serde_json::Value;

use super::picture::Picture;
use crate::course::at_rest;
use crate::judge::documents;
use crate::lane::Lane;
use crate::life::{Alive, End};

/// How long a step of vGPUs may take here: only the one that hangs comes near it.
const STEP: Duration = Duration::from_millis(1_500);

/// How long what must come about may take.
const LIMIT: Duration = Duration::from_secs(60);

/// One GPU whose virtual functions are on.
pub struct World {
    pub lane: Lane,
    kernel: Kernel,
    pub gpu: String,
}

impl World {
    pub fn new(machine: &str) -> Self {
        let mut lane = Lane::with_kernel(machine, 1);
        let mut config = (*lane.config).clone();
        config.driver.step_deadline = STEP;
        lane.config = Arc::new(config);
        let kernel = Kernel::open(&lane.info.dir).expect("the kernel");
        let shown = nvidia_ml::control::show(&lane.info.dir).expect("the machine");
        let gpu = shown.gpus[0].pci.to_lowercase();
        let world = Self { lane, kernel, gpu };
        world.write("sriov_numvfs", "2");
        world
    }

    pub fn path(&self, file: &str) -> String {
        format!("/sys/bus/pci/devices/{}/{file}", self.gpu)
    }

    pub fn write(&self, file: &str, value: &str) {
        // The fuse of a life before would stop others too.
        self.lane.fuse.reset().expect("the fuse");
        let done = self.kernel.write(&self.path(file), value.as_bytes());
        done.unwrap_or_else(|errno| panic!("{file}: {errno}"));
    }

    /// So many writes of the first function's type go wrong in this way.
    pub fn set_fault(&self, kind: FaultKind, times: Option<u32>) {
        self.set_fault_on("virtfn0/nvidia/current_vgpu_type", kind, times);
    }

    /// The same of another file.
    pub fn set_fault_on(&self, file: &str, kind: FaultKind, times: Option<u32>) {
        let fault = Fault {
            path: self.path(file),
            on: Access::Write,
            kind,
            times,
        };
        self.kernel.set_fault(fault).expect("set");
    }

    /// Whether a write is still to take hold.
    pub fn waits(&self) -> bool {
        let state = self.kernel.state().expect("its state");
        state.vgpu.expect("vGPUs").waits()
    }

    pub fn clear_faults(&self) {
        self.kernel.clear_faults().expect("lifted");
    }

    /// The states of the records, as the store has them.
    pub fn states(&self) -> Vec<Value> {
        let picture = Picture::take(&self.lane);
        let records = picture.records.iter();
        records.map(|record| record["state"].clone()).collect()
    }

    /// Lives once, and gives what the work gave.
    pub fn live<T>(&self, work: impl AsyncFnOnce(&HostHandle) -> T) -> T {
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            work(&alive.host).await
        });
        let End::Done(done) = end else {
            panic!("nothing kills it");
        };
        done
    }

    /// Looks until the records are in these states.
    pub async fn until(&self, host: &HostHandle, states: &[&str]) {
        let begun = Instant::now();
        while self.states() != states {
            assert!(begun.elapsed() < LIMIT, "{:?}", self.states());
            host.refresh().await;
        }
    }

    /// The store, while nobody else has it.
    pub fn store(&self) -> Connection {
        let path = self.lane.config.paths.state_dir.join("state.db");
        Connection::open(path).expect("the store")
    }

    /// The history, the oldest first.
    pub fn history(&self) -> Vec<Value> {
        documents(&self.store(), "history")
    }
}
