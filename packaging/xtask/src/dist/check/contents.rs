//! What the packages hold, against a list that is written here and not taken from the manifests.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kerf_tests::process;

use super::super::package::Packages;
use crate::out;

/// Files of kerf that are the same in both kinds of package, with their modes.
const COMMON: [(&str, &str); 20] = [
    ("-rwxr-xr-x", "/usr/bin/kerf"),
    ("-rwxr-xr-x", "/usr/bin/kerfd"),
    ("-rwxr-xr-x", "/usr/bin/kerf-runtime"),
    ("-rwxr-xr-x", "/usr/lib/kerf/kerf-partitioner"),
    ("-rw-r--r--", CONFIGURATION),
    ("-rw-r--r--", "/usr/lib/systemd/system/kerfd.service"),
    ("-rw-r--r--", "/usr/lib/systemd/system/kerfd.socket"),
    (
        "-rw-r--r--",
        "/usr/lib/systemd/system/kerf-partitioner.socket",
    ),
    (
        "-rw-r--r--",
        "/usr/lib/systemd/system/kerf-partitioner@.service",
    ),
    ("-rw-r--r--", "/usr/lib/systemd/system/kerf-process.socket"),
    (
        "-rw-r--r--",
        "/usr/lib/systemd/system/kerf-process@.service",
    ),
    ("-rw-r--r--", "/usr/lib/systemd/system/kerf-mps.socket"),
    ("-rw-r--r--", "/usr/lib/systemd/system/kerf-mps@.service"),
    ("-rw-r--r--", "/usr/lib/sysusers.d/kerf.conf"),
    ("-rw-r--r--", "/usr/lib/tmpfiles.d/kerf.conf"),
    ("-rw-r--r--", "/usr/share/man/man5/kerf.toml.5.gz"),
    ("-rw-r--r--", "/usr/share/man/man8/kerfd.8.gz"),
    ("-rw-r--r--", "/usr/share/man/man8/kerf-runtime.8.gz"),
    ("-rw-r--r--", "/usr/share/bash-completion/completions/kerf"),
    (
        "-rw-r--r--",
        "/usr/share/fish/vendor_completions.d/kerf.fish",
    ),
];
const DEB: [(&str, &str); 7] = [
    ("-rw-r--r--", "/usr/share/zsh/vendor-completions/_kerf"),
    ("-rw-r--r--", "/usr/share/doc/kerf/README.md"),
    ("-rw-r--r--", "/usr/share/doc/kerf/migration.md"),
    ("-rw-r--r--", "/usr/share/doc/kerf/LICENSE"),
    ("-rw-r--r--", "/usr/share/doc/kerf/copyright"),
    ("-rw-r--r--", "/usr/share/doc/kerf/changelog.Debian.gz"),
    ("-rw-r--r--", "/usr/share/man/man1/kerf.1.gz"),
];
const RPM: [(&str, &str); 5] = [
    ("-rw-r--r--", "/usr/share/zsh/site-functions/_kerf"),
    ("-rw-r--r--", "/usr/share/doc/kerf/README.md"),
    ("-rw-r--r--", "/usr/share/doc/kerf/migration.md"),
    ("-rw-r--r--", "/usr/share/licenses/kerf/LICENSE"),
    ("-rw-r--r--", "/usr/share/man/man1/kerf.1.gz"),
];
const SIM_LIBRARY: (&str, &str) = ("-rw-r--r--", "/usr/lib/kerf/sim/libnvidia-ml.so.1");
const SIM_TOOLS: (&str, &str) = ("-rwxr-xr-x", "/usr/lib/kerf/sim/kerf-sim-tools");
const SIM_DEB: [(&str, &str); 5] = [
    SIM_LIBRARY,
    SIM_TOOLS,
    ("-rw-r--r--", "/usr/share/doc/kerf-sim/LICENSE"),
    ("-rw-r--r--", "/usr/share/doc/kerf-sim/copyright"),
    ("-rw-r--r--", "/usr/share/doc/kerf-sim/changelog.Debian.gz"),
];
const SIM_RPM: [(&str, &str); 3] = [
    SIM_LIBRARY,
    SIM_TOOLS,
    ("-rw-r--r--", "/usr/share/licenses/kerf-sim/LICENSE"),
];

const CONFIGURATION: &str = "/etc/kerf/kerf.toml";

/// Pages of verbs stand in the list by their beginning alone: there is one for each verb.
const PAGE_OF_A_VERB: &str = "/usr/share/man/man1/kerf-";

/// Packages that the deb may need; versions are not looked at.
const MAY_NEED: [&str; 3] = [
    "libc6",
    "libgcc-s1",
    "systemd | systemd-standalone-sysusers | adduser",
];

/// `mode path`, as a listing has it.
type Entry = (String, String);

/// All four.
pub fn check(made: &Packages) -> Result<()> {
    same(
        &deb(&made.deb)?,
        &[&COMMON[..], &DEB].concat(),
        "the deb of kerf",
    )?;
    same(
        &rpm(&made.rpm)?,
        &[&COMMON[..], &RPM].concat(),
        "the rpm of kerf",
    )?;
    same(&deb(&made.sim_deb)?, &SIM_DEB, "the deb of kerf-sim")?;
    same(&rpm(&made.sim_rpm)?, &SIM_RPM, "the rpm of kerf-sim")?;
    fields(&made.deb)?;
    let configuration = query(&made.rpm, &["-c"])?;
    ensure!(
        configuration.trim() == CONFIGURATION,
        "conffiles: {configuration}"
    );
    let provides = query(&made.sim_rpm, &["--provides"])?;
    ensure!(
        !provides.contains(".so"),
        "the simulator passes for a driver: {provides}"
    );
    let needs = query(&made.rpm, &["--requires"])?;
    let glibc = needs
        .lines()
        .filter(|line| line.starts_with("libc.so.6(GLIBC_"));
    let newest = glibc
        .max_by_key(|line| version_of(line))
        .unwrap_or_default();
    out::line(&format!("  the rpm needs at most {newest}"));
    Ok(())
}

/// Numbers in a text, in order: what sorts versions.
fn version_of(text: &str) -> Vec<u32> {
    let words = text.split(|c: char| !c.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// Files of a deb, without its folders.
fn deb(path: &Path) -> Result<BTreeSet<Entry>> {
    let text = process::run(Command::new("dpkg-deb").arg("--contents").arg(path))?;
    text.lines()
        .filter(|line| !line.starts_with('d'))
        .map(deb_entry)
        .collect()
}

/// `-rwxr-xr-x 0/0 123 2026-01-01 00:00 ./usr/bin/kerf`; everything belongs to root.
fn deb_entry(line: &str) -> Result<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [mode, owner, _, _, _, path] = words.as_slice() else {
        anyhow::bail!("no line of a listing: {line}");
    };
    ensure!(["0/0", "root/root"].contains(owner), "not root's: {line}");
    Ok(((*mode).to_owned(), path.trim_start_matches('.').to_owned()))
}

/// Files of an rpm.
fn rpm(path: &Path) -> Result<BTreeSet<Entry>> {
    let text = query(
        path,
        &["--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]"],
    )?;
    let entry = |line: &str| {
        let (mode, path) = line.split_once(' ').context("no line of a listing")?;
        Ok((mode.to_owned(), path.to_owned()))
    };
    text.lines()
        .filter(|line| !line.starts_with('d'))
        .map(entry)
        .collect()
}

fn query(path: &Path, what: &[&str]) -> Result<String> {
    process::run(Command::new("rpm").args(["-q", "-p"]).args(what).arg(path))
}

/// Compares a listing with the list; pages of verbs must be there and are counted only.
fn same(found: &BTreeSet<Entry>, expected: &[(&str, &str)], what: &str) -> Result<()> {
    let is_page = |entry: &&Entry| entry.1.starts_with(PAGE_OF_A_VERB);
    let pages = found.iter().filter(is_page).count();
    let own = |(mode, path): &(&str, &str)| ((*mode).to_owned(), (*path).to_owned());
    let expected: BTreeSet<Entry> = expected.iter().map(own).collect();
    let found: BTreeSet<Entry> = found
        .iter()
        .filter(|entry| !is_page(entry))
        .cloned()
        .collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let more: Vec<_> = found.difference(&expected).collect();
    ensure!(
        missing.is_empty() && more.is_empty(),
        "{what}: missing {missing:?}, unexpected {more:?}"
    );
    let has_programs = expected.iter().any(|(_, path)| path == "/usr/bin/kerf");
    ensure!(
        !has_programs || pages > 10,
        "{what}: {pages} pages of verbs"
    );
    out::line(&format!(
        "  {what}: {} files as listed, {pages} pages of verbs",
        found.len()
    ));
    Ok(())
}

/// Name, version and what it needs.
fn fields(deb: &Path) -> Result<()> {
    let field = |name: &str| -> Result<String> {
        let text = process::run(Command::new("dpkg-deb").arg("--field").arg(deb).arg(name))?;
        Ok(text.trim().to_owned())
    };
    let version = field("Version")?;
    ensure!(
        version == concat!(env!("CARGO_PKG_VERSION"), "-1"),
        "version {version}"
    );
    let (name, architecture) = (field("Package")?, field("Architecture")?);
    let host = process::run(Command::new("dpkg").arg("--print-architecture"))?;
    ensure!(
        name == "kerf" && architecture == host.trim(),
        "{name} for {architecture}"
    );
    let depends = field("Depends")?;
    let strange = depends.split(", ").filter(|one| {
        let name = one.split(" (").next().unwrap_or_default();
        !MAY_NEED.contains(&name)
    });
    let strange: Vec<&str> = strange.collect();
    ensure!(strange.is_empty(), "it needs {strange:?}");
    ensure!(
        depends.contains("libc6 (>= "),
        "no version of libc6: {depends}"
    );
    out::line(&format!("  kerf {version} {architecture}, needs {depends}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{deb_entry, version_of};

    #[test]
    fn a_line_of_a_listing_reads_and_others_owners_are_refused() {
        let line = "-rwxr-xr-x 0/0         1234 2026-01-01 00:00 ./usr/bin/kerf";
        let (mode, path) = deb_entry(line).expect("a line");
        assert_eq!(
            (mode.as_str(), path.as_str()),
            ("-rwxr-xr-x", "/usr/bin/kerf")
        );
        deb_entry(&line.replace("0/0", "1000/0")).expect_err("not root's");
        deb_entry("total 3").expect_err("no line of a listing");
    }

    #[test]
    fn versions_sort_by_number() {
        let of = |text| version_of(text);
        assert!(of("libc.so.6(GLIBC_2.34)(64bit)") > of("libc.so.6(GLIBC_2.4)(64bit)"));
    }
}
