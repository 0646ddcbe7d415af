//! Nodes of the DRM subsystem that belong to a GPU, `/dev/dri/card<n>` and `/dev/dri/renderD<n>`.
//!
//! They open the whole GPU, past any slice, so they go with whole GPUs alone. Owns which ones they are: the kernel names
//! them in the folder `drm` of the PCI function (Documentation/ABI/testing/sysfs-class-drm, and the names of the DRM
//! minors). Never opens one.

use std::fs;
use std::path::{Path, PathBuf};

use kerf_types::PciAddress;

/// Paths of the nodes of the GPU at `pci`, as they are called in `/dev`; none where no DRM driver serves it, or where
/// the host has no nodes of it.
pub fn nodes(sysroot: &Path, pci: PciAddress) -> Vec<PathBuf> {
    let folder = sysroot.join(format!("sys/bus/pci/devices/{pci}/drm"));
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut nodes: Vec<PathBuf> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| is_minor(name))
        .map(|name| Path::new("/dev/dri").join(name))
        .filter(|path| {
            let inside = path.strip_prefix("/").unwrap_or(path);
            sysroot.join(inside).symlink_metadata().is_ok()
        })
        .collect();
    nodes.sort();
    nodes
}

/// A card or a render node; connectors (`card0-DP-1`) and the old control nodes are none.
fn is_minor(name: &str) -> bool {
    let number = ["card", "renderD"]
        .iter()
        .find_map(|kind| name.strip_prefix(kind));
    number.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_and_render_nodes_that_the_host_has() {
        let root = tempfile::tempdir().expect("a folder");
        let drm = root.path().join("sys/bus/pci/devices/0000:1b:00.0/drm");
        let dev = root.path().join("dev/dri");
        for name in [
            "card1",
            "renderD129",
            "card1-DP-1",
            "controlD65",
            "renderD130",
        ] {
            fs::create_dir_all(drm.join(name)).expect("a folder");
        }
        fs::create_dir_all(&dev).expect("a folder");
        for name in ["card0", "card1", "renderD128", "renderD129"] {
            fs::write(dev.join(name), "").expect("a file");
        }
        let pci = "0000:1b:00.0".parse().expect("an address");
        let expected = ["/dev/dri/card1", "/dev/dri/renderD129"].map(PathBuf::from);
        assert_eq!(nodes(root.path(), pci), expected);
        let other = "0000:1c:00.0".parse().expect("an address");
        assert_eq!(nodes(root.path(), other), Vec::<PathBuf>::new());
    }
}
