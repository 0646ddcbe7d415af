//! Which of several settings of one GPU is the last.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kerf_partitioner::sharing::Tools;
use kerf_telemetry::SelfMetrics;
use kerf_tests::executable;
use kerf_types::Gpu;
use kerf_types::sharing::{Interval, Sharing, TimeSlice};

use super::{Setting, Shared, Turn};
use crate::hardware::Hardware;
use crate::host::sharing::tests::nothing_shared;
use crate::host::{bench, fixture};

/// Takes a time slice, writes it down, and reads it back.
const SMI: &str = r#"#!/bin/sh
case "$4" in
--set-timeslice) echo "$5" >> "$0.set" ;;
--list)
    while read -r number; do now=$number; done < "$0.set"
    case "$now" in 0) word=Default ;; 1) word=Short ;; 3) word=Long ;; esac
    echo "Timeslice: $word"
    ;;
esac
"#;

/// No setting of a time slice asks for a worker.
fn no_hardware(folder: &Path) -> Arc<Hardware> {
    let metrics = Arc::new(SelfMetrics::try_new().expect("metrics"));
    Arc::new(bench::hardware(folder, metrics))
}

struct Bench {
    folder: tempfile::TempDir,
    smi: PathBuf,
    gpu: Gpu,
    shared: Shared,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let smi = folder.path().join("usr/bin/nvidia-smi");
        fs::create_dir_all(smi.parent().expect("a folder")).expect("a folder");
        executable::script(&smi, SMI).expect("a script");
        fs::write(format!("{}.set", smi.display()), "1\n").expect("a file");
        Self {
            folder,
            smi,
            gpu: fixture::gpu(0),
            shared: nothing_shared(),
        }
    }

    /// Asked now to set long time slices.
    fn asked(&mut self, is_shared: bool) -> Setting {
        let turn: Turn = self.shared.turn(self.gpu.pci);
        let slices = TimeSlice {
            replicas: NonZeroU32::MIN,
            interval: Interval::Long,
        };
        Setting {
            gpu: self.gpu.pci,
            uuid: self.gpu.uuid.to_string(),
            is_whole: true,
            sharing: Sharing::TimeSlice(slices),
            is_shared,
            tools: Tools::under(self.folder.path(), "none".into()),
            hardware: no_hardware(self.folder.path()),
            turn,
        }
    }

    /// Numbers of the time slices that were set.
    fn set(&self) -> String {
        let log = format!("{}.set", self.smi.display());
        fs::read_to_string(log).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_setting_that_comes_late_does_not_overtake_one_that_was_asked_for_later() {
    let mut bench = Bench::new();
    let (older, newer) = (bench.asked(true), bench.asked(false));
    assert_eq!(newer.set().await.expect("it is set"), Some(()));
    // Its task has had its first turn only now.
    assert_eq!(older.set().await.expect("nothing is wrong"), None);
    assert_eq!(bench.set(), "1\n0\n");
}

#[tokio::test]
async fn a_setting_that_is_at_work_is_waited_for() {
    let mut bench = Bench::new();
    let older = bench.asked(true);
    let held = older.turn.gate.enter().await;
    let newer = bench.asked(false);
    let newer = tokio::spawn(newer.set());
    tokio::task::yield_now().await;
    assert_eq!(bench.set(), "1\n");
    drop(held);
    assert_eq!(newer.await.expect("it ends").expect("it is set"), Some(()));
    assert_eq!(older.set().await.expect("nothing is wrong"), None);
    assert_eq!(bench.set(), "1\n0\n");
    let last = bench.asked(true);
    assert_eq!(last.set().await.expect("it is set"), Some(()));
    assert_eq!(bench.set(), "1\n0\n3\n");
}
