//! A tree behind the seam of the partitioner, with the links of a kernel and none of its files.

use kerf_partitioner::systree::{Operation, READ_LIMIT, SysTree, TreeError};
use nix::errno::Errno;

use super::{Node, Tree};

/// Most links on one way: the kernel's own number.
const LINKS: usize = 40;

impl Tree {
    /// Where a path leads. The last part is followed as well where that is asked for.
    fn resolve(&self, path: &str, follow: bool) -> Result<String, Errno> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let (mut at, mut links) = (String::new(), 0);
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.truncate(at.rfind('/').unwrap_or(0));
                    continue;
                }
                name => at = format!("{at}/{name}"),
            }
            match self.nodes.get(&at) {
                Some(Node::Link(target)) if follow || !left.is_empty() => {
                    links += 1;
                    if links > LINKS {
                        return Err(Errno::ELOOP);
                    }
                    let above = at.rfind('/').unwrap_or(0);
                    at.truncate(if target.starts_with('/') { 0 } else { above });
                    left.extend(target.split('/').rev().map(str::to_owned));
                }
                Some(Node::File(_)) if !left.is_empty() => return Err(Errno::ENOTDIR),
                Some(_) => {}
                None if self.is_folder(&at) => {}
                None => return Err(Errno::ENOENT),
            }
        }
        Ok(at)
    }
}

impl SysTree for Tree {
    fn read(&self, path: &str) -> Result<Vec<u8>, TreeError> {
        let refused = |errno| refused(Operation::Read, path, errno);
        let at = self.resolve(path, true).map_err(refused)?;
        match self.nodes.get(&at) {
            Some(Node::File(bytes)) if bytes.len() > READ_LIMIT => Err(TreeError::TooLarge {
                path: path.to_owned(),
                limit: READ_LIMIT,
            }),
            Some(Node::File(bytes)) => Ok(bytes.clone()),
            Some(Node::Fault(errno)) => Err(refused(*errno)),
            Some(Node::Link(_)) => Err(refused(Errno::ELOOP)),
            None => Err(refused(Errno::EISDIR)),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let refused = |errno| refused(Operation::List, path, errno);
        let at = self.resolve(path, true).map_err(refused)?;
        match self.nodes.get(&at) {
            Some(Node::Fault(errno)) => return Err(refused(*errno)),
            Some(_) => return Err(refused(Errno::ENOTDIR)),
            None => {}
        }
        let below = format!("{at}/");
        let inside = self.nodes.range(below.clone()..);
        let inside = inside.map_while(|(found, _)| found.strip_prefix(&below));
        let mut names: Vec<String> = inside
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn write(&self, path: &str, _: &[u8]) -> Result<(), TreeError> {
        // Whoever only looks must not write.
        Err(refused(Operation::OpenToWrite, path, Errno::EROFS))
    }

    fn link(&self, path: &str) -> Result<String, TreeError> {
        let refused = |errno| refused(Operation::Link, path, errno);
        let at = self.resolve(path, false).map_err(refused)?;
        match self.nodes.get(&at) {
            Some(Node::Link(target)) => Ok(target.clone()),
            _ => Err(refused(Errno::EINVAL)),
        }
    }
}

fn refused(operation: Operation, path: &str, errno: Errno) -> TreeError {
    TreeError::Refused {
        operation,
        path: path.to_owned(),
        errno,
    }
}
