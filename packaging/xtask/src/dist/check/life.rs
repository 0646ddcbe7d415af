//! The life of the debs in a root that knows nothing of kerf: installed, used, removed, purged.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kerf_tests::process;

use super::super::package::Packages;
use super::listing::Listing;
use super::metric;
use super::root::Root;
use crate::out;

/// From the start of an installed kerfd to the first metric of every GPU.
const FIRST_METRIC: Duration = Duration::from_secs(1);

/// Units that are looked at by systemd itself.
const UNITS: [&str; 8] = [
    "kerfd.service",
    "kerfd.socket",
    "kerf-partitioner.socket",
    "kerf-partitioner@.service",
    "kerf-process.socket",
    "kerf-process@.service",
    "kerf-mps.socket",
    "kerf-mps@.service",
];

/// Programs of systemd that a container or another init does without.
const SYSTEMD: [&str; 2] = ["/usr/bin/systemd-sysusers", "/usr/bin/systemd-tmpfiles"];

/// With systemd's programs at hand, and without.
pub fn check(root: &Root, made: &Packages) -> Result<()> {
    put(root, made)?;
    let before = Listing::of(root.path())?;
    installed(root, made)?;
    used(root)?;
    removed(root)?;
    root.shell("dpkg --purge kerf kerf-sim")?;
    nothing_left(root, &before).context("after a purge")?;
    out::line("  purged: nothing is left, the group neither");
    without_systemd(root, made, &before)
}

/// Puts the debs into the root; not into its /tmp, which a boot empties.
pub fn put(root: &Root, made: &Packages) -> Result<()> {
    std::fs::create_dir_all(root.path().join("packages"))?;
    for package in [&made.deb, &made.sim_deb] {
        let copy = root.path().join(inside(package).trim_start_matches('/'));
        std::fs::copy(package, copy).context("cannot put a package into the root")?;
    }
    Ok(())
}

/// A package's path in the root.
fn inside(package: &Path) -> String {
    let name = package.file_name().unwrap_or_default().to_string_lossy();
    format!("/packages/{name}")
}

fn install(root: &Root, made: &Packages) -> Result<Duration> {
    let begin = Instant::now();
    root.shell(&format!(
        "dpkg --install {} {}",
        inside(&made.deb),
        inside(&made.sim_deb)
    ))?;
    Ok(begin.elapsed())
}

fn installed(root: &Root, made: &Packages) -> Result<()> {
    let took = install(root, made)?;
    out::line(&format!("  installed in {:.2} s", took.as_secs_f32()));
    root.shell("getent group kerf")?;
    let right = root.shell("kerf config check")?;
    ensure!(
        right == "/etc/kerf/kerf.toml: right\n",
        "kerf config check: {right}"
    );
    let found = root.shell("dpkg --audit; dpkg --verify kerf kerf-sim")?;
    ensure!(found.is_empty(), "dpkg finds fault: {found}");
    for unit in UNITS {
        let mut verify = root.command("systemd-analyze");
        verify.args([
            "verify",
            "--man=no",
            &format!("/usr/lib/systemd/system/{unit}"),
        ]);
        let output = process::output(&mut verify)?;
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words).into_owned();
        ensure!(
            output.status.success() && words.is_empty(),
            "systemd-analyze verify {unit}: {words}"
        );
    }
    out::line("  systemd-analyze verify has nothing to say");
    // A second time, as apt does with --reinstall.
    install(root, made).context("a second installation")?;
    Ok(())
}

/// Twice: the first start also makes the simulated machine, some 4,000 files, which no real host does and which
/// takes as long as the file system likes.
fn used(root: &Root) -> Result<()> {
    let making = metric::first(root)?;
    let starting = metric::first(root)?;
    for (what, measured) in [("making the machine", &making), ("on it", &starting)] {
        out::line(&format!(
            "  kerfd --simulate {}, {what}: /metrics after {:.2} s, every GPU in it after {:.2} s",
            metric::MACHINE,
            measured.answered.as_secs_f32(),
            measured.complete.as_secs_f32()
        ));
    }
    ensure!(
        starting.complete <= FIRST_METRIC,
        "that is more than {FIRST_METRIC:?}"
    );
    Ok(())
}

fn removed(root: &Root) -> Result<()> {
    root.shell("dpkg --remove kerf kerf-sim")?;
    let exists = |path: &str| root.path().join(path).exists();
    for stays in ["etc/kerf/kerf.toml", "var/lib/kerf/state.db"] {
        ensure!(
            exists(stays),
            "a removal took /{stays} away, as only a purge may"
        );
    }
    for goes in [
        "usr/bin/kerf",
        "usr/lib/kerf",
        "usr/lib/systemd/system/kerfd.service",
    ] {
        ensure!(!exists(goes), "a removal left /{goes}");
    }
    let names = std::fs::read_dir(root.path().join("run/cdi"))
        .into_iter()
        .flatten();
    ensure!(names.count() == 0, "CDI names stay whose hook is gone");
    out::line("  removed: configuration and state stay, the rest is gone");
    Ok(())
}

/// Where systemd's programs are not, the group is made by other means.
fn without_systemd(root: &Root, made: &Packages, before: &Listing) -> Result<()> {
    let away = |path: &str| root.path().join(path.trim_start_matches('/'));
    let rename = |path: &str, back: bool| {
        let (here, there) = (away(path), away(&format!("{path}.away")));
        let (from, to) = if back { (there, here) } else { (here, there) };
        std::fs::rename(from, to)
    };
    for path in SYSTEMD {
        rename(path, false).with_context(|| format!("{path} was not there"))?;
    }
    install(root, made).context("without systemd's programs")?;
    root.shell("getent group kerf")?;
    root.shell("dpkg --purge kerf kerf-sim")?;
    for path in SYSTEMD {
        rename(path, true)?;
    }
    nothing_left(root, before).context("after a purge without systemd's programs")?;
    out::line("  the same without systemd's programs");
    Ok(())
}

/// A group that stays would be seen in /etc.
fn nothing_left(root: &Root, before: &Listing) -> Result<()> {
    before.ensure_same(&Listing::of(root.path())?)
}
