//! The folders that kerfd lives in: made with narrow rights, never narrowed or widened afterwards.
//!
//! A folder that was there before belongs to whoever made it: `--state-dir /tmp` must not change the rights
//! of `/tmp`. One that others may write to is refused instead.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};

/// Rights of the run folder: its sockets have rights of their own.
pub const RUN_MODE: u32 = 0o755;
/// Rights of the state folder: it holds the leases and the scripts of jobs.
pub const STATE_MODE: u32 = 0o700;
/// Write permission of the group and of others.
const OTHERS_WRITE: u32 = 0o022;

/// Makes a folder, and those above it, unless it is there.
pub fn make(folder: &Path, mode: u32) -> anyhow::Result<()> {
    let context = || format!("cannot make the folder {}", folder.display());
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).with_context(context)?;
    }
    match DirBuilder::new().mode(mode).create(folder) {
        // The umask may have taken away more than was meant.
        Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode)).with_context(context),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error).with_context(context),
    }
}

/// Refuses a folder in which others than its owner could exchange kerfd's files.
pub fn refuse_exposed(folder: &Path) -> anyhow::Result<()> {
    let metadata = fs::metadata(folder)
        .with_context(|| format!("cannot look at the folder {}", folder.display()))?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        let path = folder.display();
        bail!(
            "the state folder {path} has mode {mode:o}: others could exchange kerfd's files in it \
             (chmod go-w {path}, or name a folder of kerfd's own)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{make, refuse_exposed};

    #[test]
    fn only_new_folders_get_rights_and_open_ones_are_refused() {
        let world = tempfile::tempdir().expect("a folder");
        let mode = |path: &std::path::Path| {
            let found = fs::metadata(path).expect("the folder").permissions();
            found.mode() & 0o7777
        };
        let state = world.path().join("a/state");
        make(&state, 0o700).expect("a new one");
        assert_eq!(mode(&state), 0o700);
        refuse_exposed(&state).expect("its own");
        for (open, refused) in [(0o755, false), (0o775, true), (0o1777, true)] {
            fs::set_permissions(&state, Permissions::from_mode(open)).expect("chmod");
            make(&state, 0o700).expect("it is there");
            assert_eq!(mode(&state), open);
            assert_eq!(refuse_exposed(&state).is_err(), refused, "{open:o}");
        }
        let file = world.path().join("file");
        fs::write(&file, "").expect("a file");
        make(&file, 0o700).expect_err("no folder");
    }
}
