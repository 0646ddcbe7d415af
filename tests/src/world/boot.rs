//! Another boot of this host, for a kerfd: the kernel's id of the boot, by which processes are told from those of before,
//! is another one for it. Nothing else is: processes go on, which to such a kerfd have the pids of those of before.

use std::io;
use std::path::Path;
use std::process::Command;

/// Where the id lies for the kerfd of a folder; without it the kernel's own counts.
const FILE: &str = "boot_id";

/// Has the mount in a namespace that ends with the program.
const SCRIPT: &str = r#"mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@""#;

/// A kerfd that is started in this folder from now on runs in another boot.
///
/// # Errors
/// When the file cannot be written.
pub fn begin(folder: &Path, number: u32) -> io::Result<()> {
    let text = format!("00000000-0000-4000-8000-{number:012}\n");
    std::fs::write(folder.join(FILE), text)
}

/// The program, in the boot of the folder.
pub(super) fn command(folder: &Path, program: &Path) -> Command {
    let id = folder.join(FILE);
    if !id.exists() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "slave",
        "sh",
        "-c",
        SCRIPT,
        "sh",
    ]);
    command.arg(id).arg(program);
    command
}
