//! Which files of NVIDIA's driver a container gets: libraries, programs, firmware, sockets of its daemons, and the
//! documents by which loaders of OpenGL, Vulkan and OpenCL find it.
//!
//! Owns the search under the driver's root, where a file of another release than the one that is loaded is none of
//! ours. Never opens a file and never runs one: a library's short names are the links beside it, which `ldconfig` and
//! the driver's installer have made on the host. Each file gets a mount of its own, in the folder that it has on the
//! host, so no cache of the container's loader has to be made anew for it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use kerf_runtime::frame::MountEntry;

use super::Host;

/// Where drivers install libraries, relative to the root: Debian's folders by architecture, and those of the others.
const LIBRARY_FOLDERS: [&str; 4] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
];

/// Folders within those in which parts of the driver lie: Debian keeps all releases apart, VDPAU loads from its own.
const LIBRARY_PARTS: [&str; 3] = ["", "nvidia/current", "vdpau"];

/// Programs of the driver that are of use in a container. `nvidia-modprobe` is setuid and makes nodes: not that one.
const PROGRAMS: [&str; 7] = [
    "nvidia-smi",
    "nvidia-debugdump",
    "nvidia-persistenced",
    "nvidia-cuda-mps-control",
    "nvidia-cuda-mps-server",
    "nvidia-imex",
    "nvidia-imex-ctl",
];

const PROGRAM_FOLDERS: [&str; 2] = ["usr/bin", "usr/local/bin"];

/// Sockets of the driver's daemons. A program in a container talks to the host's daemon, or finds none.
const SOCKETS: [&str; 2] = [
    "run/nvidia-persistenced/socket",
    "run/nvidia-fabricmanager/socket",
];

/// What the loaders of graphics and OpenCL read.
const DOCUMENTS: [&str; 8] = [
    "etc/OpenCL/vendors/nvidia.icd",
    "etc/vulkan/icd.d/nvidia_icd.json",
    "etc/vulkan/implicit_layer.d/nvidia_layers.json",
    "usr/share/egl/egl_external_platform.d/10_nvidia_wayland.json",
    "usr/share/egl/egl_external_platform.d/15_nvidia_gbm.json",
    "usr/share/glvnd/egl_vendor.d/10_nvidia.json",
    "usr/share/vulkan/icd.d/nvidia_icd.json",
    "usr/share/vulkan/implicit_layer.d/nvidia_layers.json",
];

/// Where the kernel looks for firmware, the place of a release below it.
const FIRMWARE_FOLDERS: [&str; 2] = ["lib/firmware/nvidia", "usr/lib/firmware/nvidia"];

/// Links that are followed from one name to its file; Debian's alternatives take two.
const LINKS: usize = 8;

const FILE: [&str; 4] = ["ro", "nosuid", "nodev", "bind"];
const SOCKET: [&str; 5] = ["ro", "nosuid", "nodev", "noexec", "bind"];

impl Host {
    /// Looks for the files of the driver that is loaded.
    pub(super) fn find_driver_files(&mut self) {
        if let Some(driver) = &self.inventory.driver {
            let root = &self.config.paths.driver_root;
            self.driver_files = find(root, &driver.version);
        }
    }
}

/// A mount for every file of the driver `version` under `root`, in the order of their places in the container.
pub fn find(root: &Path, version: &str) -> Vec<MountEntry> {
    let mut found = BTreeMap::new();
    for folder in LIBRARY_FOLDERS {
        for part in LIBRARY_PARTS {
            add_libraries(root, Path::new(folder), part, version, &mut found);
        }
    }
    let programs = PROGRAM_FOLDERS
        .iter()
        .flat_map(|folder| PROGRAMS.map(|name| Path::new(folder).join(name)));
    let documents = DOCUMENTS.iter().map(PathBuf::from);
    for inside in programs.chain(documents) {
        if let Some(source) = followed(root, &inside).filter(|path| path.is_file()) {
            found.insert(Path::new("/").join(inside), (source, &FILE[..]));
        }
    }
    add_firmware(root, version, &mut found);
    for inside in SOCKETS {
        let is_socket = |path: &PathBuf| {
            fs::symlink_metadata(path).is_ok_and(|facts| facts.file_type().is_socket())
        };
        if let Some(source) = followed(root, Path::new(inside)).filter(is_socket) {
            found.insert(Path::new("/").join(inside), (source, &SOCKET[..]));
        }
    }
    let mount = |(destination, (source, options)): (PathBuf, (PathBuf, &[&str]))| MountEntry {
        source,
        destination,
        options: options.iter().map(|word| (*word).to_owned()).collect(),
        kind: "bind".to_owned(),
    };
    found.into_iter().map(mount).collect()
}

type Found<'f> = BTreeMap<PathBuf, (PathBuf, &'f [&'f str])>;

/// The libraries of one folder: each under its own name, and under the names of the links that lead to it. Those that
/// Debian keeps in a folder by release are found by the loader in the folder above.
fn add_libraries(root: &Path, folder: &Path, part: &str, version: &str, found: &mut Found<'_>) {
    let inside = folder.join(part);
    let shown = match part {
        "nvidia/current" => folder,
        _ => &inside,
    };
    let Ok(entries) = fs::read_dir(root.join(&inside)) else {
        return;
    };
    let ending = format!(".so.{version}");
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(text) = name.to_str().filter(|name| name.starts_with("lib")) else {
            continue;
        };
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        // A link is a name of a library if that is what it leads to: its own says no release.
        let is_name = is_link && text.contains(".so");
        if !is_name && !text.ends_with(&ending) {
            continue;
        }
        let file = followed(root, &inside.join(&name)).filter(|path| {
            let last = path.file_name().and_then(|last| last.to_str());
            last.is_some_and(|last| last.ends_with(&ending)) && path.is_file()
        });
        if let Some(file) = file {
            let place = Path::new("/").join(shown).join(&name);
            found.entry(place).or_insert((file, &FILE[..]));
        }
    }
}

fn add_firmware(root: &Path, version: &str, found: &mut Found<'_>) {
    for folder in FIRMWARE_FOLDERS {
        let inside = Path::new(folder).join(version);
        let Ok(entries) = fs::read_dir(root.join(&inside)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let is_gsp = name.to_str().is_some_and(|name| name.starts_with("gsp"));
            let file = followed(root, &inside.join(&name)).filter(|path| path.is_file());
            if let Some(file) = file.filter(|_| is_gsp) {
                // One file under one name, also where `/lib` is a link to `/usr/lib`.
                let place = Path::new("/lib/firmware/nvidia").join(version).join(&name);
                found.entry(place).or_insert((file, &FILE[..]));
            }
        }
    }
}

/// The file that a path under `root` leads to, links followed as if `root` were `/`: an installation in a folder of its
/// own must not lead to the host's files. `None` for what is not there, or leads around in a circle.
fn followed(root: &Path, inside: &Path) -> Option<PathBuf> {
    let mut rest: Vec<PathBuf> = parts(inside).rev().collect();
    let mut at = PathBuf::new();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if part == Path::new("..") {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        match fs::read_link(root.join(&next)) {
            Ok(target) => {
                links += 1;
                if links > LINKS {
                    return None;
                }
                if target.is_absolute() {
                    at = PathBuf::new();
                }
                rest.extend(parts(&target).rev());
            }
            Err(_) => at = next,
        }
    }
    let path = root.join(at);
    path.symlink_metadata().ok().map(|_| path)
}

/// The names in a path, and its steps upwards.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = PathBuf> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    })
}
