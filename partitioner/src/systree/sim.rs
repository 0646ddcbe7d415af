//! The kernel of a simulated machine behind the seam.

use nix::errno::Errno;
use nvidia_ml::kernel::Kernel;

use super::{Operation, READ_LIMIT, SysTree, TreeError};

/// A simulated machine's kernel. What is written through it obeys a kernel's rules, and all processes that
/// use the machine see it.
#[derive(Debug)]
pub struct SimTree {
    kernel: Kernel,
}

impl SimTree {
    /// The tree of this kernel.
    pub fn new(kernel: Kernel) -> Self {
        Self { kernel }
    }

    /// The kernel itself.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}

impl SysTree for SimTree {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let bytes = self
            .kernel
            .read(path)
            .map_err(refused(Operation::Read, path))?;
        if bytes.len() > READ_LIMIT {
            return Err(TreeError::TooLarge {
                path: path.to_owned(),
                limit: READ_LIMIT,
            });
        }
        Ok(bytes)
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        self.kernel
            .list(path)
            .map_err(refused(Operation::List, path))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        self.kernel
            .write(path, bytes)
            .map_err(refused(Operation::Write, path))
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        self.kernel
            .link(path)
            .map_err(refused(Operation::Link, path))
    }
}

fn refused(operation: Operation, path: &str) -> impl FnOnce(nvidia_ml::kernel::Errno) -> TreeError {
    let path = path.to_owned();
    move |errno| TreeError::Refused {
        operation,
        path,
        errno: Errno::from_raw(errno.number()),
    }
}
