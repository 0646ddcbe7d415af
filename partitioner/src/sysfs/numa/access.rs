//! How a node's memory is reached, as firmware says in ACPI's HMAT, and the caches in front of it.
//!
//! Owns `access<class>/initiators` and `memory_side_cache` of a node. Most machines have neither.
//! Source: `Documentation/admin-guide/mm/numaperf.rst` of the kernel: bandwidths in MB/s, latencies in nanoseconds,
//! sizes in bytes.

use kerf_types::inventory::{MemoryAccess, MemoryCache};

use crate::sysfs::Reader;

/// The kernel's access classes: 0 has the nearest initiators of any kind, 1 those that are processors.
const CLASSES: [u32; 2] = [0, 1];
/// Most caches that are read for a node: HMAT has room for three levels.
const CACHE_LIMIT: usize = 16;

/// By class, those that firmware says something of. `nodes` are the machine's.
pub fn of_node(reader: &Reader<'_>, folder: &str, nodes: &[u32]) -> Vec<MemoryAccess> {
    let class = |class: u32| {
        let folder = format!("{folder}/access{class}/initiators");
        let initiators = reader.numbered(&folder, "node");
        if initiators.is_empty() {
            return None;
        }
        let known = |id: &u32| {
            let is_known = nodes.contains(id);
            if !is_known {
                let path = format!("{folder}/node{id}");
                reader.odd::<()>(&path, "is no node of this machine");
            }
            is_known
        };
        Some(MemoryAccess {
            class,
            initiators: initiators.into_iter().filter(known).collect(),
            read_mbps: figure(reader, &folder, "read_bandwidth"),
            write_mbps: figure(reader, &folder, "write_bandwidth"),
            read_ns: figure(reader, &folder, "read_latency"),
            write_ns: figure(reader, &folder, "write_latency"),
        })
    };
    CLASSES.into_iter().filter_map(class).collect()
}

/// The kernel writes 0 where firmware gives no figure.
fn figure(reader: &Reader<'_>, folder: &str, name: &str) -> Option<u64> {
    reader
        .number(&format!("{folder}/{name}"))
        .filter(|figure| *figure > 0)
}

/// By level.
pub fn caches(reader: &Reader<'_>, folder: &str) -> Vec<MemoryCache> {
    let folder = format!("{folder}/memory_side_cache");
    let levels = reader
        .numbered(&folder, "index")
        .into_iter()
        .take(CACHE_LIMIT);
    let cache = |level: u32| MemoryCache {
        level,
        bytes: figure(reader, &format!("{folder}/index{level}"), "size"),
    };
    levels.map(cache).collect()
}
