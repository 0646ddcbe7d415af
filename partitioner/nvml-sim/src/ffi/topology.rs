//! Where GPUs lie to each other and to CPUs and memory.

use super::call::{self, View};
use super::handle::{Handle, Target};
use super::pointer::{Array, InOut, Out};
use crate::model::status::Status;
use crate::model::walk::common_ancestor;

/// Bits of an `unsigned long`.
const WORD: u32 = 64;
/// `nvmlGpuP2PStatus_t`: the pair can.
const P2P_OK: u32 = 0;
/// The pair cannot.
const P2P_NOT_SUPPORTED: u32 = 5;

nvml! {
    fn nvmlDeviceGetTopologyCommonAncestor(one: Handle, other: Handle, level: Out<u32>) {
        let (one, other) = (call::gpu(one)?, call::gpu(other)?);
        level.put(level_between(&one, other.index)?)
    }

    fn nvmlDeviceGetTopologyNearestGpus(
        device: Handle,
        level: u32,
        count: InOut<u32>,
        devices: Array<Handle>,
    ) {
        let view = call::gpu(device)?;
        let mut near = Vec::new();
        for gpu in view.machine.listed() {
            if gpu.index != view.index && level_between(&view, gpu.index)? == level {
                near.push(Handle::of(Target::Gpu(gpu.index)));
            }
        }
        fill_or_count(&count, &devices, &near)
    }

    fn nvmlSystemGetTopologyGpuSet(cpu: u32, count: InOut<u32>, devices: Array<Handle>) {
        let machine = call::machine()?;
        let spec = machine.spec().ok_or(Status::LibRmVersionMismatch)?;
        let mut near = Vec::new();
        for gpu in machine.listed() {
            let node = machine.site(gpu.index)?.node;
            if spec.node_cpus(node).iter().any(|(first, last)| (first..=last).contains(&&cpu)) {
                near.push(Handle::of(Target::Gpu(gpu.index)));
            }
        }
        fill_or_count(&count, &devices, &near)
    }

    // Index 0 read, 1 write, 2 NVLink, 3 atomics, 4 PCI. MIG mode takes P2P away.
    fn nvmlDeviceGetP2PStatus(one: Handle, other: Handle, index: u32, status: Out<u32>) {
        let (one, other) = (call::gpu(one)?, call::gpu(other)?);
        if index > 4 || one.index == other.index {
            return Err(Status::InvalidArgument);
        }
        let mig = one.gpu().mig || other.gpu().mig;
        let nvlink = one.machine.wired(one.index);
        let can = !mig && (index != 2 || nvlink);
        status.put(if can { P2P_OK } else { P2P_NOT_SUPPORTED })
    }

    fn nvmlDeviceGetCpuAffinity(device: Handle, words: u32, set: Array<u64>) {
        cpu_set(&call::parent(device)?, words, &set)
    }

    // Scope 0 NUMA node, 1 socket: the same where a socket is one node.
    fn nvmlDeviceGetCpuAffinityWithinScope(
        device: Handle,
        words: u32,
        set: Array<u64>,
        scope: u32,
    ) {
        let view = call::parent(device)?;
        if scope > 1 {
            return Err(Status::InvalidArgument);
        }
        cpu_set(&view, words, &set)
    }

    fn nvmlDeviceGetMemoryAffinity(device: Handle, words: u32, set: Array<u64>, scope: u32) {
        let view = call::parent(device)?;
        if scope > 1 || words == 0 {
            return Err(Status::InvalidArgument);
        }
        let node = view.machine.site(view.index)?.node;
        put_set(words, &set, &[(node, node)])
    }

    // Only where the GPU's own memory is a NUMA node: Grace, POWER9.
    fn nvmlDeviceGetNumaNodeId(device: Handle, node: Out<u32>) {
        let view = call::gpu(device)?;
        let spec = view.machine.spec().ok_or(Status::LibRmVersionMismatch)?;
        let own = spec.memory_node(view.index).ok_or(Status::NotSupported)?;
        node.put(own)
    }
}

fn level_between(one: &View, other: u32) -> Result<u32, Status> {
    Ok(common_ancestor(
        one.machine.site(one.index)?,
        one.machine.site(other)?,
    ))
}

/// Without an array only how many; with one, as many as its `count` has room for.
fn fill_or_count(
    count: &InOut<u32>,
    devices: &Array<Handle>,
    found: &[Handle],
) -> Result<(), Status> {
    let all = u32::try_from(found.len()).unwrap_or(u32::MAX);
    if devices.is_null() {
        return count.put(all);
    }
    let room = count.get()?.min(all);
    count.put(room)?;
    devices.fill(&found[..usize::try_from(room).unwrap_or(0)])
}

fn cpu_set(view: &View, words: u32, set: &Array<u64>) -> Result<(), Status> {
    let spec = view.machine.spec().ok_or(Status::LibRmVersionMismatch)?;
    put_set(
        words,
        set,
        &spec.node_cpus(view.machine.site(view.index)?.node),
    )
}

/// A bit set with these ranges; bits beyond the caller's words are left out.
fn put_set(words: u32, set: &Array<u64>, ranges: &[(u32, u32)]) -> Result<(), Status> {
    let mut bits = vec![0u64; usize::try_from(words).unwrap_or(0)];
    for bit in ranges.iter().flat_map(|&(first, last)| first..=last) {
        if let Some(word) = bits.get_mut(usize::try_from(bit / WORD).unwrap_or(usize::MAX)) {
            *word |= 1 << (bit % WORD);
        }
    }
    set.fill(&bits)
}
