//! The cgroups of the containers of jobs, which kerf names itself: where they are, and their end.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kerf_types::ContainerRef;

use super::cgroup::mount_points;

/// The folder of all of them in a hierarchy.
const TOP: &str = "kerf";

/// Tries to remove one whose last process was just killed, and the time between two: the kernel lets go of it a moment
/// later. Whoever sweeps looks again.
const REMOVALS: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(5);

/// Deepest folder below one that is removed with it: a container may have made some.
const DEPTH: u32 = 8;

/// Its path in a hierarchy, as the runtime is told it. An absolute one is taken as it is, and not below the cgroup of
/// containerd.
pub fn path(container: &ContainerRef) -> String {
    format!("/{TOP}/{}/{}", container.namespace, container.id)
}

/// Its folder in every hierarchy, whether it is there or not.
pub fn folders(container: &ContainerRef) -> Vec<PathBuf> {
    let path = path(container);
    let below = path.trim_start_matches('/');
    let mounts = mount_points().into_iter();
    mounts.map(|mount| mount.join(below)).collect()
}

/// Whether that is the cgroup of a job's container in some hierarchy.
pub(super) fn is_one(folder: &Path) -> bool {
    let container = || {
        let id = folder.file_name()?.to_str()?;
        let namespace = folder.parent()?.file_name()?.to_str()?;
        ContainerRef::try_new(namespace, id).ok()
    };
    container().is_some_and(|container| folders(&container).iter().any(|one| one == folder))
}

/// Takes those of a container away with all below them; gives those that stay, since somebody is in there.
pub fn remove(container: &ContainerRef) -> Vec<PathBuf> {
    let mut left = folders(container);
    for round in 0..REMOVALS {
        left.retain(|folder| folder.is_dir() && !remove_tree(folder, DEPTH));
        if left.is_empty() {
            break;
        }
        if round + 1 < REMOVALS {
            thread::sleep(REMOVAL_PAUSE);
        }
    }
    left
}

/// Removes a cgroup and those below it, the deepest first; whether it is gone.
fn remove_tree(folder: &Path, depth: u32) -> bool {
    if fs::remove_dir(folder).is_ok() {
        return true;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    if let Some(depth) = depth.checked_sub(1) {
        for entry in below {
            remove_tree(&entry.path(), depth);
        }
    }
    fs::remove_dir(folder).is_ok() || !folder.exists()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{is_one, remove_tree};

    #[test]
    fn only_folders_of_jobs_are_taken_for_such() {
        let Some(mount) = super::mount_points().into_iter().next() else {
            eprintln!("skipped: no cgroups here");
            return;
        };
        assert!(is_one(&mount.join("kerf/jobs/web-1")));
        for other in [
            "kerf/jobs",
            "kerf/jobs/..",
            "other/jobs/web-1",
            "kerf/a/b/c",
        ] {
            assert!(!is_one(&mount.join(other)), "{other}");
        }
        assert!(!is_one(Path::new("/kerf/jobs/web-1")));
    }

    #[test]
    fn folders_go_with_those_below_and_files_keep_theirs() {
        let world = tempfile::tempdir().expect("a folder");
        let top = world.path().join("top");
        std::fs::create_dir_all(top.join("a/b")).expect("folders");
        assert!(remove_tree(&top, 3) && !top.exists());
        std::fs::create_dir_all(top.join("a/b")).expect("folders");
        assert!(!remove_tree(&top, 0), "too deep");
        // In a cgroup that is a process; a folder of another kind loses nothing.
        std::fs::write(top.join("a/file"), "").expect("a file");
        assert!(!remove_tree(&top, 3) && top.join("a/file").exists());
    }
}
