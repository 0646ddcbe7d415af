//! A systemd that was booted in a container of systemd-nspawn, for what a systemd does to containers and to units.
//!
//! Its root has the host's `/usr`, read-only, and so the host's systemd and programs; all else of it lies in a scratch
//! folder. It boots into one unit, the script of a test, and has the unified hierarchy of cgroups, also where the host has
//! the older ones. Everything that is mounted for it is mounted in a namespace that goes with it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::{Capability, ChildGuard, Scratch, bins, note, poll, require};

/// How long booting, the script and the end of it may take together: seconds, on a machine with nothing else to do.
const LIMIT: Duration = Duration::from_secs(300);

/// How long the kernel may take to let go of the cgroups of what was killed.
const SETTLE_LIMIT: Duration = Duration::from_secs(5);

/// What a script of a test says last.
const DONE: &str = "DONE\n";

/// Runs the script and ends the machine at once, with whatever the script has left.
const UNIT: &str = "\
[Unit]
DefaultDependencies=no

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'sh /work/script > /work/out 2>&1; systemctl poweroff --force --force'
";

/// nspawn takes its folders from a tmpfs. The machine gets a cgroup of its own, and sees it as the root of the hierarchy.
/// `bpf` for the lists of devices of units, keyrings for runc: nspawn has both forbidden.
const NSPAWN: &str = r#"
set -eu
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
umount --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
echo $$ > "/sys/fs/cgroup/$1/cgroup.procs"
shift
exec unshare --cgroup sh -euc '
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
root=$1 programs=$2
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --boot --directory="$root" \
    --bind-ro=/usr --bind-ro="$programs:/programs" --system-call-filter=bpf --system-call-filter=@keyring \
    systemd.unit=script.service systemd.log_target=console
' sh "$@"
"#;

/// The machine.
#[derive(Debug)]
pub struct Machine {
    scratch: Scratch,
    group: String,
}

impl Machine {
    /// One for a test; none, with the reason said under its name, where this host cannot boot a systemd.
    #[must_use]
    pub fn open(test: &str) -> Option<Self> {
        if !require(Capability::Root) {
            return None;
        }
        match Self::new() {
            Ok(machine) => Some(machine),
            Err(error) => {
                note(&format!("skipped: {test}: {error:#}"));
                None
            }
        }
    }

    /// One that can be booted; [`Machine::boot`] does.
    ///
    /// # Errors
    /// Says what of this host keeps it from booting a systemd: a program that is missing, or what a first boot said.
    fn new() -> Result<Self> {
        for program in ["systemd-nspawn", "systemctl", "unshare"] {
            ensure!(
                bins::system(program).is_some(),
                "{program} is not installed"
            );
        }
        ensure!(
            Path::new("/usr/lib/systemd/systemd").exists(),
            "/usr/lib/systemd/systemd is not there"
        );
        ensure!(
            Path::new("/bin").is_symlink(),
            "/bin is not in /usr, which is all that the machine gets of this host"
        );
        let scratch = Scratch::new("ns")?;
        let name = scratch.path().file_name().unwrap_or_default();
        let group = name.to_string_lossy().into_owned();
        let machine = Self { scratch, group };
        machine.lay_out()?;
        machine
            .boot(DONE_ALONE)
            .context("no systemd can be booted here")?;
        Ok(machine)
    }

    /// The folder that is `/work` inside.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.scratch.join("root/work")
    }

    fn lay_out(&self) -> Result<()> {
        let root = self.scratch.folder("root")?;
        let folders = [
            "usr",
            "etc/systemd/system",
            "var",
            "run",
            "tmp",
            "proc",
            "sys",
            "dev",
            "root",
            "work",
            "programs",
        ];
        for folder in folders {
            fs::create_dir_all(root.join(folder))?;
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            symlink(format!("usr/{link}"), root.join(link))?;
        }
        fs::copy("/usr/lib/os-release", root.join("etc/os-release"))?;
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n")?;
        fs::write(root.join("etc/group"), "root:x:0:\n")?;
        fs::write(root.join("etc/systemd/system/script.service"), UNIT)?;
        Ok(())
    }

    /// What systemd leaves of its cgroups: the next boot makes them anew.
    fn remove_cgroups(&self) {
        for hierarchy in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
            let folder = Path::new(hierarchy).join(&self.group);
            // The kernel lets go of the last process a moment later than of its parent; what stays then is empty.
            let gone = || {
                remove_tree(&folder);
                !folder.exists()
            };
            drop(poll::until_true("the end of cgroups", SETTLE_LIMIT, gone));
        }
    }

    /// Boots it, runs a shell script that says `DONE` last, and gives what the script has said before.
    ///
    /// # Errors
    /// When the script ends in another way, with what it and systemd have said.
    pub fn boot(&self, script: &str) -> Result<String> {
        let said = self.work().join("out");
        fs::write(self.work().join("script"), script)?;
        if said.exists() {
            fs::remove_file(&said)?;
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["sh", "-c", NSPAWN, "sh", &self.group]);
        command.arg(self.scratch.join("root"));
        let programs = bins::kerfd()?;
        command.arg(programs.parent().context("kerfd is in no folder")?);
        let log = self.scratch.join("log");
        let mut guard = ChildGuard::spawn("systemd-nspawn", &mut command, &log)?;
        let ended = guard.wait(LIMIT);
        drop(guard);
        self.remove_cgroups();
        let said = fs::read_to_string(&said).unwrap_or_default();
        let log = fs::read_to_string(&log).unwrap_or_default();
        match said.strip_suffix(DONE) {
            Some(said) => Ok(said.to_owned()),
            None => bail!("{ended:?}\n{said}\n{log}"),
        }
    }
}

fn remove_tree(folder: &Path) {
    let below = fs::read_dir(folder).into_iter().flatten().flatten();
    for one in below.filter(|one| one.path().is_dir()) {
        remove_tree(&one.path());
    }
    drop(fs::remove_dir(folder));
}

/// The least that shows a systemd.
const DONE_ALONE: &str = "systemctl --version && echo DONE\n";

#[cfg(test)]
mod tests {
    use crate::process;

    #[test]
    fn the_script_is_shell() {
        let mut shell = std::process::Command::new("sh");
        process::run(shell.args(["-n", "-c", super::NSPAWN])).expect("sh reads it");
    }
}
