//! What does not change of a machine with AMD GPUs outside of its GPUs: modules, majors, device nodes. What amdgpu
//! and KFD show under `/sys` follows from the kernel's state.

use super::CreateError;
use super::nodes::{self, Node};
use super::tree::Tree;
use crate::kernel::amd::{Amd, drm_minors};

/// Version of the driver as `/sys/module/amdgpu/version` has it: that of ROCm's packaged driver.
const VERSION: &str = "6.14.14";

/// Writes it; returns whether the nodes are real ones.
pub fn write(tree: &Tree, amd: &Amd) -> Result<bool, CreateError> {
    let (drm, kfd) = (amd.drm_major, amd.kfd_major);
    write_driver(tree, drm, kfd)?;
    tree.folder("dev/dri")?;
    let nodes = drm_minors(amd)
        .into_iter()
        .map(|(name, minor)| -> Node { (format!("dev/dri/{name}"), drm, minor, 0o666) });
    let kfd = ("dev/kfd".to_owned(), kfd, 0, 0o666);
    nodes::make(tree, nodes.chain([kfd]).collect())
}

/// Writes module and majors.
pub fn write_driver(tree: &Tree, drm: u32, kfd: u32) -> Result<(), CreateError> {
    let facts = [
        ("version", VERSION.to_owned()),
        ("initstate", "live".to_owned()),
        ("refcnt", "0".to_owned()),
    ];
    tree.attributes("sys/module/amdgpu", &facts)?;
    tree.folder("proc")?;
    tree.text(
        "proc/modules",
        "amdgpu 19697664 0 - Live 0x0000000000000000\n",
    )?;
    let devices = format!(
        "Character devices:\n  1 mem\n  5 /dev/tty\n{drm} drm\n{kfd} kfd\n\nBlock devices:\n  7 loop\n"
    );
    tree.text("proc/devices", devices)
}
