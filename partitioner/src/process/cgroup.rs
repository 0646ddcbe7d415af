//! The cgroup of a container: who is still in it when its first process has gone.
//!
//! With a PID namespace of its own a container ends with its first process. Where it shares one (a pod's, or
//! the host's), the others go on, with the devices that they were granted.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::geteuid;
use procfs::process::Process;

/// Deepest folder that is searched for a container's cgroup: `/machine.slice/x.slice/libpod-NAME.scope/container`.
const DEPTH: u32 = 5;

/// The cgroup of one container in one life: a container of the same name gets the same path, not the same inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder's inode.
    pub inode: u64,
}

impl Cgroup {
    /// The one that has this folder now.
    pub(super) fn at(folder: PathBuf) -> Option<Self> {
        let inode = fs::metadata(&folder).ok()?.ino();
        Some(Self { folder, inode })
    }

    /// Whether it is there still, and not another one of that path.
    pub fn is_there(&self) -> bool {
        fs::metadata(&self.folder).is_ok_and(|found| found.ino() == self.inode)
    }

    /// Whether a process is in it or below it; `false` once it is gone.
    pub fn is_populated(&self) -> bool {
        self.is_there() && is_populated(&self.folder)
    }
}

/// Where a process is in the hierarchy that holds device rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// Its path in the hierarchy.
    pub path: String,
    /// Whether it is one of version 1, with the devices controller.
    pub is_v1: bool,
}

/// The cgroup that is named for this container and holds the process, under v1 (where devices are granted) or
/// v2. A cgroup without the container's name may hold others, and is nobody's measure.
pub fn of(pid: u32, container: &str) -> Option<Cgroup> {
    let mut places = places_of(pid)?.into_iter();
    let named = places.find(|place| is_named_for(&place.path, container))?;
    Cgroup::at(named.folder)
}

/// Where a process is, under v1 (where devices are granted) or v2.
pub fn place_of(pid: u32) -> Option<Place> {
    places_of(pid)?.into_iter().next()
}

/// Where a process is, under v1 first. Where there are both, a container that runs under one of them has no group of its
/// own in the other.
pub(super) fn places_of(pid: u32) -> Option<Vec<Place>> {
    let process = Process::new(i32::try_from(pid).ok()?).ok()?;
    let groups = process.cgroups().ok()?;
    let place = |is_v1: bool| {
        let is_it = |group: &&procfs::ProcessCGroup| match is_v1 {
            true => group.controllers.iter().any(|name| name == "devices"),
            false => group.hierarchy == 0,
        };
        let group = groups.0.iter().find(is_it)?;
        let (mount_point, root) = hierarchy(if is_v1 { "cgroup" } else { "cgroup2" })?;
        // Seen from a cgroup namespace or a bind mount, the mount begins below the root of the hierarchy.
        let below = Path::new(&group.pathname).strip_prefix(root).ok()?;
        Some(Place {
            folder: mount_point.join(below),
            path: group.pathname.clone(),
            is_v1,
        })
    };
    Some([true, false].into_iter().filter_map(place).collect())
}

/// Namespace and name of the container that this process is in, as its cgroup tells: engines end its path with the
/// container's name, and containerd begins it with the namespace where no systemd manages cgroups. The namespace is empty
/// where the path does not say it.
pub fn container_of(pid: u32) -> Option<(String, String)> {
    let places = places_of(pid)?;
    places.iter().find_map(|place| container_in(&place.path))
}

fn container_in(path: &str) -> Option<(String, String)> {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).rev();
    let last = parts.next()?;
    // podman puts the container into a folder of the scope that is named for it.
    let last = match last {
        "container" => parts.next()?,
        _ => last,
    };
    let scope = last.strip_suffix(".scope");
    let name = match scope {
        Some(scope) => scope.rsplit_once('-').map_or(scope, |(_, name)| name),
        None => last.rsplit(':').next()?,
    };
    let namespace = match (scope, parts.next(), parts.next()) {
        (None, Some(namespace), None) if !last.contains(':') => namespace,
        _ => "",
    };
    Some((namespace.to_owned(), name.to_owned()))
}

/// The cgroup that is named for this container, for one whose first process was gone before it was looked at.
pub fn named(container: &str) -> Option<Cgroup> {
    let mut found = ["cgroup", "cgroup2"].into_iter().filter_map(|kind| {
        let (mount_point, _) = hierarchy(kind)?;
        search(&mount_point, container, DEPTH)
    });
    Cgroup::at(found.next()?)
}

/// Every cgroup that is named for this container, under v1 (where devices are granted) and under v2.
pub(super) fn all_named(container: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for (kind, is_v1) in [("cgroup", true), ("cgroup2", false)] {
        let Some((mount_point, _)) = hierarchy(kind) else {
            continue;
        };
        let mut found = Vec::new();
        search_all(&mount_point, container, DEPTH, &mut found);
        places.extend(found.into_iter().filter_map(|folder| {
            let below = folder.strip_prefix(&mount_point).ok()?;
            let path = format!("/{}", below.to_str()?);
            Some(Place {
                folder,
                path,
                is_v1,
            })
        }));
    }
    places
}

/// Whether nobody but root, or who runs this, can make a cgroup in that folder. A name that a user could choose, below a
/// cgroup that was given to them, says nothing of whose container is in there.
fn is_named_by_root(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|facts| {
        let is_roots = facts.uid() == 0 || facts.uid() == geteuid().as_raw();
        is_roots && facts.mode() & 0o022 == 0
    })
}

/// Adds each folder below that is named for the container, and looks no deeper into those.
fn search_all(folder: &Path, container: &str, depth: u32, found: &mut Vec<PathBuf>) {
    if !is_named_by_root(folder) {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if is_named_for(&entry.file_name().to_string_lossy(), container) {
            found.push(entry.path());
        } else if let Some(below) = depth.checked_sub(1) {
            search_all(&entry.path(), container, below, found);
        }
    }
}

fn search(folder: &Path, container: &str, depth: u32) -> Option<PathBuf> {
    if !is_named_by_root(folder) {
        return None;
    }
    let entries = fs::read_dir(folder).ok()?.flatten();
    let folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    let named = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default();
        is_named_for(&name.to_string_lossy(), container)
    };
    if let Some(found) = folders.iter().find(named) {
        return Some(found.clone());
    }
    let below = depth.checked_sub(1)?;
    folders
        .iter()
        .find_map(|folder| search(folder, container, below))
}

/// Where the hierarchy that holds device rights is mounted, and where in it the mount begins.
fn hierarchy(kind: &str) -> Option<(PathBuf, String)> {
    let mounts = Process::myself().ok()?.mountinfo().ok()?;
    let mount = mounts.into_iter().find(|mount| {
        mount.fs_type == kind && (kind == "cgroup2" || mount.super_options.contains_key("devices"))
    })?;
    Some((mount.mount_point, mount.root))
}

/// Where each hierarchy is mounted, of v1 and of v2, every one once.
pub fn mount_points() -> Vec<PathBuf> {
    let mounts = Process::myself().and_then(|process| process.mountinfo());
    let mut seen = BTreeSet::new();
    let mounts = mounts.into_iter().flatten();
    mounts
        .filter(|mount| matches!(mount.fs_type.as_str(), "cgroup" | "cgroup2"))
        .filter(|mount| seen.insert(mount.majmin.clone()))
        .map(|mount| mount.mount_point)
        .collect()
}

/// Whether that names a folder of the hierarchy that holds device rights (version 1), below its root, with nothing in it
/// that leads elsewhere.
pub(super) fn is_listed(folder: &Path) -> bool {
    hierarchy("cgroup").is_some_and(|(mount_point, _)| is_plainly_below(folder, &mount_point))
}

/// The same of any hierarchy.
pub(super) fn is_any(folder: &Path) -> bool {
    let mut mount_points = mount_points().into_iter();
    mount_points.any(|mount_point| is_plainly_below(folder, &mount_point))
}

fn is_plainly_below(folder: &Path, mount_point: &Path) -> bool {
    let Ok(below) = folder.strip_prefix(mount_point) else {
        return false;
    };
    let mut parts = below.components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

fn is_populated(folder: &Path) -> bool {
    let own = fs::read_to_string(folder.join("cgroup.procs"));
    if own.is_ok_and(|pids| !pids.trim().is_empty()) {
        return true;
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .any(|entry| is_populated(&entry.path()))
}

/// `/default/web-1` and `…/libpod-web-1.scope/container` are named for `web-1`, `/default/web-10` is not.
pub(super) fn is_named_for(path: &str, container: &str) -> bool {
    path.split('/').any(|part| {
        let part = part.strip_suffix(".scope").unwrap_or(part);
        let before = part.strip_suffix(container);
        before.is_some_and(|before| before.is_empty() || before.ends_with(['-', ':']))
    })
}

#[cfg(test)]
mod tests {
    use super::{Cgroup, container_in, is_named_for, is_populated, search};

    #[test]
    fn only_the_containers_own_cgroup_counts() {
        for (path, expected) in [
            ("/default/web-1", true),
            ("/system.slice/cri-containerd-web-1.scope", true),
            ("/machine.slice/libpod-web-1.scope/container", true),
            ("/system.slice:cri-containerd:web-1", true),
            ("/default/web-10", false),
            ("/default/aweb-1", false),
            ("/", false),
        ] {
            assert_eq!(is_named_for(path, "web-1"), expected, "{path}");
        }
    }

    #[test]
    fn a_cgroup_tells_whose_it_is() {
        for (path, namespace, name) in [
            ("/default/web-1", "default", "web-1"),
            ("/web-1", "", "web-1"),
            ("/system.slice/cri-containerd-0a1b.scope", "", "0a1b"),
            ("/machine.slice/libpod-0a1b.scope/container", "", "0a1b"),
            ("/machine.slice/libpod-0a1b.scope", "", "0a1b"),
            ("/system.slice:cri-containerd:0a1b", "", "0a1b"),
            ("/kubepods/besteffort/pod7/0a1b", "", "0a1b"),
        ] {
            let found = container_in(path).expect(path);
            assert_eq!(
                (found.0.as_str(), found.1.as_str()),
                (namespace, name),
                "{path}"
            );
        }
        assert_eq!(container_in("/"), None);
    }

    #[test]
    fn only_plain_folders_below_a_mount_are_taken() {
        let is = |folder: &str| super::is_plainly_below(folder.as_ref(), "/c/devices".as_ref());
        assert!(is("/c/devices/a") && is("/c/devices/a/b"));
        for folder in [
            "/c/devices",
            "/c/devices/../x",
            "/c/devices/a/..",
            "/c/dev",
            "a",
            "",
        ] {
            assert!(!is(folder), "{folder}");
        }
    }

    #[test]
    fn processes_below_count_and_a_gone_folder_is_empty() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).expect("folders");
        std::fs::write(folder.path().join("cgroup.procs"), "").expect("a file");
        std::fs::write(below.join("cgroup.procs"), "").expect("a file");
        assert!(!is_populated(folder.path()));
        std::fs::write(below.join("cgroup.procs"), "17\n").expect("a file");
        assert!(is_populated(folder.path()));
        let own = Cgroup::at(folder.path().to_owned()).expect("it is there");
        assert!(own.is_populated());
        let later = Cgroup {
            inode: own.inode + 1,
            ..own
        };
        assert!(!later.is_populated(), "another life of the same path");
        assert_eq!(search(folder.path(), "b", 3), Some(below));
        assert_eq!(search(folder.path(), "c", 3), None);
        for path in ["x/b/b", "x-b"] {
            std::fs::create_dir_all(folder.path().join(path)).expect("folders");
        }
        let mut all = Vec::new();
        super::search_all(folder.path(), "b", 3, &mut all);
        all.sort();
        // One within one that is named so is a part of it.
        let expected = ["a/b", "x/b", "x-b"].map(|path| folder.path().join(path));
        assert_eq!(all, expected);
        assert!(!is_populated(&folder.path().join("gone")));
    }

    #[test]
    fn names_in_a_folder_that_others_may_write_are_nobodys() {
        let folder = tempfile::tempdir().expect("a folder");
        let theirs = folder.path().join("theirs");
        std::fs::create_dir_all(theirs.join("below/web-1")).expect("folders");
        let all = || {
            let mut all = Vec::new();
            super::search_all(folder.path(), "web-1", 3, &mut all);
            all
        };
        for (mode, expected) in [(0o755, 1), (0o775, 0), (0o757, 0)] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&theirs, mode).expect("ours");
            assert_eq!(all().len(), expected);
            assert_eq!(search(folder.path(), "web-1", 3).iter().count(), expected);
        }
    }
}
