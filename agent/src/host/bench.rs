//! An owner for tests of this crate, in a folder of its own: with a store, a picture and events, and with
//! no hardware but what a script says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::frame::encode_frame;
use kerf_api::partitioner::v1::{Response, response::Outcome};
use kerf_telemetry::SelfMetrics;
use kerf_types::lease::{Holder, Subject};
use kerf_types::{Fence, LeaseId};

use super::{Host, HostView, Parts, fixture, now, sharing};
use crate::config::Config;
use crate::config::file::parse;
use crate::events::Events;
use crate::hardware::worker::Kind;
use crate::hardware::{Deadlines, Hardware, WorkerProgram};
use crate::process::workers::tests::offered;
use crate::store::{LeaseRow, Store};

/// Where an answer is expected; a machine under load is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// An owner that has looked at nothing yet.
pub struct Bench {
    pub host: Host,
    pub events: Events,
    folder: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"))
    }

    /// One whose workers are this shell script: fd 0 is the socket.
    pub fn with_worker(script: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("#!/bin/sh\n{}\n", script(folder.path()));
        let program = folder.path().join("worker");
        kerf_tests::executable::script(&program, &text).expect("a script");
        Self::in_folder(folder)
    }

    fn in_folder(folder: tempfile::TempDir) -> Self {
        let config = Arc::new(config(folder.path()));
        let events = Events::default();
        let metrics = Arc::new(SelfMetrics::try_new().expect("metrics"));
        let (host, _inbox) = Host::new(Parts {
            tools: sharing::tools(&config),
            hardware: Arc::new(hardware(folder.path(), Arc::clone(&metrics))),
            processes: offered(folder.path()),
            store: Store::open(folder.path(), now(), Fence(0)).expect("a new store"),
            events: events.clone(),
            config,
            metrics,
        });
        Self {
            host,
            events,
            folder,
        }
    }

    /// Its state folder, its run folder and its machine's root; CDI files are in `cdi` below it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Gives a lease on these to this holder, as if that had happened before.
    pub fn lease(&mut self, holder: Holder, subjects: Vec<Subject>) -> LeaseId {
        let lease = fixture::lease(holder, subjects);
        let id = lease.id;
        let row = LeaseRow {
            lease,
            pending: None,
            cut: Vec::new(),
            wanted: "gpu".to_owned(),
            by: None,
            until: None,
            cgroup: None,
            attachment: None,
            is_nameless: false,
        };
        self.host.leases.insert(id, row);
        id
    }

    /// What everybody sees now.
    pub fn view(&self) -> Arc<HostView> {
        self.host.handle.view()
    }

    /// What everybody was told, as `kind subject: text`.
    pub fn told(&self) -> Vec<String> {
        let events = self.events.after(0).into_iter();
        events
            .map(|event| format!("{} {}: {}", event.kind, event.subject, event.text))
            .collect()
    }
}

fn config(folder: &Path) -> Config {
    let folder = folder.display();
    let text = format!(
        "[paths]\nstate_dir = \"{folder}\"\nrun_dir = \"{folder}\"\ncdi_dir = \"{folder}/cdi\"\nsysroot = \"{folder}\"\n"
    );
    let file = parse(Path::new("kerf.toml"), &text).expect("it reads well");
    file.resolve(Path::new("/usr/bin"), "test")
        .expect("good values")
}

/// A pool whose workers never start where there is no script of that name.
pub fn hardware(folder: &Path, metrics: Arc<SelfMetrics>) -> Hardware {
    let program = WorkerProgram {
        program: folder.join("worker"),
        nvml: None,
        sysroot: folder.to_owned(),
        simulated: None,
        records: folder.join("workers"),
        socket: folder.join("none.sock"),
        kind: Kind::Hardware,
    };
    let deadlines = Deadlines {
        call: PATIENCE,
        open: PATIENCE,
        step: PATIENCE,
    };
    Hardware::new(program, deadlines, metrics)
}

/// A shell command that sends these answers to the first calls.
pub fn answers(outcomes: impl IntoIterator<Item = Outcome>) -> String {
    let frame = |(id, outcome): (u64, Outcome)| {
        let outcome = Some(outcome);
        let frame = encode_frame(&Response { id, outcome }).expect("a frame");
        let octal: String = frame.iter().map(|byte| format!("\\{byte:03o}")).collect();
        format!("printf '{octal}' >&0\n")
    };
    (1..).zip(outcomes).map(frame).collect()
}
