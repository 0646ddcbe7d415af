//! Where a path leads: through the links that the kernel shows, and those of the parts that do not change.

use std::collections::VecDeque;

use super::tree::join;
use super::{Backing, Entry, Errno, Kernel, View};

/// Links that one path may go through, as Linux has it.
const LINK_LIMIT: u32 = 40;

impl Kernel {
    /// The path below `/` without links; the last one is followed only where that is asked for. What is not
    /// there resolves to itself: the caller finds out.
    pub(super) fn resolve(
        &self,
        view: &View,
        path: &str,
        follow_last: bool,
    ) -> Result<String, Errno> {
        let mut left: VecDeque<String> = join(&[], path).into();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop_front() {
            done.push(part);
            if left.is_empty() && !follow_last {
                break;
            }
            let Some(Entry::Link(target)) = self.entry(view, &done.join("/")) else {
                continue;
            };
            links += 1;
            if links > LINK_LIMIT {
                return Err(Errno::ELOOP);
            }
            done.pop();
            let led = join(&done, &target);
            for part in led.into_iter().rev() {
                left.push_front(part);
            }
            done.clear();
        }
        Ok(done.join("/"))
    }

    /// What is at a path whose folders have no links.
    pub(super) fn entry(&self, view: &View, path: &str) -> Option<Entry> {
        if let Some(entry) = view.get(path) {
            return Some(entry.clone());
        }
        match &self.backing {
            Backing::Disk(disk) => disk.fixed(path),
            Backing::Memory(_, fixed) => fixed.get(path).cloned(),
        }
    }

    pub(super) fn fixed_bytes(&self, path: &str) -> Result<Vec<u8>, Errno> {
        match &self.backing {
            Backing::Disk(disk) => disk.fixed_bytes(path),
            Backing::Memory(_, fixed) => match fixed.get(path) {
                Some(Entry::File(bytes, _)) => Ok(bytes.clone()),
                Some(_) => Err(Errno::EISDIR),
                None => Err(Errno::ENOENT),
            },
        }
    }

    pub(super) fn fixed_names(&self, path: &str) -> Result<Vec<String>, Errno> {
        match &self.backing {
            Backing::Disk(disk) => disk.fixed_names(path),
            Backing::Memory(_, fixed) => match fixed.get(path) {
                Some(Entry::Folder) => Ok(fixed.names(path).into_iter().collect()),
                Some(_) => Err(Errno::ENOTDIR),
                None => Err(Errno::ENOENT),
            },
        }
    }
}
