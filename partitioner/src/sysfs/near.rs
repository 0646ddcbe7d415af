//! Which NUMA node a device is next to, by what its folder says and by the folders above it.
//!
//! Firmware often leaves `numa_node` at -1, and sometimes names a node that does not exist: both are no answer, and
//! the local CPUs are asked next, then what is above. Owns that order; reads no list of nodes itself.

use std::cell::RefCell;
use std::collections::HashMap;

use kerf_types::inventory::NumaNode;

use super::cpus::CpuSet;
use super::{Folder, Reader};

/// The nodes that are online, with their CPUs, and what was found out about folders.
#[derive(Debug)]
pub struct Nodes {
    online: Vec<(u32, Option<CpuSet>)>,
    /// By canonical path: a bridge is asked once, however many functions hang below it.
    known: RefCell<HashMap<String, Option<u32>>>,
}

impl Nodes {
    /// From the host's nodes.
    pub fn new(nodes: &[NumaNode]) -> Self {
        let cpus = |node: &NumaNode| CpuSet::from_list(node.cpus.as_ref()?);
        Self {
            online: nodes.iter().map(|node| (node.id, cpus(node))).collect(),
            known: RefCell::default(),
        }
    }

    /// The node that a device's own folder speaks for: the one it names, else the only one that has its local CPUs.
    pub fn of_folder(&self, folder: &Folder<'_, '_>) -> Option<u32> {
        self.told(folder)
            .or_else(|| self.by_local_cpus(&local_cpus(folder)?))
    }

    /// As [`Nodes::of_folder`], of a folder with that canonical path, which is empty where it is not known.
    pub fn of_device(&self, folder: &Folder<'_, '_>, path: &str) -> Option<u32> {
        let node = self.of_folder(folder);
        if !path.is_empty() {
            self.known.borrow_mut().insert(path.to_owned(), node);
        }
        node
    }

    /// What the nearest folder above a canonical path says, up to `/sys/devices`.
    pub fn above(&self, reader: &Reader<'_>, path: &str) -> Option<u32> {
        folders_above(path).find_map(|path| self.of_path(reader, path))
    }

    /// As [`Nodes::of_folder`], of the folder at a canonical path.
    pub fn of_path(&self, reader: &Reader<'_>, path: &str) -> Option<u32> {
        if let Some(node) = self.known.borrow().get(path) {
            return *node;
        }
        let folder = Folder::open(reader, path.to_owned());
        let node = folder.and_then(|folder| self.of_folder(&folder));
        self.known.borrow_mut().insert(path.to_owned(), node);
        node
    }

    fn told(&self, folder: &Folder<'_, '_>) -> Option<u32> {
        const FILE: &str = "numa_node";
        let node: i64 = folder.number(FILE)?;
        // The kernel's word for "nobody told me".
        if node == -1 {
            return None;
        }
        let online = self.online.iter().find(|(id, _)| i64::from(*id) == node);
        match online {
            Some((id, _)) => Some(*id),
            None => folder.odd(FILE, format_args!("names node {node}, which is not online")),
        }
    }

    fn by_local_cpus(&self, local: &CpuSet) -> Option<u32> {
        let has_unknown = self.online.iter().any(|(_, cpus)| cpus.is_none());
        let known = |(id, cpus): &'_ (u32, Option<CpuSet>)| Some((*id, cpus.clone()?));
        let all = self.online.iter().filter_map(known);
        let mut near = all.filter(|(_, cpus)| cpus.overlaps(local));
        // CPUs of several nodes mean that the kernel did not know either. Those of none that is known may be of one
        // whose CPUs nobody told.
        match (near.next(), near.next()) {
            (Some((id, cpus)), None) => {
                (!has_unknown || local.without(&cpus).is_empty()).then_some(id)
            }
            _ => None,
        }
    }
}

fn local_cpus(folder: &Folder<'_, '_>) -> Option<CpuSet> {
    let list = folder.parsed("local_cpulist", "a list of CPUs", CpuSet::from_list);
    // Old kernels have the mask alone.
    list.or_else(|| folder.parsed("local_cpus", "a mask of CPUs", CpuSet::from_mask))
}

/// The folders above a canonical path that stand for devices, the nearest first.
pub fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    let parent = |folder: &str| folder.rfind('/').and_then(|at| path.get(..at));
    std::iter::successors(parent(path), move |folder| parent(folder))
        .take_while(|folder| folder.starts_with("/sys/devices/"))
}
