//! Blockers in a made-up root.

use kerf_types::inventory::GpuProcess;

use super::blockers;
use crate::host::fixture;

#[test]
fn what_holds_a_gpu_is_named() {
    let root = tempfile::tempdir().expect("a folder");
    let mut gpu = fixture::gpu(0);
    assert!(blockers(root.path(), &gpu).is_empty());
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("proc/4242/comm", "python3\n");
    write("proc/77/comm", "nvidia-persiste\n");
    write("proc/78/comm", "sshd\n");
    write(
        "proc/modules",
        "nvidia_uvm 1 0 - Live 0x0\nnvidia_drm 2 0 - Live 0x0\n",
    );
    let process = |pid, gi| GpuProcess {
        pid,
        memory: None,
        gi,
        ci: None,
    };
    gpu.processes = vec![process(4_242, None)];
    assert_eq!(
        blockers(root.path(), &gpu),
        [
            "process 4242 (python3)",
            "the persistence daemon nvidia-persistenced (process 77)",
            "the kernel module nvidia_drm, which is loaded",
        ]
    );
}
