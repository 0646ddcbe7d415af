//! The host apart from its GPUs. It answers beside hung drivers: nothing is asked of a GPU's firmware, which has calls of
//! its own, NVIDIA's driver is asked one thing alone (which NUMA nodes are memory of a GPU), and what it and the drivers of
//! other devices answer is read by threads that are left behind after a second, or a quarter of what the asker waits if
//! that is less, three of a look at most. Whoever asks is told which devices hold one, and tells which others do.

use std::time::Duration;

use kerf_api::partitioner::v1::{HostFacts, ObserveHost};
use kerf_types::HostMap;
use kerf_types::inventory::NumaNode;

use super::bounded::bound;
use crate::accelerators::accelerators;
use crate::amd;
use crate::in_words;
use crate::sysfs::{
    Reader, Root, SysfsError, cpu, devices, driver, held_in, imex, majors, nics, numa, nvme, pci,
};
use crate::systree::SysTree;

/// The time for a look of one who does not say how long they wait: kerfd's own deadline unless it is configured.
const USUAL: Duration = Duration::from_secs(5);

/// What sysfs tells; what it does not is named among the problems, and a file that is odd among the oddities.
pub fn facts(root: &Root, tree: &dyn SysTree, ask: ObserveHost) -> HostFacts {
    let mut problems = Vec::new();
    let look = match ask.deadline_ms {
        0 => USUAL,
        deadline_ms => Duration::from_millis(deadline_ms),
    };
    let reader = Reader::within(root, look, ask.held);
    let nodes = numa::nodes(&reader);
    let mut map = map(&reader, &nodes);
    let mut nics = nics::nics(&reader, &map.pci, &nodes);
    bound(&reader, &mut map, &mut nics);
    let majors = kept(majors::majors(root), &mut problems);
    let gpus = kept(driver::addresses(root), &mut problems);
    let amd_gpus = amd::addresses(tree).unwrap_or_else(|error| {
        problems.push(in_words(&error));
        Vec::new()
    });
    let map = HostMap {
        oddities: reader.into_oddities(),
        ..map
    };
    HostFacts {
        amd_gpus: amd_gpus.iter().map(ToString::to_string).collect(),
        host: host_name(),
        gpus: gpus.iter().map(ToString::to_string).collect(),
        numa_nodes: nodes.iter().map(Into::into).collect(),
        nics: nics.iter().map(Into::into).collect(),
        majors,
        map: Some((&map).into()),
        problems,
        held: held_in(root).into_iter().collect(),
    }
}

/// All that the kernel shows, in one pass.
fn map(reader: &Reader<'_>, nodes: &[NumaNode]) -> HostMap {
    let pci = pci::functions(reader, nodes);
    let devices = devices::devices(reader, &pci, nodes);
    let found = accelerators(reader, &pci, &devices);
    HostMap {
        accelerators: found.accelerators,
        links: found.links,
        cpus: cpu::cpus(reader),
        nvme: nvme::controllers(reader, &pci, nodes),
        imex: imex::channels(reader),
        pci,
        devices,
        ..HostMap::default()
    }
}

fn kept<T: Default>(result: Result<T, SysfsError>, problems: &mut Vec<String>) -> T {
    result.unwrap_or_else(|error| {
        problems.push(in_words(&error));
        T::default()
    })
}

/// The name of the host that this process runs on, which is the real one for a simulated machine too.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
