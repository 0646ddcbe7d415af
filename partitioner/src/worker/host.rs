//! The host apart from its GPUs. Nothing here enters the GPU driver, so it answers beside a hung one.

use kerf_api::partitioner::v1::HostFacts;

use crate::amd;
use crate::in_words;
use crate::sysfs::{Reader, Root, SysfsError, driver, majors, nics, numa, pci};
use crate::systree::SysTree;

/// What sysfs tells; what it does not is named among the problems.
pub fn facts(root: &Root, tree: &dyn SysTree) -> HostFacts {
    let mut problems = Vec::new();
    let reader = Reader::new(root);
    let nodes = numa::nodes(&reader);
    let nics = kept(nics::nics(root, &nodes), &mut problems);
    let paths = kept(pci::paths(root), &mut problems);
    let majors = kept(majors::majors(root), &mut problems);
    let gpus = kept(driver::addresses(root), &mut problems);
    let amd_gpus = amd::addresses(tree).unwrap_or_else(|error| {
        problems.push(in_words(&error));
        Vec::new()
    });
    let odd = reader.into_oddities().into_iter();
    problems.extend(odd.map(|odd| format!("{} {}", odd.path, odd.what)));
    HostFacts {
        amd_gpus: amd_gpus.iter().map(ToString::to_string).collect(),
        host: host_name(),
        gpus: gpus.iter().map(ToString::to_string).collect(),
        numa_nodes: nodes.iter().map(Into::into).collect(),
        nics: nics.iter().map(Into::into).collect(),
        majors,
        pci_paths: paths
            .into_iter()
            .map(|(address, path)| (address.to_string(), path))
            .collect(),
        map: None,
        problems,
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
