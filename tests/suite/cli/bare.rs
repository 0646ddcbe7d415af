//! A simulated machine that no kerfd runs on, for the verbs that need none.

use std::path::PathBuf;
use std::process::Command;

use kerf_tests::{Scratch, bins};
use nvidia_ml::MachineInfo;

use crate::host::said::Said;

/// A machine without a kerfd.
pub struct Bare {
    /// Where it lies.
    pub info: MachineInfo,
    _scratch: Scratch,
}

impl Bare {
    /// Makes it.
    pub fn new(machine: &str) -> Self {
        let scratch = Scratch::new("km").expect("/tmp takes folders");
        let library = nvidia_ml::find_library().expect("cargo has built the simulator");
        let options = nvidia_ml::CreateOptions { seed: Some(1) };
        let info = nvidia_ml::create(machine, &scratch.join("m"), &library, &options);
        Self {
            info: info.expect("a machine"),
            _scratch: scratch,
        }
    }

    /// Runs kerf with these words on it.
    pub fn run(&self, words: &[&str]) -> Said {
        let mut command = Command::new(bins::kerf().expect("kerf is built"));
        let nvml = match self.info.library.exists() {
            true => self.info.library.clone(),
            false => PathBuf::from("none"),
        };
        command.args(words).arg("--sysroot").arg(&self.info.sysroot);
        command.arg("--nvml").arg(nvml);
        Said::by(command)
    }
}
