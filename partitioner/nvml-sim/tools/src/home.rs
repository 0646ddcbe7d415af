//! Where this program lies, and with it the machine.

use std::path::{Path, PathBuf};

use nvidia_ml::machine;

/// From the program in the tree, `root/usr/bin/nvidia-smi`, up to the machine.
const LEVELS: usize = 5;

/// The folder of the machine that has this program.
pub fn folder() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folders = program.ancestors().skip(1).take(LEVELS);
    let is_machine = |folder: &&Path| machine::is_machine(folder);
    folders.into_iter().find(is_machine).map(Path::to_owned)
}
