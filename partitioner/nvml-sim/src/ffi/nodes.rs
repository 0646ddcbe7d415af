//! The device nodes that an initialised library holds open, as a driver's does: `/proc/<pid>/fd` tells who is a client,
//! and whoever wants to unload a driver or reset a GPU looks there.
//!
//! Owns the descriptors. They are handles to the nodes alone (`O_PATH`): a simulated node opens nothing.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::model::machine::Machine;

/// Open nodes, until they are dropped.
pub struct Nodes {
    _open: Vec<File>,
}

impl Nodes {
    /// Opens the control node and that of each GPU of the machine in `folder`. One that is not there, as after a GPU
    /// has dropped out, is left out.
    pub fn open(folder: &Path, machine: &Machine) -> Self {
        let dev = folder.join("root/dev");
        let gpus = machine.gpus.iter();
        let names = gpus.map(|gpu| format!("nvidia{}", gpu.minor));
        let names = std::iter::once("nvidiactl".to_owned()).chain(names);
        let open = |name: String| {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(libc::O_PATH);
            options.open(dev.join(name)).ok()
        };
        Self {
            _open: names.filter_map(open).collect(),
        }
    }
}
