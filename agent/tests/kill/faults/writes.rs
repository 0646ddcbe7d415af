//! Layouts of AMD GPUs while their kernel driver refuses a write, says that it failed and does it, or takes it and does
//! nothing: once, and for ever.

use kerf_agent::errors::chain;
use nvidia_ml::kernel::state::{Access, Fault as KernelFault, FaultKind};
use nvidia_ml::kernel::{Errno, Kernel};

use super::journal::Journal;
use crate::amd::modes;
use crate::course::at_rest;
use crate::drill::POINTS_ENV;
use crate::image::Image;
use crate::judge::assert_no_faults;
use crate::lane::Lane;
use crate::life::{Alive, End, ailments};
use crate::script::{Op, Runtime, carry_out};

const OLD: &str = r#"{"rules":[{"gpus":["all"],"amd":{"compute":"spx"}}]}"#;
const NEW: &str = r#"{"rules":[{"gpus":[0,1,2],"amd":{"compute":"cpx"}}]}"#;

/// GPUs that the new layout changes.
const CHANGED: usize = 3;

/// Writes that a disturbed apply may take, for each of an undisturbed one: forward, again, and back.
const WRITES_LIMIT: usize = 3;

/// What goes wrong with a write.
const KINDS: [FaultKind; 8] = [
    FaultKind::Fail(Errno::EBUSY),
    FaultKind::Fail(Errno::EINVAL),
    FaultKind::Fail(Errno::EIO),
    FaultKind::Fail(Errno::EPERM),
    FaultKind::FailDone(Errno::EBUSY),
    FaultKind::FailDone(Errno::EINVAL),
    FaultKind::FailDone(Errno::EIO),
    FaultKind::Ignore,
];

struct Bench {
    lane: Lane,
    runtime: Runtime,
    base: Image,
    /// Modes before and after.
    modes: [String; 2],
    /// Addresses of the GPUs.
    gpus: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let (lane, runtime) = (Lane::with_kernel("mi300x8", 8), Runtime::start());
        let kernel = Kernel::open(&lane.info.dir).expect("the kernel");
        let state = kernel.state().expect("its state").amd.expect("AMD GPUs");
        let gpus = state.gpus.iter().map(|gpu| gpu.bdf.to_lowercase());
        let mut bench = Self {
            gpus: gpus.collect(),
            base: Image::take(&lane),
            modes: Default::default(),
            lane,
            runtime,
        };
        bench.apply(OLD, None).0.expect("nothing disturbs it");
        (bench.base, bench.modes[0]) = (Image::take(&bench.lane), modes(&bench.lane));
        bench.apply(NEW, None).0.expect("nothing disturbs it");
        bench.modes[1] = modes(&bench.lane);
        assert_ne!(bench.modes[0], bench.modes[1]);
        bench
    }

    fn path(&self, gpu: usize) -> String {
        let pci = &self.gpus[gpu];
        format!("/sys/bus/pci/devices/{pci}/current_compute_partition")
    }

    /// Applies a layout while the kernel is disturbed; the answer, how many writes there were, and what is not well
    /// once it is disturbed no more.
    fn apply(
        &self,
        layout: &str,
        disturbed: Option<KernelFault>,
    ) -> (Result<(), String>, usize, Vec<String>) {
        let kernel = Kernel::open(&self.lane.info.dir).expect("the kernel");
        let (end, passed) = self.lane.live(None, false, async |alive: Alive| {
            at_rest(&alive).await;
            if let Some(fault) = disturbed {
                kernel.set_fault(fault).expect("set");
            }
            let answer = carry_out(&alive.host, &self.runtime, &Op::apply(layout, false)).await;
            for _ in 0..3 {
                alive.host.refresh().await;
            }
            kernel.clear_faults().expect("lifted");
            let degraded = ailments(&*alive.host.refresh().await);
            (answer.map_err(|error| chain(&error)), degraded)
        });
        let End::Done((answer, degraded)) = end else {
            panic!("nothing kills it");
        };
        let writes = passed
            .calls
            .iter()
            .filter(|name| name.starts_with("write "));
        (answer, writes.count(), degraded)
    }

    /// What is wrong after a fault.
    fn faults(&self, gpu: usize, kind: FaultKind, times: Option<u32>) -> Vec<String> {
        self.base.put_back(&self.lane);
        let fault = KernelFault {
            path: self.path(gpu),
            on: Access::Write,
            kind,
            times,
        };
        let (answer, writes, mut wrong) = self.apply(NEW, Some(fault));
        let (now, [old, new]) = (modes(&self.lane), &self.modes);
        // What says that it fails and is done cannot be taken back either; that is told.
        let stands = |said: &str| times.is_none() && said.contains("stands");
        match &answer {
            Ok(()) if now != *new => wrong.push(format!("applied, and it is {now}")),
            Err(said) if now != *old && !stands(said) => {
                wrong.push(format!("it is {now} after {said}"));
            }
            Err(said) if !said.contains(&self.gpus[gpu]) => {
                wrong.push(format!("it does not name the GPU: {said}"));
            }
            Err(said) if kind != FaultKind::Ignore && !names_cause(kind, said) => {
                wrong.push(format!("it does not name the file: {said}"));
            }
            _ => {}
        }
        if writes > CHANGED * WRITES_LIMIT {
            wrong.push(format!("{writes} writes"));
        }
        let journal = Journal::read(&self.lane);
        wrong.extend(journal.says(answer.as_ref().err().map(String::as_str)));
        if let (Err(error), ..) = self.apply(NEW, None) {
            wrong.push(format!("not mended: {error}"));
        }
        if modes(&self.lane) != *new {
            wrong.push(format!("not mended: {}", modes(&self.lane)));
        }
        wrong
    }
}

/// The file, or what its EBUSY means.
fn names_cause(kind: FaultKind, said: &str) -> bool {
    let is_busy = matches!(
        kind,
        FaultKind::Fail(Errno::EBUSY) | FaultKind::FailDone(Errno::EBUSY)
    );
    said.contains("current_compute_partition") || is_busy && said.contains("is in use by a process")
}

/// The kinds of one lane, each once and for ever, on this GPU or on all that change.
fn try_kinds(kinds: &[FaultKind], gpus: std::ops::Range<usize>) -> (Vec<String>, usize) {
    let bench = Bench::new();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for gpu in gpus {
        for kind in kinds {
            for times in [Some(1), None] {
                let found = bench.faults(gpu, *kind, times).into_iter();
                wrong.extend(found.map(|what| format!("GPU {gpu}, {kind:?}, {times:?}: {what}")));
                count += 1;
            }
        }
    }
    (wrong, count)
}

#[test]
fn a_write_that_fails_leaves_the_old_modes_or_the_new() {
    let is_all = std::env::var_os(POINTS_ENV).is_some();
    // A write that is not seen to be done is waited for, so each kind has a lane of its own.
    let tried: Vec<(Vec<String>, usize)> = std::thread::scope(|scope| {
        let lanes: Vec<_> = KINDS
            .chunks(1)
            .enumerate()
            .map(|(at, kinds)| {
                let one = at % CHANGED;
                let gpus = if is_all { 0..CHANGED } else { one..one + 1 };
                scope.spawn(move || try_kinds(kinds, gpus))
            })
            .collect();
        let ends = lanes.into_iter();
        ends.map(|lane| lane.join().expect("no panic")).collect()
    });
    let count: usize = tried.iter().map(|(_, count)| count).sum();
    println!("{count} faults of writes under /sys");
    let wrong: Vec<String> = tried.into_iter().flat_map(|(wrong, _)| wrong).collect();
    assert_no_faults(&wrong);
}
