//! Nodes whose memory is a GPU's: on POWER9 and Grace the kernel sees it as memory without CPUs.
//!
//! Owns `/proc/driver/nvidia/gpus/<address>/numa_status`, a file that NVIDIA's driver makes only on platforms where
//! GPU memory is a node (`kernel-open/nvidia/nv-procfs.c` of its open kernel modules). Reading it takes the GPU's
//! lock inside the driver and can hang as NVML does, so where the folder is the kernel's it is read by a thread that can be left
//! behind, one at a time. Which addresses there are is asked of the folder alone, which does not enter the driver.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kerf_types::PciAddress;
use nix::fcntl::OFlag;

use crate::sysfs::{Reader, Root};

const GPUS: &str = "proc/driver/nvidia/gpus";
/// How long the driver may take. It answers at once, or holds the lock for as long as a GPU starts or is stuck.
const DEADLINE: Duration = Duration::from_secs(1);
/// Whether a thread is in the driver: a second one would be stuck as well.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// What the driver says of one GPU.
struct Status {
    path: String,
    gpu: PciAddress,
    text: Option<String>,
}

/// The GPU of each node whose memory is one's. `nodes` are the machine's.
pub fn of_nodes(reader: &Reader<'_>, nodes: &[u32]) -> BTreeMap<u32, PciAddress> {
    let mut owners = BTreeMap::new();
    let Some(statuses) = statuses(reader) else {
        let what = "does not answer: which nodes are memory of a GPU is not known";
        reader.odd::<()>(GPUS, what);
        return owners;
    };
    for Status { path, gpu, text } in statuses {
        let Some(text) = text else { continue };
        let Some((node, is_online)) = node_of(&text) else {
            reader.odd::<()>(&path, "does not name the node of the GPU's memory");
            continue;
        };
        let Some(node) = node else { continue };
        if !nodes.contains(&node) {
            // The driver keeps a number for the node of a GPU whose memory is not given to the kernel, or not yet.
            if is_online {
                let what = format_args!("names node {node} as online, and it is not");
                reader.odd::<()>(&path, what);
            }
        } else if let Some(other) = owners.get(&node) {
            reader.odd::<()>(
                &path,
                format_args!("names node {node}, as that of {other} does"),
            );
        } else {
            owners.insert(node, gpu);
        }
    }
    owners
}

/// By address; `None` where the driver does not answer.
fn statuses(reader: &Reader<'_>) -> Option<Vec<Status>> {
    let root = reader.root();
    let named = |name: &String| {
        let path = format!("{GPUS}/{name}/numa_status");
        // This looks for the name without entering the driver.
        root.resolve(&path, OFlag::O_PATH).ok()?;
        Some((path, name.parse().ok()?))
    };
    let files: Vec<(String, PciAddress)> = reader.list(GPUS).iter().filter_map(named).collect();
    if files.is_empty() {
        return Some(Vec::new());
    }
    if !root.is_on_proc(GPUS) {
        return Some(read(root, files));
    }
    let place = root.path().to_owned();
    let ask = move || Root::open(&place).map_or_else(|_| Vec::new(), |root| read(&root, files));
    within(DEADLINE, &IS_ASKED, ask)
}

fn read(root: &Root, files: Vec<(String, PciAddress)>) -> Vec<Status> {
    let status = |(path, gpu): (String, PciAddress)| Status {
        text: root.fact(&path),
        path,
        gpu,
    };
    files.into_iter().map(status).collect()
}

/// What `ask` answers in time. It runs in a thread of its own, and not while an earlier one is at it.
pub(super) fn within<T: Send + 'static>(
    deadline: Duration,
    is_asked: &'static AtomicBool,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if is_asked.swap(true, Ordering::AcqRel) {
        return None;
    }
    let (send, receive) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let answer = ask();
        is_asked.store(false, Ordering::Release);
        // Nobody may wait for it any more.
        drop(send.send(answer));
    });
    receive.recv_timeout(deadline).ok()
}

/// `Node:      255` and `Status:    online`: the node, `None` for -1, and whether the kernel has it.
fn node_of(text: &str) -> Option<(Option<u32>, bool)> {
    let field = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.trim().to_owned());
        text.lines().find_map(value)
    };
    let node: i32 = field("Node:")?.parse().ok()?;
    let is_online = field("Status:").is_some_and(|status| status == "online");
    Some((u32::try_from(node).ok(), is_online))
}
