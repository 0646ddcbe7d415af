//! Brings the plain tree of a machine in line with what its kernel shows.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::failed;
use crate::kernel::state::State;
use crate::kernel::tree::{Entry, View};
use crate::store::StoreError;

/// Where a file is written before it is renamed into the tree, so that readers see it whole or not at all.
const NEXT: &str = "kernel.next";

/// Folders in which nothing lies but what the kernel of AMD GPUs shows. Those of a machine that was imported have no
/// state, and are files like all else.
const OWNED: [&str; 2] = ["sys/devices/virtual/kfd", "sys/devices/platform"];

/// The tree of a machine.
pub struct Tree {
    dir: PathBuf,
}

impl Tree {
    pub fn new(dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self { dir }
    }

    /// Changes what differs between two views, of which the tree shows the first.
    pub fn difference(&self, before: &View, after: &View) -> Result<(), StoreError> {
        // What is deepest goes first, and folders after what was in them.
        for (path, entry) in before.entries().rev() {
            if after.get(path).is_none() {
                self.remove(path, entry, after)?;
            }
        }
        for (path, entry) in after.entries() {
            if before.get(path) != Some(entry) {
                self.put(path, entry)?;
            }
        }
        Ok(())
    }

    /// Writes everything, whatever is there, and removes what should not be.
    pub fn whole(&self, state: &State) -> Result<(), StoreError> {
        let view = &state.view();
        let owned = OWNED.iter().filter(|_| state.amd.is_some());
        for owned in owned {
            self.clear(owned, view)?;
        }
        for passing in state.vgpu.iter().flat_map(|vgpu| vgpu.passing()) {
            self.clear_passing(&passing, view)?;
        }
        for (path, entry) in view.entries() {
            self.put(path, entry)?;
        }
        Ok(())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.join("root").join(path)
    }

    /// Removes what is there and is not shown, itself included.
    fn clear_passing(&self, passing: &str, view: &View) -> Result<(), StoreError> {
        let path = self.path(passing);
        let is_folder = path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
        match (view.get(passing), is_folder) {
            (Some(_), true) => self.clear(passing, view),
            (Some(_), false) => Ok(()),
            (None, true) => absent_is_fine("remove", &path, fs::remove_dir_all),
            (None, false) => absent_is_fine("remove", &path, fs::remove_file),
        }
    }

    /// Removes what is below a folder and is not shown.
    fn clear(&self, folder: &str, view: &View) -> Result<(), StoreError> {
        let path = self.path(folder);
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed("list", &path))?,
        };
        for entry in entries {
            let entry = entry.map_err(failed("list", &path))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let inner = format!("{folder}/{name}");
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match (view.get(&inner), is_folder) {
                (Some(_), true) => self.clear(&inner, view)?,
                (Some(_), false) => {}
                (None, true) => {
                    fs::remove_dir_all(entry.path()).map_err(failed("remove", &entry.path()))?;
                }
                (None, false) => absent_is_fine("remove", &entry.path(), fs::remove_file)?,
            }
        }
        Ok(())
    }

    fn remove(&self, path: &str, entry: &Entry, after: &View) -> Result<(), StoreError> {
        let on_disk = self.path(path);
        match entry {
            Entry::Folder => absent_is_fine("remove", &on_disk, fs::remove_dir)?,
            Entry::File(..) | Entry::Link(_) => {
                absent_is_fine("remove", &on_disk, fs::remove_file)?;
            }
        }
        // Folders that nothing is in any more and that nobody shows.
        let mut folder = path;
        while let Some((above, _)) = folder.rsplit_once('/') {
            if after.get(above).is_some() || fs::remove_dir(self.path(above)).is_err() {
                break;
            }
            folder = above;
        }
        Ok(())
    }

    fn put(&self, path: &str, entry: &Entry) -> Result<(), StoreError> {
        let on_disk = self.path(path);
        if let Entry::Folder = entry {
            return fs::create_dir_all(&on_disk).map_err(failed("create", &on_disk));
        }
        if let Some(folder) = on_disk.parent() {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
        }
        let next = self.dir.join(NEXT);
        match entry {
            Entry::File(bytes, mode) => {
                if fs::read(&on_disk).is_ok_and(|now| now == *bytes) {
                    return Ok(());
                }
                fs::write(&next, bytes).map_err(failed("write", &next))?;
                let mode = fs::Permissions::from_mode(*mode | 0o200);
                fs::set_permissions(&next, mode).map_err(failed("set the mode of", &next))?;
            }
            Entry::Link(target) => {
                if fs::read_link(&on_disk).is_ok_and(|now| now == Path::new(target)) {
                    return Ok(());
                }
                absent_is_fine("remove", &next, fs::remove_file)?;
                symlink(target, &next).map_err(failed("link", &next))?;
            }
            Entry::Folder => {}
        }
        fs::rename(&next, &on_disk).map_err(failed("replace", &on_disk))
    }
}

fn absent_is_fine(
    operation: &'static str,
    path: &Path,
    carry_out: impl FnOnce(PathBuf) -> io::Result<()>,
) -> Result<(), StoreError> {
    match carry_out(path.to_owned()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(operation, path)(error))
        }
        _ => Ok(()),
    }
}
