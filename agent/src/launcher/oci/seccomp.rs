//! System calls that no job has a use for and that have been ways out of containers.
//!
//! A list of what is forbidden and not of what is allowed: drivers, CUDA and MPI come with system
//! calls that a list of allowed ones forgets. Some of these need a capability that jobs do not have
//! anyway; they stand here as a second lock.

use serde_json::{Value, json};

/// `EPERM`: the answer that a program knows from being unprivileged.
const EPERM: u32 = 1;

/// `ENOSYS`: makes the C library fall back from `clone3`, whose flags a filter cannot see, to `clone`.
const ENOSYS: u32 = 38;

/// `CLONE_NEWUSER` (`linux/sched.h`): in a user namespace of its own a process has every capability,
/// and most holes of the kernel in the last years began there. The other namespaces need a
/// capability that jobs do not have.
const NEW_USER: u32 = 0x1000_0000;

/// Forbidden whatever their arguments are.
const FORBIDDEN: &[&str] = &[
    "acct",
    "add_key",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mount",
    "mount_setattr",
    "move_mount",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "stime",
    "swapoff",
    "swapon",
    "umount",
    "umount2",
    "userfaultfd",
];

pub(super) fn profile() -> Value {
    let forbidden = json!({
        "names": FORBIDDEN,
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": EPERM,
    });
    let clone3 = json!({
        "names": ["clone3"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": ENOSYS,
    });
    let user_namespace = json!({
        "names": ["clone", "unshare"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": EPERM,
        "args": [{ "index": 0, "value": NEW_USER, "valueTwo": NEW_USER, "op": "SCMP_CMP_MASKED_EQ" }],
    });
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": architectures(),
        "syscalls": [forbidden, clone3, user_namespace],
    })
}

/// The native architecture and those whose programs its kernel runs as well: a call by another
/// entry point would else pass the filter unseen, or kill a 32-bit program.
fn architectures() -> &'static [&'static str] {
    if cfg!(target_arch = "x86_64") {
        &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    } else if cfg!(target_arch = "aarch64") {
        &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    } else {
        &[]
    }
}
