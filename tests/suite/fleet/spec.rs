//! Descriptions of jobs that flags cannot give: where they may run.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use kerf_tests::process;
use kerf_tests::world::{Fleet, IMAGE};
use serde_json::{Value, json};

use super::world::kerf_of_user;

/// Tells the files of one process apart.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A job that runs a shell script; `/out` is a folder that all hosts share.
#[derive(Debug, Clone)]
pub struct Spec(Value);

impl Spec {
    /// Without accelerators, on any host.
    pub fn new(script: &str) -> Self {
        Self(json!({
            "schema": "kerf.v1.JobSpec",
            "image": IMAGE,
            "args": ["sh", "-c", script],
            "checkpoint_grace_seconds": 1,
            "volumes": [{ "name": "out", "path": "/out", "writable": true }],
        }))
    }

    /// One more field of the document.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    /// With an ask for accelerators.
    pub fn asks(self, ask: &str) -> Self {
        self.with("accelerator", ask)
    }

    /// Only on these hosts, by their number.
    pub fn on(self, numbers: &[usize]) -> Self {
        let values: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let selector = json!([{ "key": "number", "values": values }]);
        self.with("affinity", json!({ "hosts": selector }))
    }

    /// The `kerf` that submits it on a host.
    pub fn client(&self, fleet: &Fleet, number: usize) -> Command {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = fleet.folder().join(format!("spec-{count}.json"));
        std::fs::write(&path, self.0.to_string()).expect("the folder is ours");
        let mut kerf = kerf_of_user(fleet, number);
        kerf.args(["submit", "-f"]).arg(path);
        kerf
    }

    /// Submits it on a host; its id.
    pub fn submit(&self, fleet: &Fleet, number: usize) -> String {
        let said = process::run(&mut self.client(fleet, number));
        said.expect("it is submitted").trim().to_owned()
    }
}

/// The part of a script that waits for [`super::world::open`].
pub fn gate(name: &str) -> String {
    format!("while ! [ -e /out/{name} ]; do sleep 0.05; done")
}
