//! Nodes of an RDMA interface: `/dev/infiniband/uverbs<n>`, and the connection manager's, which all of them share.
//!
//! Owns which ones they are: the kernel names the interface of each in `infiniband_verbs/uverbs<n>/ibdev`
//! (Documentation/ABI/stable/sysfs-class-infiniband). `umad<n>` and `issm<n>` speak for a port to the whole fabric, and go
//! with no container. Never opens a node.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;

/// Where the nodes of interfaces are.
pub const FOLDER: &str = "/dev/infiniband";

/// The connection manager's node. A host without its module has none, and verbs work without.
const MANAGER: &str = "/dev/infiniband/rdma_cm";

/// Longest name of an interface, in bytes (`IB_DEVICE_NAME_MAX` of include/rdma/ib_verbs.h).
const NAME_LIMIT: u64 = 64;

/// Paths of the nodes of the interface of that name, as they are called in `/dev`; none where it has no verbs.
pub fn nodes(sysroot: &Path, name: &str) -> Vec<PathBuf> {
    let class = sysroot.join("sys/class/infiniband_verbs");
    let entries = fs::read_dir(&class).into_iter().flatten().flatten();
    let own = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let own =
        own.filter(|node| is_verbs(node) && interface(&class.join(node)) == Some(name.to_owned()));
    let mut nodes: Vec<PathBuf> = own
        .map(|node| Path::new(FOLDER).join(node))
        .filter(|path| is_there(sysroot, path))
        .collect();
    nodes.sort();
    if !nodes.is_empty() && is_there(sysroot, Path::new(MANAGER)) {
        nodes.push(MANAGER.into());
    }
    nodes
}

fn is_verbs(name: &str) -> bool {
    let number = name.strip_prefix("uverbs");
    number.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

/// The interface of a node. What is in the place of the file may be anything, and is read without waiting.
fn interface(folder: &Path) -> Option<String> {
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = file.open(folder.join("ibdev")).ok()?;
    let mut text = String::new();
    file.take(NAME_LIMIT).read_to_string(&mut text).ok()?;
    Some(text.trim_end().to_owned())
}

fn is_there(sysroot: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix("/").unwrap_or(path);
    sysroot.join(inside).symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(nodes: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        let dev = root.path().join("dev/infiniband");
        fs::create_dir_all(&dev).expect("a folder");
        for (node, name) in nodes {
            let folder = root.path().join("sys/class/infiniband_verbs").join(node);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("ibdev"), format!("{name}\n")).expect("a file");
            fs::write(dev.join(node), "").expect("a file");
        }
        root
    }

    #[test]
    fn an_interface_has_its_own_verbs_and_the_manager() {
        let root = host(&[
            ("uverbs0", "mlx5_1"),
            ("uverbs1", "mlx5_0"),
            ("uverbs2", "mlx5_10"),
            ("abi_version", "mlx5_0"),
        ]);
        let dev = root.path().join("dev/infiniband");
        for name in ["umad1", "issm1"] {
            fs::write(dev.join(name), "").expect("a file");
        }
        let own = |name| {
            let nodes = nodes(root.path(), name).into_iter();
            nodes
                .map(|node| node.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(own("mlx5_0"), ["/dev/infiniband/uverbs1"]);
        fs::write(dev.join("rdma_cm"), "").expect("a file");
        assert_eq!(
            own("mlx5_10"),
            ["/dev/infiniband/uverbs2", "/dev/infiniband/rdma_cm"]
        );
        fs::remove_file(dev.join("uverbs0")).expect("gone");
        assert_eq!(own("mlx5_1"), [""; 0]);
        assert_eq!(own("mlx5_7"), [""; 0]);
    }

    #[test]
    fn what_is_no_name_is_nobodys() {
        let root = host(&[("uverbs0", "")]);
        let file = root.path().join("sys/class/infiniband_verbs/uverbs0/ibdev");
        fs::write(&file, [0xff, 0xfe]).expect("a file");
        assert_eq!(nodes(root.path(), ""), Vec::<PathBuf>::new());
        fs::write(&file, "m".repeat(1 << 20)).expect("a file");
        assert_eq!(nodes(root.path(), "m"), Vec::<PathBuf>::new());
        fs::remove_file(&file).expect("gone");
        let path = std::ffi::CString::new(file.display().to_string()).expect("a path");
        nix::unistd::mkfifo(path.as_c_str(), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert_eq!(nodes(root.path(), "m"), Vec::<PathBuf>::new());
    }
}
