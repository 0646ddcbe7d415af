//! What the store says of an apply: its entry in the history, what was read back, what is kept, what is open.

use std::collections::BTreeSet;

use rusqlite::Connection;
use serde_json::Value;

use crate::judge::{Picture, documents};
use crate::lane::Lane;

/// The store's word.
pub struct Journal {
    last: Value,
    kept: Vec<Value>,
    pub open: usize,
}

impl Journal {
    /// Read while nothing is written.
    pub fn read(lane: &Lane) -> Self {
        let path = lane.config.paths.state_dir.join("state.db");
        let store = Connection::open(path).expect("the store");
        Self {
            last: documents(&store, "history").pop().unwrap_or_default(),
            kept: documents(&store, "layout"),
            open: documents(&store, "work").len(),
        }
    }

    /// The layouts that are kept: what a boot brings back.
    pub fn kept(&self) -> Vec<Value> {
        self.kept.iter().map(|row| row["layout"].clone()).collect()
    }

    /// What is not true of it, given the answer that the requester got.
    pub fn faults(&self, now: &Picture, said: Option<&str>) -> Vec<String> {
        let mut faults = self.says(said);
        let read = self.last["readback"].as_array().into_iter().flatten();
        for gpu in read {
            faults.extend(untrue(gpu, now));
        }
        faults
    }

    /// The same without what was read back.
    pub fn says(&self, said: Option<&str>) -> Vec<String> {
        let mut faults = Vec::new();
        let (outcome, why) = (&self.last["outcome"], self.last["why"].as_str());
        let is_right = match said {
            None => outcome == "done",
            Some(said) => (outcome == "failed" || outcome == "refused") && why == Some(said),
        };
        if !is_right {
            faults.push(format!("the history says {outcome} {why:?} of {said:?}"));
        }
        if said.is_none() && self.open > 0 {
            faults.push("it is done, and its intent is open".to_owned());
        }
        faults
    }
}

/// What was read back of a GPU and is not there.
fn untrue(read: &Value, now: &Picture) -> Option<String> {
    let pci = read["pci"].as_str().expect("an address");
    let gpu = now.index(pci)?;
    let mode = match now.modes[&gpu] {
        (true, true) => "on",
        (false, false) => "off",
        (_, true) => "on after a reset",
        (_, false) => "off after a reset",
    };
    let slices = read["slices"].as_array().into_iter().flatten();
    let slices: Vec<&str> = slices.filter_map(Value::as_str).collect();
    let slices = slices.iter().filter(|slice| !slice.starts_with("vGPU "));
    let told: BTreeSet<String> = slices
        .clone()
        .filter_map(|slice| slice.split(['/', ' ']).next())
        .map(str::to_owned)
        .collect();
    let own = now.instances.iter().filter(|(place, _)| place.0 == gpu);
    let there: BTreeSet<String> = own
        .clone()
        .map(|((_, start, size), _)| format!("{start}:{size}"))
        .collect();
    let devices: usize = own.map(|(_, instance)| instance.compute.len()).sum();
    let whole = slices.filter(|slice| !slice.ends_with(" without a compute instance"));
    let is_true = read["mig"] == mode && told == there && whole.count() == devices;
    (!is_true).then(|| format!("it was read back as {read}, and is {mode}, {there:?}"))
}
