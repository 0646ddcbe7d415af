//! The lists of a container's cgroup and of those below it, in the files of the devices controller.
//!
//! A group below is made with the list of the one above and does not hear of what that is allowed later; what is denied
//! above is denied below too (kernel: `Documentation/admin-guide/cgroup-v1/devices.rst`). So what a container gets is
//! written into its own group first and then into those below that have all the container has. One that has less was
//! fenced in by somebody in the container, an engine or a systemd in there, and stays as it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::control::{self, RuleError};
use super::rules::{List, Numbers, line};
use super::{AttachError, Node};

/// Most groups of a container that are looked at. A systemd has some hundred; more is an attempt to keep kerfd busy.
const MOST_GROUPS: usize = 4_096;

/// The lists of one container.
#[derive(Debug)]
pub struct Lists {
    top: PathBuf,
    /// What containers are given while they run, which tells nothing of who was fenced in.
    given: BTreeSet<Numbers>,
}

impl Lists {
    /// Those of the container with this cgroup, which is given these while it runs.
    pub fn at(top: &Path, given: BTreeSet<Numbers>) -> Self {
        let top = top.to_owned();
        Self { top, given }
    }

    /// The list of its own group.
    pub fn own(&self) -> Result<List, AttachError> {
        read(&self.top)
    }

    /// Allows these in its group and in those below that follow it, and reads back that they are.
    pub fn allow(&self, nodes: &[Node]) -> Result<(), AttachError> {
        for (folder, list) in self.followers()? {
            for node in nodes.iter().filter(|node| !list.allows(node.numbers)) {
                self.allow_in(&folder, node)?;
            }
        }
        match self.missing(nodes)? {
            0 => Ok(()),
            missing => Err(AttachError::Differs {
                folder: self.top.clone(),
                what: format!("{missing} rules are missing"),
            }),
        }
    }

    fn allow_in(&self, folder: &Path, node: &Node) -> Result<(), AttachError> {
        let written = write(folder, "devices.allow", node.numbers);
        match written {
            Err(error) if error.is_forbidden() => Err(AttachError::Kept {
                folder: folder.to_owned(),
                node: node.path.clone(),
            }),
            // One below may have gone meanwhile.
            Err(_) if folder != self.top && !folder.exists() => Ok(()),
            other => Ok(other?),
        }
    }

    /// How many rules of these its group and those that follow it lack.
    pub fn missing(&self, nodes: &[Node]) -> Result<usize, AttachError> {
        let groups = self.followers()?;
        let lacks = |list: &List| nodes.iter().filter(|one| !list.allows(one.numbers)).count();
        Ok(groups.iter().map(|(_, list)| lacks(list)).sum())
    }

    /// Denies these in its group, which denies them below as well, and reads back that they are.
    pub fn deny(&self, numbers: &[Numbers]) -> Result<(), AttachError> {
        for one in numbers {
            write(&self.top, "devices.deny", *one)?;
        }
        for folder in self.groups() {
            let Ok(list) = read(&folder) else {
                continue;
            };
            for one in numbers.iter().filter(|one| list.allows(**one)) {
                write(&folder, "devices.deny", *one)?;
                if read(&folder)?.allows(*one) {
                    let what = format!("{:?} is allowed still", line(*one));
                    return Err(AttachError::Differs { folder, what });
                }
            }
        }
        Ok(())
    }

    /// Its own group, and each below that has all that the one above it has, but for what they are given.
    fn followers(&self) -> Result<Vec<(PathBuf, List)>, AttachError> {
        let mut found = vec![(self.top.clone(), self.own()?)];
        let mut at = 0;
        while let Some((folder, list)) = found.get(at).cloned() {
            at += 1;
            for below in folders_in(&folder) {
                // One that has gone has no list.
                if let Ok(own) = read(&below)
                    && own.follows(&list, &self.given)
                    && found.len() < MOST_GROUPS
                {
                    found.push((below, own));
                }
            }
        }
        Ok(found)
    }

    /// Its own group and every one below.
    fn groups(&self) -> Vec<PathBuf> {
        groups(&self.top)
    }
}

/// The processes in a group and below it; `None` where it has more groups than are looked at.
pub fn members(top: &Path) -> Option<BTreeSet<u32>> {
    let groups = groups(top);
    if groups.len() >= MOST_GROUPS {
        return None;
    }
    let texts = groups.into_iter().filter_map(|folder| {
        let file = folder.join("cgroup.procs");
        fs::read_to_string(file).ok()
    });
    let mut pids = BTreeSet::new();
    for text in texts {
        pids.extend(
            text.lines()
                .filter_map(|line| line.trim().parse::<u32>().ok()),
        );
    }
    Some(pids)
}

fn groups(top: &Path) -> Vec<PathBuf> {
    let mut found = vec![top.to_owned()];
    let mut at = 0;
    while let Some(folder) = found.get(at).cloned() {
        at += 1;
        let room = MOST_GROUPS.saturating_sub(found.len());
        found.extend(folders_in(&folder).into_iter().take(room));
    }
    found
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

fn read(folder: &Path) -> Result<List, AttachError> {
    let text = control::read(&folder.join("devices.list"))?;
    Ok(List::parse(&text))
}

fn write(folder: &Path, name: &str, numbers: Numbers) -> Result<(), RuleError> {
    control::write(folder, name, &line(numbers))
}
