//! The kernel's memory tiers: the lower the number, the faster the memory.
//!
//! Owns `/sys/devices/virtual/memory_tiering`, which Linux has since 6.1.
//! Source: `Documentation/ABI/testing/sysfs-kernel-mm-memory-tiers` of the kernel.

use std::collections::BTreeMap;

use crate::sysfs::Reader;

const TIERS: &str = "sys/devices/virtual/memory_tiering";
/// Most tiers that are read: the kernel makes one per 128 steps of an abstract distance, a handful in practice.
const TIER_LIMIT: usize = 256;

/// The tier of each node that is in one.
pub fn of_nodes(reader: &Reader<'_>) -> BTreeMap<u32, u32> {
    let mut tiers = BTreeMap::new();
    for tier in reader
        .numbered(TIERS, "memory_tier")
        .into_iter()
        .take(TIER_LIMIT)
    {
        let path = format!("{TIERS}/memory_tier{tier}/nodelist");
        for node in reader.set(&path).unwrap_or_default().iter() {
            // A node is in one tier. Of two, neither is believed more than the other; the faster stands.
            if let Some(other) = tiers.get(&node) {
                let what = format_args!("names node {node}, which is in tier {other}");
                reader.odd::<()>(&path, what);
            } else {
                tiers.insert(node, tier);
            }
        }
    }
    tiers
}
