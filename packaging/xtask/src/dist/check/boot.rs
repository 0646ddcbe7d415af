//! The packages under a real systemd: the clean root is booted in a container of systemd-nspawn.
//!
//! The container has a network of its own, so kerfd listens where it does on a host. Everything that is mounted
//! for it is mounted in a namespace that goes with it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kerf_tests::ChildGuard;

use super::super::package::Packages;
use super::life::put;
use super::root::{Root, isolated};
use crate::out;

/// How long booting, the script and the end of it may take together.
const LIMIT: Duration = Duration::from_secs(180);

/// From the start of dpkg to the first metric. Promised is one second on a machine with nothing else to do;
/// this is what one with as much to do again may take.
const FIRST_METRIC: f64 = 2.0;

/// What runs inside.
const SCRIPT: &str = include_str!("boot.sh");

/// Runs the script, keeps what it says, and ends the container.
const UNIT: &str = "\
[Unit]
After=basic.target network.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'sh /boot.sh > /boot.out 2>&1; systemctl poweroff --force'

[Install]
WantedBy=multi-user.target
";

/// nspawn takes its folders from a tmpfs, and the container wants the unified hierarchy, which a host with the
/// older ones gets in this namespace alone.
const NSPAWN: &str = r#"
set -eu
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
    umount --lazy /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --boot --directory="$1"
"#;

/// Boots the root twice: once to see whether systemd comes up in this place at all, which is not the packages'
/// business, and once with them.
pub fn check(root: &Root, made: &Packages) -> Result<()> {
    prepare(root)?;
    if let Err(error) = boot(root, "echo DONE\n") {
        out::line(&format!(
            "  skipped: no systemd can be booted here: {error:#}"
        ));
        return Ok(());
    }
    put(root, made)?;
    let said = boot(root, SCRIPT)?;
    let measured = said.lines().filter_map(measurement);
    for (name, seconds) in measured {
        out::line(&format!("  {name}: {seconds:.2} s"));
        ensure!(
            name != "install-to-metric" || seconds <= FIRST_METRIC,
            "from the start of dpkg to the first metric it may take {FIRST_METRIC} s"
        );
    }
    out::line(
        "  workers come from the socket, cut a simulated GPU, and survive a kill -9 of kerfd",
    );
    Ok(())
}

fn prepare(root: &Root) -> Result<()> {
    let units = root.path().join("etc/systemd/system");
    let wants = units.join("multi-user.target.wants");
    std::fs::create_dir_all(&wants)?;
    std::fs::write(units.join("boot-check.service"), UNIT)?;
    let link = wants.join("boot-check.service");
    std::os::unix::fs::symlink("../boot-check.service", link).context("cannot enable the unit")
}

/// Boots, runs the script, and gives what it said.
fn boot(root: &Root, script: &str) -> Result<String> {
    std::fs::write(root.path().join("boot.sh"), script)?;
    let said = root.path().join("boot.out");
    if said.exists() {
        std::fs::remove_file(&said)?;
    }
    let mut command = container(root.path());
    let log = root.path().with_file_name("nspawn.log");
    let mut guard = ChildGuard::spawn("systemd-nspawn", &mut command, &log)?;
    let ended = guard.wait(LIMIT);
    let said = std::fs::read_to_string(&said).unwrap_or_default();
    match ended {
        Ok(_) if said.ends_with("DONE\n") => Ok(said),
        Ok(status) => bail!("{status}: {said}{}", guard.log_tail(20)),
        Err(error) => Err(error.context(format!("{said}{}", guard.log_tail(20)))),
    }
}

fn container(root: &Path) -> Command {
    let mut command = isolated();
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", NSPAWN, "nspawn"]).arg(root);
    command
}

/// `MEASURED name seconds`.
fn measurement(line: &str) -> Option<(&str, f64)> {
    let (name, seconds) = line.strip_prefix("MEASURED ")?.split_once(' ')?;
    Some((name, seconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use kerf_tests::process;

    use super::{NSPAWN, SCRIPT, measurement};

    #[test]
    fn measurements_are_found_among_other_words() {
        assert_eq!(
            measurement("MEASURED install 0.250"),
            Some(("install", 0.25))
        );
        assert_eq!(measurement("MEASURED install"), None);
        assert_eq!(measurement("DONE"), None);
    }

    #[test]
    fn the_scripts_are_shell() {
        for script in [NSPAWN, SCRIPT] {
            let mut shell = std::process::Command::new("sh");
            process::run(shell.args(["-n", "-c", script])).expect("sh reads it");
        }
    }
}
