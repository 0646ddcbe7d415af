//! Real `/sys` dumps of other people's machines, and what Debian's `lstopo` says of them: two witnesses for the readers.
//!
//! Owns where the dumps lie, their unpacking (whole, once per build folder), the call of `lstopo` and the reading of
//! its XML. Compares nothing: that is each reader's own test. The dumps are no part of the repository; the README
//! beside them names their source. A machine without them, or without `lstopo`, skips with a line.
//!
//! - [`each_dump`] calls a check with every [`Dump`]: `name` and `path`, the folder that stands for `/`.
//! - [`each_topology`] calls one with every dump and its [`Topology`], what `lstopo` says of it, I/O included. Either
//!   check returns differences in words; all of all dumps are shown together, and any fails the test.
//! - [`Topology::objects`] are the XML's objects of one type (`PU`, `NUMANode`, `PCIDev`, `OSDev`, `Bridge`), read
//!   by [`attribute`], [`info`] and [`cpus`]; their nesting is roxmltree's. [`Topology::document`] is the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kerf_tests::{Capability, bins, require, skip, tree};
use roxmltree::{Document, Node, ParsingOptions};

use super::cpus::CpuSet;

/// The program; Debian has it in `hwloc-nox`.
const LSTOPO: &str = "lstopo-no-graphics";

/// One machine.
#[derive(Debug, Clone)]
pub struct Dump {
    /// The archive's name without its ending: `nvidiagpunumanodes`.
    pub name: String,
    /// The folder with its `sys` and `proc`.
    pub path: PathBuf,
}

/// What `lstopo` says of a dump.
#[derive(Debug)]
pub struct Topology<'a> {
    /// The whole XML.
    pub document: Document<'a>,
}

impl<'a> Topology<'a> {
    /// Objects of one type, in the order of the XML.
    pub fn objects(&self, kind: &str) -> impl Iterator<Item = Node<'_, 'a>> {
        let objects = self.document.descendants();
        objects
            .filter(move |node| node.has_tag_name("object") && node.attribute("type") == Some(kind))
    }
}

/// An attribute of an object; empty where it has none of that name.
pub fn attribute<'a>(object: Node<'a, '_>, name: &str) -> &'a str {
    object.attribute(name).unwrap_or_default()
}

/// The value of an `<info name=.. value=..>` directly below an object.
pub fn info<'a>(object: Node<'a, '_>, name: &str) -> Option<&'a str> {
    let mut infos = object.children().filter(|node| node.has_tag_name("info"));
    infos
        .find(|node| node.attribute("name") == Some(name))?
        .attribute("value")
}

/// An object's `cpuset` as the kernel writes lists. hwloc writes words as `0x000000ff,,0x0`, the highest first, where
/// an empty one is zero.
pub fn cpus(object: Node<'_, '_>) -> String {
    let words = attribute(object, "cpuset").split(',').map(|word| {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        if digits.is_empty() { "0" } else { digits }
    });
    let mask = words.collect::<Vec<_>>().join(",");
    let set = CpuSet::from_mask(&mask);
    set.unwrap_or_else(|| panic!("{mask} is a set of CPUs"))
        .to_string()
}

/// Checks every dump.
///
/// # Panics
/// When there is a difference.
pub fn each_dump(check: impl Fn(&Dump) -> Vec<String>) {
    let dumps = match dumps() {
        Ok(dumps) => dumps,
        Err(why) => return skip(Capability::Data, why),
    };
    let of = |dump: &Dump| named(dump, check(dump));
    let differences: Vec<String> = dumps.iter().flat_map(of).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Checks every dump against what `lstopo` says of it.
///
/// # Panics
/// When there is a difference, and when `lstopo` fails.
pub fn each_topology(check: impl Fn(&Dump, &Topology<'_>) -> Vec<String>) {
    if !require(Capability::Lstopo) {
        return;
    }
    each_dump(|dump| {
        let xml = lstopo(&dump.path);
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&xml, options).expect("XML");
        check(dump, &Topology { document })
    });
}

fn named(dump: &Dump, differences: Vec<String>) -> Vec<String> {
    let name = |difference| format!("{}: {difference}", dump.name);
    differences.into_iter().map(name).collect()
}

/// The XML that `lstopo` prints of a tree: whatever it can read, also what cgroups would forbid, groups of cores that
/// add no structure, and nodes of GPU memory, which it leaves out otherwise.
fn lstopo(root: &Path) -> String {
    let program = bins::system(LSTOPO).expect("it is installed");
    let output = Command::new(program)
        .args(["--whole-io", "--disallowed", "--filter", "group:all"])
        .args(["--of", "xml", "-"])
        .env("HWLOC_FSROOT", root)
        .env("HWLOC_THISSYSTEM", "0")
        .env("HWLOC_COMPONENTS", "linux,stop")
        .env("HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES", "1")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{LSTOPO} of {root:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Every dump, unpacked, by name; or why there is none.
fn dumps() -> &'static Result<Vec<Dump>, String> {
    static DUMPS: OnceLock<Result<Vec<Dump>, String>> = OnceLock::new();
    DUMPS.get_or_init(|| {
        let archives = archives()?;
        archives.iter().map(|archive| unpacked(archive)).collect()
    })
}

fn archives() -> Result<Vec<PathBuf>, String> {
    let shared = std::env::var_os("KERF_SHARED");
    let data = shared.map_or_else(tree::data_dir, |shared| Path::new(&shared).join("data"));
    let folder = data.join("hwloc");
    let entries = fs::read_dir(&folder).map_err(|_| format!("no folder {}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut archives: Vec<PathBuf> = paths.filter(|path| name_of(path).is_some()).collect();
    archives.sort();
    if archives.is_empty() {
        return Err(format!("no dump in {}", folder.display()));
    }
    Ok(archives)
}

fn name_of(archive: &Path) -> Option<&str> {
    archive.file_name()?.to_str()?.strip_suffix(".tar.bz2")
}

/// Unpacks into the build folder, where the next run finds it: the eight dumps have 27,000 files. The folder appears
/// with its files, by a rename, so that a second process finds all of them or none.
fn unpacked(archive: &Path) -> Result<Dump, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", archive.display());
    let name = name_of(archive).unwrap_or_default().to_owned();
    let bytes = archive.metadata().map_err(failed)?.len();
    let cache = tree::target_dir()
        .map_err(|error| format!("{error:#}"))?
        .join("dumps");
    let place = cache.join(format!("{name}.{bytes}"));
    if !place.is_dir() {
        fs::create_dir_all(&cache).map_err(failed)?;
        let fresh = tempfile::tempdir_in(&cache).map_err(failed)?;
        let mut tar = Command::new("tar");
        tar.arg("-xjf").arg(archive).arg("-C").arg(fresh.path());
        let status = tar.status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!(
                "tar cannot unpack {} (bzip2 missing?)",
                archive.display()
            ));
        }
        // Somebody else may have been faster; theirs is as good.
        if fs::rename(fresh.path(), &place).is_err() && !place.is_dir() {
            return Err(format!("{} cannot be made", place.display()));
        }
    }
    let mut folders = fs::read_dir(&place).map_err(failed)?;
    match folders.next() {
        Some(Ok(folder)) => Ok(Dump {
            name,
            path: folder.path(),
        }),
        _ => Err(format!("{} is empty", archive.display())),
    }
}

#[test]
fn lstopo_reads_every_dump() {
    each_topology(|dump, topology| {
        let machine = topology.objects("Machine").next().expect("a machine");
        assert_eq!(info(machine, "Backend"), Some("Linux"));
        let online = fs::read_to_string(dump.path.join("sys/devices/system/cpu/online"));
        let online = CpuSet::from_list(&online.expect("a file")).expect("a list");
        let seen = cpus(machine);
        if seen == online.to_string() && topology.objects("PU").next().is_some() {
            Vec::new()
        } else {
            vec![format!("CPUs {online} are online, lstopo sees {seen}")]
        }
    });
}
