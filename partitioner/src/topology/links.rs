//! Links between accelerators of every vendor: those of their own, and the way over PCIe for each pair.

use std::collections::BTreeMap;

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
    let mut links: Vec<Link> = inventory.gpus.iter().flat_map(nvlinks).collect();
    // Each pair is told by both of its ends, and counts what both agree on.
    links.sort_by(|one, other| (&one.a, &one.b).cmp(&(&other.a, &other.b)));
    links.dedup_by(|second, first| {
        let is_same = first.a == second.a && first.b == second.b;
        if is_same && second.count < first.count {
            (first.count, first.gbps) = (second.count, second.gbps);
        }
        is_same
    });
    links.extend(kernel.iter().cloned());
    links.extend(ways(tree, accelerators));
    links
}

/// The active NVLinks of one GPU, all to one end together. One that another GPU tells as well is named from the
/// lower address.
fn nvlinks(gpu: &Gpu) -> Vec<Link> {
    let mut ends: BTreeMap<End, u32> = BTreeMap::new();
    for link in gpu.nvlinks.iter().filter(|link| link.active) {
        let end = match link.remote {
            NvLinkRemote::Gpu(pci) => End::Accelerator(pci.to_string()),
            NvLinkRemote::Switch(pci) => End::Switch(pci),
            NvLinkRemote::Unknown => continue,
        };
        *ends.entry(end).or_default() += 1;
    }
    let own = End::Accelerator(gpu.pci.to_string());
    let link = |(end, count): (End, u32)| {
        let is_first = matches!(end, End::Switch(_)) || own < end;
        let (a, b) = if is_first {
            (own.clone(), end)
        } else {
            (end, own.clone())
        };
        Link {
            a,
            b,
            kind: LinkKind::NvLink,
            count,
            gbps: nvlink_gbps(gpu).and_then(|each| each.checked_mul(count)),
            ancestor: String::new(),
        }
    };
    ends.into_iter().map(link).collect()
}

/// What one NVLink carries one way, in gigabytes a second, by generation: NVIDIA's datasheets of P100 (4 links, 160
/// both ways), V100 (6, 300), A100 (12, 600), H100 (18, 900) and B200 (18, 1800).
fn nvlink_gbps(gpu: &Gpu) -> Option<u32> {
    match gpu.compute_capability.0 {
        6 => Some(20),
        7..=9 => Some(25),
        10 => Some(50),
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
