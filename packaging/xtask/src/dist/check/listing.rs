//! Everything that a root holds, to be compared with the same root later.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where a system notes what it did, other after any installation, whatever it was of; and the packages.
const NOTES: [&str; 9] = [
    "packages",
    "proc",
    "run/adduser",
    "run/systemd",
    "tmp",
    "var/lib/dpkg",
    "var/log",
    "var/cache/ldconfig",
    "var/cache/debconf",
];

/// Paths below the root; files of `/etc` with their contents.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing(BTreeMap<PathBuf, Vec<u8>>);

impl Listing {
    /// What is there now.
    pub fn of(root: &Path) -> Result<Self> {
        let mut found = BTreeMap::new();
        walk(root, root, &mut found)?;
        Ok(Self(found))
    }

    /// Fails with what is there now and was not before, is gone, or reads otherwise.
    pub fn ensure_same(&self, now: &Self) -> Result<()> {
        let differs = |(path, content): &(&PathBuf, &Vec<u8>)| self.0.get(*path) != Some(*content);
        let more: Vec<_> = now.0.iter().filter(differs).map(|(path, _)| path).collect();
        let gone = |path: &&PathBuf| !now.0.contains_key(*path);
        let less: Vec<_> = self.0.keys().filter(gone).collect();
        ensure!(more.is_empty(), "new or changed: {more:?}");
        ensure!(less.is_empty(), "gone: {less:?}");
        Ok(())
    }
}

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
    let entries = fs::read_dir(folder);
    for entry in entries.with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let inside = path.strip_prefix(root)?.to_path_buf();
        // The account tools keep the file before the last change beside each.
        let is_backup = inside.starts_with("etc") && inside.to_string_lossy().ends_with('-');
        if is_backup || NOTES.iter().any(|notes| inside.starts_with(notes)) {
            continue;
        }
        let facts = path.symlink_metadata()?;
        let read = facts.is_file() && inside.starts_with("etc");
        let content = if read { fs::read(&path)? } else { Vec::new() };
        found.insert(inside, content);
        if facts.is_dir() {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kerf_tests::Scratch;

    use super::Listing;

    #[test]
    fn what_stays_what_goes_and_what_changes_is_seen() {
        let scratch = Scratch::new("kx").expect("/tmp takes folders");
        let write = |path: &str, text: &str| {
            let path = scratch.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        let now = || Listing::of(scratch.path()).expect("a listing");
        write("etc/group", "root");
        write("usr/bin/sh", "1");
        let before = now();
        write("etc/group-", "noted");
        write("var/log/dpkg.log", "noted");
        std::fs::create_dir_all(scratch.join("var")).expect("made");
        let noted = now();
        before
            .ensure_same(&noted)
            .expect_err("the folder var is new");
        write("usr/bin/sh", "another program is not looked into");
        noted.ensure_same(&now()).expect("only notes");
        write("etc/group", "root kerf");
        let changed = noted.ensure_same(&now()).expect_err("a group more");
        assert_eq!(changed.to_string(), "new or changed: [\"etc/group\"]");
        write("etc/group", "root");
        std::fs::remove_file(scratch.join("usr/bin/sh")).expect("removed");
        let gone = noted.ensure_same(&now()).expect_err("a program less");
        assert_eq!(gone.to_string(), "gone: [\"usr/bin/sh\"]");
    }
}
