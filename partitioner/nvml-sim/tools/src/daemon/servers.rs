//! The server processes of a daemon. Each lies on every device that the daemon serves.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nvidia_ml::control::tools::{self, MpsProcess};
use nvidia_ml::model::share::MpsRole;

/// What a server's own context takes of a device.
const CONTEXT_BYTES: u64 = 30 << 20;
/// The program, beside the daemon's.
const PROGRAM: &str = "nvidia-cuda-mps-server";

/// Running servers by process id.
#[derive(Default)]
pub struct Servers(BTreeMap<u32, Child>);

impl Servers {
    /// Starts a server for a user.
    pub fn start(&mut self, machine: &Path, devices: &[String], uid: u32) -> Result<u32, String> {
        let failed =
            |error: &dyn std::error::Error| format!("Failed to start MPS server: {error}\n");
        let own = std::env::current_exe().map_err(|error| failed(&error))?;
        let child = Command::new(own.with_file_name(PROGRAM))
            .args(["--uid", &uid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.map_err(|error| failed(&error))?;
        let pid = child.id();
        self.0.insert(pid, child);
        for name in devices {
            let entered = tools::device(machine, name).and_then(|device| {
                let process = MpsProcess {
                    pid,
                    role: MpsRole::Server,
                    sm_percent: 0,
                    memory_bytes: CONTEXT_BYTES,
                };
                tools::enter_mps(machine, &device, process)
            });
            if let Err(error) = entered {
                self.end(machine, pid);
                return Err(failed(&error));
            }
        }
        Ok(pid)
    }

    /// Ends a server: its pipe is closed and its end awaited.
    pub fn end(&mut self, machine: &Path, pid: u32) {
        if let Some(mut child) = self.0.remove(&pid) {
            drop(child.stdin.take());
            child.wait().ok();
        }
        tools::leave_mps(machine, pid).ok();
    }

    /// Ends all of them.
    pub fn end_all(&mut self, machine: &Path) {
        let pids: Vec<u32> = self.0.keys().copied().collect();
        for pid in pids {
            self.end(machine, pid);
        }
    }
}
