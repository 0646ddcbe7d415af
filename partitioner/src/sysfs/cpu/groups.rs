//! Groups of threads: each is read at its first thread, and not once more at the others.
//!
//! Owns the rules of what is believed of a file that names a thread's group.

use std::collections::BTreeSet;

use crate::sysfs::Reader;
use crate::sysfs::cpus::CpuSet;

use super::FOLDER;

/// A level of the topology and the files that name its groups. Newer kernels have the first pair of names, older ones
/// the second. The mask is read first: before Linux 5.16 a list with many gaps could be cut at the size of a page.
pub struct Level {
    /// In words, for what is odd.
    pub what: &'static str,
    /// Files of `topology`, the best first.
    pub files: &'static [(&'static str, Form)],
}

/// How a file writes a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `0-3,8`.
    List,
    /// `0000010f`.
    Mask,
}

/// Packages: what sits in one socket.
pub const PACKAGE: Level = Level {
    what: "package",
    files: &[
        ("package_cpus", Form::Mask),
        ("package_cpus_list", Form::List),
        ("core_siblings", Form::Mask),
        ("core_siblings_list", Form::List),
    ],
};
/// Dies, since Linux 5.2.
pub const DIE: Level = Level {
    what: "die",
    files: &[("die_cpus", Form::Mask), ("die_cpus_list", Form::List)],
};
/// Clusters, since Linux 5.16.
pub const CLUSTER: Level = Level {
    what: "cluster",
    files: &[
        ("cluster_cpus", Form::Mask),
        ("cluster_cpus_list", Form::List),
    ],
};
/// Cores: threads that share execution units.
pub const CORE: Level = Level {
    what: "core",
    files: &[
        ("core_cpus", Form::Mask),
        ("core_cpus_list", Form::List),
        ("thread_siblings", Form::Mask),
        ("thread_siblings_list", Form::List),
    ],
};

/// Threads that are in a group already. A table by number rather than a [`CpuSet`]: it is asked for each thread at each
/// level and grows by a few threads at a time, for which a set of runs would be made anew as often.
#[derive(Debug, Default)]
pub struct Covered(Vec<bool>);

impl Covered {
    /// Whether this one is.
    pub fn has(&self, cpu: u32) -> bool {
        let index = usize::try_from(cpu).unwrap_or(usize::MAX);
        self.0.get(index).copied().unwrap_or_default()
    }

    /// The group that a file names at `cpu`, without threads that are in another one already. It is none without the
    /// thread whose file it is.
    pub fn group(
        &mut self,
        reader: &Reader<'_>,
        path: &str,
        cpu: u32,
        group: &CpuSet,
        what: &str,
    ) -> Option<CpuSet> {
        if !group.contains(cpu) {
            let what = format_args!("names {group} as threads of its {what}, without its own");
            return reader.odd(path, what);
        }
        let fresh: CpuSet = group.iter().filter(|cpu| !self.has(*cpu)).collect();
        if fresh.len() < group.len() {
            let others = group.without(&fresh);
            let what = format_args!("names {others} as threads of its {what}, which have another");
            reader.odd::<()>(path, what);
        }
        self.add(&fresh);
        Some(fresh)
    }

    /// Adds threads.
    pub fn add(&mut self, cpus: &CpuSet) {
        for cpu in cpus.iter() {
            let index = usize::try_from(cpu).unwrap_or(usize::MAX);
            if self.0.len() <= index {
                self.0.resize(index + 1, false);
            }
            if let Some(is_in) = self.0.get_mut(index) {
                *is_in = true;
            }
        }
    }
}

/// The groups of a level, by first thread. `names` are the files that the kernel has in a thread's `topology`: a level
/// of which it has none has no group.
pub fn of_level(
    reader: &Reader<'_>,
    online: &CpuSet,
    names: &BTreeSet<String>,
    level: &Level,
) -> Vec<CpuSet> {
    let has = |file: &&(&str, Form)| names.contains(file.0);
    let files: Vec<_> = level.files.iter().filter(has).collect();
    let mut covered = Covered::default();
    let mut groups = Vec::new();
    for cpu in online.iter() {
        if files.is_empty() || covered.has(cpu) {
            continue;
        }
        let folder = format!("{FOLDER}/cpu{cpu}/topology");
        let named = |(file, form): &&(&str, Form)| set(reader, &format!("{folder}/{file}"), *form);
        let Some(group) = files.iter().find_map(named) else {
            let what = format_args!("does not name the threads of the {}", level.what);
            reader.odd::<()>(&folder, what);
            continue;
        };
        groups.extend(covered.group(reader, &folder, cpu, &group.and(online), level.what));
    }
    groups
}

/// A set in either form.
pub fn set(reader: &Reader<'_>, path: &str, form: Form) -> Option<CpuSet> {
    match form {
        Form::List => reader.set(path),
        Form::Mask => reader.parsed(path, "a mask", CpuSet::from_mask),
    }
}
