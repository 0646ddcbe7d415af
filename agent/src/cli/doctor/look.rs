//! From an inventory to findings. Pure: nothing is asked here.

use std::collections::BTreeSet;

use kerf_api::json::{Finding, Severity};
use kerf_types::PciAddress;
use kerf_types::fabric::FabricState;
use kerf_types::inventory::{Inventory, NicKind, Rate};
use kerf_types::map::{AcceleratorHealth, PciFunction};

/// All that can be seen in an inventory, but for accelerators that `told` is about.
pub fn findings(host: &Inventory, told: &[Finding]) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(nothing(host));
    findings.extend(host.problems.iter().map(|problem| problem_of(problem)));
    findings.extend(oddities(host));
    findings.extend(accelerators(host, told));
    findings.extend(links(host));
    findings.extend(fabrics(host));
    findings.extend(nics(host));
    findings.extend(access_control(host));
    findings.extend(offline(host));
    findings
}

fn finding(severity: Severity, what: &str, why: String, hint: &str) -> Finding {
    Finding {
        severity,
        what: what.to_owned(),
        why,
        hint: hint.to_owned(),
    }
}

fn problem_of(problem: &str) -> Finding {
    let hint = "the rest of the inventory stands; see the log of kerf-partitioner";
    finding(Severity::Error, "inventory", problem.to_owned(), hint)
}

/// Files that are not as a kernel writes them: what they should have told is unknown.
fn oddities(host: &Inventory) -> impl Iterator<Item = Finding> {
    let odd = host.map.oddities.iter();
    let hint = "what it should tell is unknown; everything else stands";
    odd.map(|odd| finding(Severity::Note, &odd.path, odd.what.clone(), hint))
}

/// A bus on which nothing is.
fn nothing(host: &Inventory) -> Option<Finding> {
    host.map.pci.is_empty().then(|| {
        let why =
            "the kernel shows no PCI functions, so that no accelerator can be found".to_owned();
        let hint = "is /sys mounted, or the folder the root of a machine?";
        finding(Severity::Error, "/sys/bus/pci", why, hint)
    })
}

fn accelerators<'a>(
    host: &'a Inventory,
    told: &'a [Finding],
) -> impl Iterator<Item = Finding> + 'a {
    let many_nodes = host.numa_nodes.len() > 1;
    host.map.accelerators.iter().flat_map(move |one| {
        let is_told = told.iter().any(|finding| finding.what.contains(&one.id));
        let sick = match &one.health {
            AcceleratorHealth::Failed(word) if !is_told => Some(finding(
                Severity::Error,
                &one.id,
                format!("{} is not well: {word}", one.model),
                "drain it (kerf maintenance) and reset it; its neighbours go on",
            )),
            _ => None,
        };
        let homeless = (many_nodes && one.numa_node.is_none() && one.pci.is_some()).then(|| {
            let hint = "update the firmware, or give the NUMA affinity of its slot there";
            let why = "nobody says which NUMA node it is next to".to_owned();
            finding(Severity::Warning, &one.id, why, hint)
        });
        sick.into_iter().chain(homeless)
    })
}

/// PCIe links that have come up narrower than both ends allow, and NVLinks that are down. A lower speed alone is how
/// an idle device saves power.
fn links(host: &Inventory) -> Vec<Finding> {
    let accelerators = host.map.accelerators.iter().filter_map(|one| one.pci);
    let nics = host.nics.iter().filter_map(|nic| nic.pci);
    let disks = host.map.nvme.iter().filter_map(|nvme| nvme.pci);
    // Several interfaces may be of one function.
    let devices: BTreeSet<PciAddress> = accelerators.chain(nics).chain(disks).collect();
    let functions = devices.into_iter().filter_map(|pci| host.map.function(pci));
    let mut findings: Vec<Finding> = functions.filter_map(|one| narrow(host, one)).collect();
    for gpu in &host.gpus {
        let down: Vec<String> = gpu
            .nvlinks
            .iter()
            .filter(|link| !link.active)
            .map(|link| link.link.to_string())
            .collect();
        let all = gpu.nvlinks.len();
        // A GPU that nobody has joined to another has none up, and in MIG mode drivers say so of all.
        let some_are_up = down.len() < all && !gpu.mig_mode.is_on();
        if !down.is_empty() && some_are_up && gpu.health.is_ok() {
            let why = format!("NVLinks {} of {all} are down", down.join(", "));
            let hint = "collectives run as fast as the fewest links: see dmesg for XID 74";
            let what = gpu.pci.to_string();
            findings.push(finding(Severity::Warning, &what, why, hint));
        }
    }
    findings
}

/// GPUs that are not in their NVLink fabric as they should be, and links to their processor that are down.
fn fabrics(host: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    let well = host.gpus.iter().filter(|gpu| gpu.health.is_ok());
    for gpu in well {
        let what = gpu.pci.to_string();
        if let Some(fabric) = gpu.fabric
            && let complaints = fabric.complaints()
            && !complaints.is_empty()
        {
            let is_in = fabric.state == FabricState::Completed && fabric.status == Some(0);
            // Outside of its fabric a GPU behind switches starts no CUDA at all (error 802, "system not yet
            // initialized"); within it, it is slow or alone.
            let (severity, hint) = match is_in {
                true => (
                    Severity::Warning,
                    "see nvidia-smi -q, Fabric, and the log of nvidia-fabricmanager",
                ),
                false => (
                    Severity::Error,
                    "see that nvidia-fabricmanager runs: until the fabric is complete CUDA does not start there",
                ),
            };
            let why = format!("NVLink fabric: {}", complaints.join(", "));
            findings.push(finding(severity, &what, why, hint));
        }
        let down = gpu.c2c.iter().filter(|link| link.active == Some(false));
        let down: Vec<String> = down.map(|link| link.link.to_string()).collect();
        if !down.is_empty() {
            let all = gpu.c2c.len();
            let why = format!("NVLink-C2C links {} of {all} are down", down.join(", "));
            let hint = "what the processor and the GPU share is slower: see nvidia-smi c2c -s";
            findings.push(finding(Severity::Warning, &what, why, hint));
        }
    }
    findings
}

fn narrow(host: &Inventory, function_of: &PciFunction) -> Option<Finding> {
    let link = function_of.link?;
    let port = host.map.above(function_of).next();
    let port = port.and_then(|port| port.link?.max_width);
    let most = port.map_or(link.max_width?, |port| {
        port.min(link.max_width.unwrap_or(port))
    });
    let now = link.width.filter(|now| *now < most)?;
    let why = format!("its PCIe link has {now} lanes, and both ends have {most}");
    let hint = "reseat the card or its riser; until then transfers are slower";
    let what = function_of.address.to_string();
    Some(finding(Severity::Warning, &what, why, hint))
}

/// Interfaces for RDMA without a link.
fn nics(host: &Inventory) -> impl Iterator<Item = Finding> {
    let down = host
        .nics
        .iter()
        .filter(|nic| nic.kind == NicKind::Rdma && nic.rate.is_some_and(Rate::is_down));
    down.map(|nic| {
        let hint = "plug it in, or take it out of NCCL_IB_HCA";
        finding(
            Severity::Warning,
            &nic.name,
            "its first port is down".to_owned(),
            hint,
        )
    })
}

/// Bridges above accelerators that send peers through the root complex.
fn access_control(host: &Inventory) -> Vec<Finding> {
    let accelerators = host.map.accelerators.iter();
    let functions = accelerators.filter_map(|one| host.map.function(one.pci?));
    let above = functions.flat_map(|function| host.map.above(function));
    let redirects = |bridge: &&PciFunction| bridge.acs.is_some_and(|acs| acs.redirects_peers());
    let bridges = above.filter(redirects).map(|bridge| bridge.address);
    let bridges: BTreeSet<PciAddress> = bridges.collect();
    let why = "its access control sends what accelerators and interfaces below it say to each other \
               through the root complex";
    let hint = "where no virtual machine needs it, turn ACS off (NCCL's troubleshooting guide)";
    let told = bridges
        .iter()
        .map(|bridge| finding(Severity::Warning, &bridge.to_string(), why.to_owned(), hint));
    told.collect()
}

fn offline(host: &Inventory) -> Option<Finding> {
    let offline = &host.map.cpus.offline;
    (!offline.is_empty()).then(|| {
        let why = format!("CPUs {offline} are offline");
        let hint = "none, where somebody took them away on purpose";
        finding(Severity::Note, "processors", why, hint)
    })
}
