//! Writes of which nobody knows at once what came of them: the record stays, and what the function shows decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_agent::host::{HostError, HostHandle};
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};
use nvidia_ml::kernel::{Errno, Kernel};
use serde_json::Value;

use super::carry_out;
use super::picture::Picture;
use super::scenes::{Ask, KEEP, create};
use crate::course::at_rest;
use crate::lane::Lane;
use crate::life::{Alive, End};

/// How long a step of vGPUs may take here: only the one that hangs comes near it.
const STEP: Duration = Duration::from_millis(1_500);

/// How long what must come about may take.
const LIMIT: Duration = Duration::from_secs(60);

const HALF: Ask = create("H200X-70C");

/// One GPU whose virtual functions are on.
struct World {
    lane: Lane,
    kernel: Kernel,
    gpu: String,
}

impl World {
    fn new() -> Self {
        let mut lane = Lane::with_kernel("h200x8", 1);
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

    fn path(&self, file: &str) -> String {
        format!("/sys/bus/pci/devices/{}/{file}", self.gpu)
    }

    fn write(&self, file: &str, value: &str) {
        let done = self.kernel.write(&self.path(file), value.as_bytes());
        done.unwrap_or_else(|errno| panic!("{file}: {errno}"));
    }

    /// So many writes of the first function's type go wrong in this way.
    fn set_fault(&self, kind: FaultKind, times: Option<u32>) {
        let fault = Fault {
            path: self.path("virtfn0/nvidia/current_vgpu_type"),
            on: Access::Write,
            kind,
            times,
        };
        self.kernel.set_fault(fault).expect("set");
    }

    fn clear_faults(&self) {
        self.kernel.clear_faults().expect("lifted");
    }

    /// The states of the records, as the store has them.
    fn states(&self) -> Vec<Value> {
        let picture = Picture::take(&self.lane);
        let records = picture.records.iter();
        records.map(|record| record["state"].clone()).collect()
    }

    fn live(&self, work: impl AsyncFnOnce(&HostHandle)) {
        let (end, _) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            work(&alive.host).await;
        });
        assert!(matches!(end, End::Done(())));
    }

    /// Looks until the records are in these states.
    async fn until(&self, host: &HostHandle, states: &[&str]) {
        let begun = Instant::now();
        while self.states() != states {
            assert!(begun.elapsed() < LIMIT, "{:?}", self.states());
            host.refresh().await;
        }
    }
}

#[test]
fn a_write_that_is_late_ends_no_record() {
    let world = World::new();
    world.live(async |host| {
        for (ask, before, after) in [(HALF, "making", vec!["made"]), (KEEP, "unmaking", vec![])] {
            world.set_fault(FaultKind::Hang, Some(1));
            let error = carry_out(host, ask).await.expect_err("it hangs");
            assert!(error.to_string().contains("hardware call"), "{error}");
            for _ in 0..4 {
                host.refresh().await;
                assert_eq!(world.states(), [before]);
            }
            world.clear_faults();
            world.until(host, &after).await;
        }
    });
    assert!(Picture::take(&world.lane).vgpus.is_empty());
}

#[test]
fn a_write_that_is_done_and_said_to_have_failed_ends_no_record() {
    let world = World::new();
    world.live(async |host| {
        // The write does its work and says EIO, and taking it back is refused.
        world.set_fault(FaultKind::FailDone(Errno::EIO), Some(1));
        world.set_fault(FaultKind::Fail(Errno::EIO), None);
        let error = carry_out(host, HALF).await.expect_err("it failed");
        assert!(matches!(error, HostError::Hardware(_)), "{error:?}");
        assert_eq!(Picture::take(&world.lane).vgpus.len(), 1);
        world.until(host, &["made"]).await;
        world.clear_faults();
        carry_out(host, KEEP).await.expect("it is ours");
        assert_eq!(world.states(), [""; 0]);
        // Where it could be taken back there is neither.
        world.set_fault(FaultKind::FailDone(Errno::EIO), Some(1));
        carry_out(host, HALF).await.expect_err("it failed");
        assert_eq!(world.states(), [""; 0]);
    });
    assert!(Picture::take(&world.lane).vgpus.is_empty());
}
