//! The mounts of a job: the kernel's file systems, then the volumes that the policy admitted.

use std::path::Path;

use serde_json::{Value, json};

use super::super::gang::HOSTFILE;
use super::super::policy::{Admitted, Mount};
use super::Recipe;

pub(super) fn mounts(recipe: &Recipe<'_>) -> Vec<Value> {
    let admitted = recipe.admitted;
    let file = |target: &str, source: &Path| {
        let options = ["rbind", "rprivate", "ro", "nosuid", "nodev", "noexec"];
        mount(target, "bind", &source.display().to_string(), &options)
    };
    let mut mounts = kernel_mounts(admitted);
    if admitted.host_network {
        // Names are resolved as the host resolves them, since its network is used.
        let hosts = recipe.gang.map(|files| files.hosts.as_path());
        let hosts = hosts.unwrap_or(Path::new("/etc/hosts"));
        mounts.push(file("/etc/hosts", hosts));
        mounts.push(file("/etc/resolv.conf", Path::new("/etc/resolv.conf")));
    }
    if let Some(files) = recipe.gang {
        mounts.push(file(HOSTFILE, &files.hostfile));
    }
    mounts.extend(admitted.mounts.iter().map(volume));
    mounts
}

fn kernel_mounts(admitted: &Admitted) -> Vec<Value> {
    let shm_size = admitted
        .memory
        .map(|memory| format!("size={}", memory.0))
        // Half of the host's memory, the kernel's own default for a tmpfs.
        .unwrap_or_else(|| "size=50%".to_owned());
    let shm = ["nosuid", "noexec", "nodev", "mode=1777", &shm_size];
    let plain = ["nosuid", "noexec", "nodev"];
    let pts = [
        "nosuid",
        "noexec",
        "newinstance",
        "ptmxmode=0666",
        "mode=0620",
        "gid=5",
    ];
    vec![
        mount("/proc", "proc", "proc", &plain),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/dev/pts", "devpts", "devpts", &pts),
        // Data loaders pass batches through it, and the 64 MiB that other engines give end many a
        // training run; its pages count against the container's memory limit in any case.
        mount("/dev/shm", "tmpfs", "shm", &shm),
        mount("/dev/mqueue", "mqueue", "mqueue", &plain),
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", "ro"],
        ),
        mount(
            "/run",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
    ]
}

fn volume(volume: &Mount) -> Value {
    let access = if volume.writable { "rw" } else { "ro" };
    // Without set-user-id programs and devices: who may write to the volume elsewhere gains nothing in
    // the container. The other way round no option helps: what a job leaves in the volume is on the host
    // what its owner and mode say, so root is kept from writing there (`policy::check_root`).
    let options = ["rbind", "rprivate", "nosuid", "nodev", access];
    mount(
        &volume.target,
        "bind",
        &volume.source.display().to_string(),
        &options,
    )
}

fn mount(target: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({ "destination": target, "type": kind, "source": source, "options": options })
}
