//! What members take of the host's CPU and memory.
//!
//! CPU and memory are promised as they were asked for. A member that names no limit takes nothing here, and shares
//! what is left with everybody.

use std::collections::BTreeMap;

use kerf_scheduler::Refusal;
use kerf_types::Bytes;
use kerf_types::host_record::Amount;
use kerf_types::peer::{MemberAsk, Tag};

use super::inner::Inner;

/// What members take of this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Load {
    /// CPU in thousandths.
    pub cpu_milli: Amount,
    /// Memory in bytes.
    pub memory_bytes: Amount,
    /// Members whose containers are made or run.
    pub members: u32,
    /// Labels of their jobs.
    pub labels: Vec<(String, String)>,
}

/// What all members take.
pub(super) fn of(inner: &Inner) -> Load {
    count(inner, &inner.promised())
}

fn count(inner: &Inner, promised: &BTreeMap<Tag, MemberAsk>) -> Load {
    let (mut cpu, mut memory) = (0_u64, 0_u64);
    let mut load = Load::default();
    {
        let table = inner.table();
        for entry in table.values() {
            let row = entry.row.borrow();
            let Some(spec) = entry.spec.as_ref().filter(|_| row.is_active()) else {
                continue;
            };
            load.members += 1;
            let labels = spec.labels.iter();
            load.labels
                .extend(labels.map(|(key, value)| (key.clone(), value.clone())));
            if !promised.contains_key(&row.tag) {
                // An earlier kerfd has promised it.
                let ask = MemberAsk::of(spec);
                cpu = cpu.saturating_add(ask.cpu_milli.unwrap_or(0));
                memory = memory.saturating_add(ask.memory.map_or(0, |memory| memory.0));
            }
        }
    }
    for ask in promised.values() {
        cpu = cpu.saturating_add(ask.cpu_milli.unwrap_or(0));
        memory = memory.saturating_add(ask.memory.map_or(0, |memory| memory.0));
    }
    load.labels.sort();
    load.labels.dedup();
    load.cpu_milli = left(cpus() * 1_000, cpu);
    load.memory_bytes = left(memory_total(), memory);
    load
}

/// Promises a member CPU and memory if it finds room beside the others; the error says what is missing. What is
/// promised counts from now on, whatever else its reservation waits for.
pub(super) fn promise(inner: &Inner, tag: Tag, ask: &MemberAsk) -> Result<(), String> {
    let mut promised = inner.promised();
    let Load {
        cpu_milli: cpu,
        memory_bytes: memory,
        ..
    } = count(inner, &promised);
    if let Some(wanted) = ask.cpu_milli.filter(|wanted| *wanted > cpu.free) {
        let (free, total) = (cpu.free, cpu.total);
        let refusal = Refusal::Cpu {
            wanted,
            free,
            total,
        };
        return Err(refusal.to_string());
    }
    if let Some(wanted) = ask.memory.filter(|wanted| wanted.0 > memory.free) {
        let (free, total) = (Bytes(memory.free), Bytes(memory.total));
        let refusal = Refusal::Memory {
            wanted,
            free,
            total,
        };
        return Err(refusal.to_string());
    }
    promised.insert(tag, ask.clone());
    Ok(())
}

fn left(total: u64, taken: u64) -> Amount {
    Amount {
        total,
        free: total.saturating_sub(taken),
    }
}

/// CPUs that the kernel runs, whichever of them kerfd itself may use.
fn cpus() -> u64 {
    let online = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN);
    let online = online.ok().flatten().unwrap_or(1);
    u64::try_from(online).unwrap_or(1)
}

fn memory_total() -> u64 {
    use procfs::Current;
    procfs::Meminfo::current().map_or(0, |memory| memory.mem_total)
}
