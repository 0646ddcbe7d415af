//! The vendor's `sriov-manage`: on a real host the driver takes virtual functions only from it, since it unbinds the
//! GPU meanwhile. Behind the seam it is the write of a number, as the kernel has it.
//!
//! The tool may refuse while a process holds the GPU's node open, and one that has NVML initialised does: kerf's own
//! worker, which has loaded the driver to look at GPUs, is such a process. Then nothing has changed and the request is
//! refused; in maintenance the driver is closed, and the tool can be run by hand. This was not tried on hardware.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;

use crate::systree::{Operation, SysTree, TreeError};

/// Where the vendor's package puts it.
const TOOL: &str = "usr/lib/nvidia/sriov-manage";
/// The file whose writes it carries out.
const FILE: &str = "/sriov_numvfs";

/// What is kept of the words of a tool that failed, in characters: the first lines tell why.
const SAID_MAX: usize = 400;

/// A tree whose virtual functions are turned on and off by the tool, where there is one.
pub struct WithTool<'a> {
    tree: &'a dyn SysTree,
    tool: Option<PathBuf>,
}

impl<'a> WithTool<'a> {
    /// The tool beneath this root; without one, and on a simulated machine, the number is written.
    pub fn new(tree: &'a dyn SysTree, root: Option<&Path>) -> Self {
        let tool = root.map(|root| root.join(TOOL));
        let tool = tool.filter(|tool| tool.is_file());
        Self { tree, tool }
    }

    fn turn(&self, tool: &Path, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        let slot = path.strip_suffix(FILE).unwrap_or(path);
        let slot = slot.rsplit('/').next().unwrap_or_default();
        let flag = match bytes {
            b"0" => "-d",
            _ => "-e",
        };
        let mut command = Command::new(tool);
        command.args([flag, slot]).stdin(Stdio::null());
        let done = command.output().map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            TreeError::Refused {
                operation: Operation::OpenToWrite,
                path: tool.display().to_string(),
                errno,
            }
        })?;
        if done.status.success() {
            return Ok(());
        }
        let said = match String::from_utf8_lossy(&done.stderr).trim() {
            "" => done.status.to_string(),
            words => words.chars().take(SAID_MAX).collect(),
        };
        // It tells no errno; what is read afterwards decides.
        Err(TreeError::Tool {
            command: format!("{} {flag} {slot}", tool.display()).into(),
            said: said.into(),
        })
    }
}

impl SysTree for WithTool<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        self.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.tree.list(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        match &self.tool {
            Some(tool) if path.ends_with(FILE) => self.turn(tool, path, bytes),
            _ => self.tree.write(path, bytes),
        }
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        self.tree.link(path)
    }
}
