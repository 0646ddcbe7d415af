//! The Linux part: namespaces, cgroup limits, device rules, hidden paths.

use serde_json::{Map, Value, json};

use super::super::container::cgroup;
use super::super::policy::Admitted;
use super::{Recipe, seccomp};

/// Length of the period in which a container may use its CPU quota, in microseconds: the kernel's
/// default. The quota of a thousandth of a CPU is a thousandth of it.
const CPU_PERIOD_US: u64 = 100_000;

/// Devices that every program expects: (major, minor), `None` for all minors. Sources:
/// OCI runtime-spec, "Default Devices", and the kernel's `devices.txt`.
const DEVICES: [(u32, Option<u32>); 9] = [
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(1)), // console
    (5, Some(2)), // ptmx
    (136, None),  // terminals of /dev/pts
];

/// Files of the kernel that tell or change what is not the container's: containerd's list.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Files of the kernel that may be read: containerd's list.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

pub(super) fn linux(recipe: &Recipe<'_>) -> Value {
    json!({
        "cgroupsPath": cgroup::path(recipe.container),
        "namespaces": namespaces(recipe.admitted),
        "resources": resources(recipe.admitted),
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "seccomp": seccomp::profile(),
    })
}

/// A network namespace of its own has a loopback and nothing else.
fn namespaces(admitted: &Admitted) -> Vec<Value> {
    let own = ["pid", "ipc", "uts", "mount", "cgroup"];
    let network = (!admitted.host_network).then_some("network");
    own.into_iter()
        .chain(network)
        .map(|kind| json!({ "type": kind }))
        .collect()
}

fn resources(admitted: &Admitted) -> Value {
    let mut resources = Map::new();
    resources.insert("devices".to_owned(), json!(device_rules()));
    resources.insert("pids".to_owned(), json!({ "limit": admitted.pids }));
    if let Some(memory) = admitted.memory {
        resources.insert("memory".to_owned(), json!({ "limit": memory.0 }));
    }
    if let Some(milli) = admitted.cpu_milli {
        let quota = milli * CPU_PERIOD_US / 1_000;
        let cpu = json!({ "period": CPU_PERIOD_US, "quota": quota });
        resources.insert("cpu".to_owned(), cpu);
    }
    Value::Object(resources)
}

/// The first rule forbids everything; kerf-runtime adds those of a slice behind the others.
fn device_rules() -> Vec<Value> {
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    rules.extend(DEVICES.iter().map(|(major, minor)| {
        let mut rule = json!({ "allow": true, "type": "c", "major": major, "access": "rwm" });
        if let (Some(minor), Some(fields)) = (minor, rule.as_object_mut()) {
            fields.insert("minor".to_owned(), json!(minor));
        }
        rule
    }));
    rules
}
