//! Links between accelerators of every vendor: those of their own, and the way over PCIe for each pair.

use std::collections::BTreeSet;

use kerf_types::inventory::{Gpu, Inventory, NvLinkRemote};
use kerf_types::map::{Accelerator, End, Link, LinkKind};
use kerf_types::topology::LinkClass;

use super::path::PciTree;

/// Most accelerators whose pairs are listed: a host has sixteen. Virtual functions are not counted; they share the
/// ways of their physical one.
const PAIRS_LIMIT: usize = 128;

/// Every link: NVLinks by what the driver says of `inventory`'s GPUs, then `kernel`'s, then one way over PCIe for
/// each pair of accelerators.
pub fn links(
    inventory: &Inventory,
    tree: &PciTree,
    accelerators: &[Accelerator],
    kernel: &[Link],
) -> Vec<Link> {
    // Of a lost GPU there is what it last said.
    let gpus: Vec<&Gpu> = inventory
        .gpus
        .iter()
        .filter(|gpu| !gpu.health.is_lost())
        .collect();
    let mut links: Vec<Link> = gpus.iter().flat_map(|gpu| nvlinks(gpu, &gpus)).collect();
    links.sort_by(|one, other| (&one.a, &one.b).cmp(&(&other.a, &other.b)));
    links.extend(gpus.iter().copied().filter_map(c2c));
    links.extend(kernel.iter().cloned());
    links.extend(ways(tree, accelerators));
    links
}

/// The active NVLinks of one GPU, all to one end together. Those to another GPU are told by the one with the lower
/// address, and count as many as both say are up; a GPU that is not there, or of which no link is known, says nothing,
/// and the other one speaks for both.
fn nvlinks(gpu: &Gpu, all: &[&Gpu]) -> Vec<Link> {
    let remotes = gpu.nvlinks.iter().filter(|link| link.active);
    let remotes: BTreeSet<NvLinkRemote> = remotes.map(|link| link.remote).collect();
    let link = |remote: NvLinkRemote| {
        let own = up_towards(gpu, remote);
        let (end, count) = match remote {
            NvLinkRemote::Switch(pci) => (End::Switch(pci), own),
            NvLinkRemote::Gpu(pci) => {
                // In MIG mode a driver may tell of no links at all: then only this end speaks.
                let speaks = |other: &&&Gpu| other.pci == pci && !other.nvlinks.is_empty();
                let count = match all.iter().find(speaks) {
                    Some(other) if other.pci < gpu.pci => return None,
                    Some(other) => own.min(up_towards(other, NvLinkRemote::Gpu(gpu.pci))),
                    None => own,
                };
                (End::Accelerator(pci.to_string()), count)
            }
            NvLinkRemote::Unknown => return None,
        };
        (count > 0).then(|| Link {
            a: End::Accelerator(gpu.pci.to_string()),
            b: end,
            kind: LinkKind::NvLink,
            count,
            gbps: nvlink_gbps(gpu.compute_capability).and_then(|each| each.checked_mul(count)),
            ancestor: String::new(),
        })
    };
    remotes.into_iter().filter_map(link).collect()
}

/// The links of a GPU to the processor on its module, which is the one that it is next to. Those that are down do not
/// count, as long as the driver says so.
fn c2c(gpu: &Gpu) -> Option<Link> {
    let up = gpu.c2c.iter().filter(|link| link.active != Some(false));
    let each: Vec<Option<u32>> = up.map(|link| link.mbps).collect();
    let count = u32::try_from(each.len()).ok().filter(|count| *count > 0)?;
    let all: Option<u64> = each.into_iter().map(|mbps| mbps.map(u64::from)).sum();
    Some(Link {
        a: End::Accelerator(gpu.pci.to_string()),
        b: End::Cpu(gpu.numa_node?),
        kind: LinkKind::NvLinkC2c,
        count,
        gbps: all.and_then(|mbps| u32::try_from(mbps / 1_000).ok()),
        ancestor: String::new(),
    })
}

fn up_towards(gpu: &Gpu, remote: NvLinkRemote) -> u32 {
    let links = gpu.nvlinks.iter();
    let count = links
        .filter(|link| link.active && link.remote == remote)
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What one NVLink carries one way, in gigabytes a second, by generation: NVIDIA's datasheets of P100 (4 links, 160
/// both ways), V100 (6, 300), Quadro RTX 8000 (2, 100), A100 (12, 600), H100 (18, 900) and B200 (18, 1800). A40 and its
/// like have four of 14.0625, which is no number of whole gigabytes and so not told.
pub(super) fn nvlink_gbps(compute_capability: (u32, u32)) -> Option<u32> {
    match compute_capability {
        (6, 0) => Some(20),
        (7, 0 | 5) | (8 | 9, 0) => Some(25),
        (10, _) => Some(50),
        _ => None,
    }
}

fn ways(tree: &PciTree, accelerators: &[Accelerator]) -> Vec<Link> {
    let whole: Vec<&Accelerator> = accelerators
        .iter()
        .filter(|one| !one.is_virtual())
        .collect();
    if whole.len() > PAIRS_LIMIT {
        return Vec::new();
    }
    let mut ways = Vec::new();
    for (position, a) in whole.iter().enumerate() {
        let others = whole.iter().skip(position + 1);
        ways.extend(others.filter_map(|b| way(tree, a, b)));
    }
    ways
}

fn way(tree: &PciTree, a: &Accelerator, b: &Accelerator) -> Option<Link> {
    let path = |one: &Accelerator| tree.path(one.pci?);
    let (from, to) = (path(a)?, path(b)?);
    let same_node = a.numa_node.is_some() && a.numa_node == b.numa_node;
    let kind = match from.level(to, same_node) {
        LinkClass::Pix => LinkKind::Pix,
        LinkClass::Pxb => LinkKind::Pxb,
        LinkClass::Phb => LinkKind::Phb,
        LinkClass::Node => LinkKind::Node,
        LinkClass::Sys | LinkClass::Same | LinkClass::Own(..) => LinkKind::Sys,
    };
    Some(Link {
        a: End::Accelerator(a.id.clone()),
        b: End::Accelerator(b.id.clone()),
        kind,
        count: 1,
        gbps: None,
        ancestor: from.ancestor(to).unwrap_or_default(),
    })
}
