//! Small trees of kernel files, written as one text, and what must hold of what is read from them.
//!
//! ```text
//! = /sys/devices/system/node/node0/cpulist      the lines that follow are the file's
//! 0-3
//! > /sys/bus/pci/devices/0000:17:00.0 ../../../devices/pci0000:15/0000:17:00.0      a link
//! ! /sys/bus/pci/devices/0000:17:00.0/vendor EIO      a file that does not read
//! ```
//! What no kernel has is left out: a name that is a file and a folder, a path with `..` in it.

mod amd;
mod memory;
mod sysfs;
mod vgpu;

use std::collections::BTreeMap;

use nix::errno::Errno;

pub use amd::amd_tree;
pub use sysfs::sysfs_tree;
pub use vgpu::vgpu_tree;

/// Longest text that is looked at; a GPU of the simulator takes a few KiB.
const LIMIT: usize = 32 << 10;
/// Most parts of a path.
const PARTS: usize = 24;
const PART: usize = 255;

/// The files and links of a tree by their paths; folders are what has something below it.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file that reads.
    File(Vec<u8>),
    /// A link.
    Link(String),
    /// A file that does not.
    Fault(Errno),
}

impl Tree {
    /// Reads a text; lines before the first path are nobody's.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut tree = Self::default();
        let mut file: Option<(String, Vec<u8>)> = None;
        let bytes = bytes.get(..LIMIT).unwrap_or(bytes);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match Self::head(line) {
                None => {
                    if let Some((_, content)) = &mut file {
                        content.extend_from_slice(line);
                    }
                }
                Some((path, node)) => {
                    tree.add(file.take());
                    match node {
                        Node::File(_) => file = Some((path, Vec::new())),
                        other => drop(tree.put(path, other)),
                    }
                }
            }
        }
        tree.add(file);
        tree
    }

    fn head(line: &[u8]) -> Option<(String, Node)> {
        let line = std::str::from_utf8(line).ok()?.trim_end();
        let (mark, rest) = line.split_once(' ')?;
        let (path, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let node = match mark {
            "=" => Node::File(Vec::new()),
            ">" if !more.is_empty() => Node::Link(more.to_owned()),
            "!" => Node::Fault(errno(more)?),
            _ => return None,
        };
        path.starts_with('/').then(|| (path.to_owned(), node))
    }

    fn add(&mut self, file: Option<(String, Vec<u8>)>) {
        if let Some((path, content)) = file {
            self.put(path, Node::File(content));
        }
    }

    /// Whether there is room for it.
    fn put(&mut self, path: String, node: Node) -> bool {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let odd = |part: &&str| {
            matches!(*part, "" | "." | "..") || part.len() > PART || part.contains('\0')
        };
        let above = path.match_indices('/').skip(1);
        let below_file = above
            .into_iter()
            .any(|(at, _)| self.nodes.contains_key(&path[..at]));
        if parts.len() > PARTS || parts.iter().any(odd) || below_file || self.is_folder(&path) {
            return false;
        }
        self.nodes.entry(path).or_insert(node);
        true
    }

    /// Whether something lies below a path.
    fn is_folder(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let mut next = self.nodes.range(below.clone()..);
        next.next()
            .is_some_and(|(found, _)| found.starts_with(&below))
    }

    /// All of it.
    fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }
}

fn errno(name: &str) -> Option<Errno> {
    let known = [
        ("EACCES", Errno::EACCES),
        ("EBUSY", Errno::EBUSY),
        ("EINVAL", Errno::EINVAL),
        ("EIO", Errno::EIO),
        ("ENODEV", Errno::ENODEV),
        ("EPERM", Errno::EPERM),
    ];
    let found = known.into_iter().find(|(word, _)| *word == name);
    found.map(|(_, errno)| errno)
}
