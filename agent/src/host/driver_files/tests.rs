//! Trees as installers leave them, and what a container gets of each.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::find;

fn file(root: &Path, inside: &str) {
    let path = root.join(inside);
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    fs::write(path, inside).expect("a file");
}

fn link(root: &Path, inside: &str, target: &str) {
    let path = root.join(inside);
    fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    symlink(target, path).expect("a link");
}

/// `place in the container < file under the root`, with what sets a mount apart from a read-only file.
fn shown(root: &Path, version: &str) -> String {
    let lines = find(root, version).into_iter().map(|mount| {
        let source = mount.source.strip_prefix(root).expect("under the root");
        let noexec = mount.options.iter().any(|word| word == "noexec");
        let noexec = if noexec { " noexec" } else { "" };
        format!(
            "{} < {}{noexec}\n",
            mount.destination.display(),
            source.display()
        )
    });
    lines.collect()
}

#[test]
fn an_installation_gives_its_own_release_under_all_of_its_names() {
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    let lib = "usr/lib64";
    for name in [
        "libcuda.so.590.48",
        "libcuda.so.535.1",
        "libnvidia-nvvm.so.590.48",
        "libfoo.so.2",
    ] {
        file(root, &format!("{lib}/{name}"));
    }
    link(root, &format!("{lib}/libcuda.so.1"), "libcuda.so.590.48");
    link(root, &format!("{lib}/libcuda.so"), "libcuda.so.1");
    link(
        root,
        &format!("{lib}/libnvidia-nvvm.so.4"),
        "libnvidia-nvvm.so.590.48",
    );
    link(root, &format!("{lib}/libold.so.1"), "libcuda.so.535.1");
    file(root, "usr/bin/nvidia-smi");
    file(root, "usr/bin/nvidia-modprobe");
    file(root, "lib/firmware/nvidia/590.48/gsp_ga10x.bin");
    file(root, "lib/firmware/nvidia/535.1/gsp_ga10x.bin");
    file(root, "etc/OpenCL/vendors/nvidia.icd");
    file(root, "run/nvidia-persistenced/socket");
    insta::assert_snapshot!(shown(root, "590.48"), @"
    /etc/OpenCL/vendors/nvidia.icd < etc/OpenCL/vendors/nvidia.icd
    /lib/firmware/nvidia/590.48/gsp_ga10x.bin < lib/firmware/nvidia/590.48/gsp_ga10x.bin
    /usr/bin/nvidia-smi < usr/bin/nvidia-smi
    /usr/lib64/libcuda.so < usr/lib64/libcuda.so.590.48
    /usr/lib64/libcuda.so.1 < usr/lib64/libcuda.so.590.48
    /usr/lib64/libcuda.so.590.48 < usr/lib64/libcuda.so.590.48
    /usr/lib64/libnvidia-nvvm.so.4 < usr/lib64/libnvidia-nvvm.so.590.48
    /usr/lib64/libnvidia-nvvm.so.590.48 < usr/lib64/libnvidia-nvvm.so.590.48
    ");
    // What has a daemon's name and is no socket is none; one that is comes without the right to execute.
    fs::remove_file(root.join("run/nvidia-persistenced/socket")).expect("removed");
    let _socket =
        UnixListener::bind(root.join("run/nvidia-persistenced/socket")).expect("a socket");
    let shown = shown(root, "535.1");
    assert!(
        shown.contains("/run/nvidia-persistenced/socket < run/nvidia-persistenced/socket noexec\n"),
        "{shown}"
    );
    assert!(
        shown.contains("/usr/lib64/libold.so.1 < usr/lib64/libcuda.so.535.1\n"),
        "{shown}"
    );
    assert!(!shown.contains("590"), "{shown}");
}

/// Debian keeps releases apart and leads to one of them by two links, of which one is absolute.
#[test]
fn links_of_an_installation_in_a_folder_stay_in_it() {
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    let lib = "usr/lib/x86_64-linux-gnu";
    file(root, &format!("{lib}/nvidia/current/libcuda.so.535.1"));
    link(
        root,
        &format!("{lib}/nvidia/current/libcuda.so.1"),
        "libcuda.so.535.1",
    );
    link(
        root,
        &format!("{lib}/libcuda.so.1"),
        "/etc/alternatives/libcuda.so.1",
    );
    link(
        root,
        "etc/alternatives/libcuda.so.1",
        &format!("/{lib}/nvidia/current/libcuda.so.1"),
    );
    link(
        root,
        &format!("{lib}/libnvidia-ml.so.1"),
        "../../../../../../../../etc/passwd",
    );
    link(root, &format!("{lib}/libloop.so.1"), "libloop.so.1");
    link(root, "usr/bin/nvidia-smi", "/etc/alternatives/nvidia-smi");
    insta::assert_snapshot!(shown(root, "535.1"), @"
    /usr/lib/x86_64-linux-gnu/libcuda.so.1 < usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.535.1
    /usr/lib/x86_64-linux-gnu/libcuda.so.535.1 < usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.535.1
    ");
    assert_eq!(shown(&root.join("nowhere"), "535.1"), "");
}
