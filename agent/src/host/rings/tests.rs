//! What leases of whole GPUs get on a host of which the links are known.

use kerf_planner::{GpuView, Usage, choose};
use kerf_types::inventory::{Nic, NvLink, NvLinkRemote};
use kerf_types::lease::Subject;
use kerf_types::{Gpu, Health, Inventory, MigMode, PciAddress, Timestamp};

use super::Rings;
use crate::host::fixture::{gpu, inventory};

/// NVLinks from each GPU of a DGX-1 with V100 to each before it.
const DGX_1V: [&[u32]; 8] = [
    &[],
    &[1],
    &[1, 2],
    &[2, 1, 2],
    &[2, 0, 0, 0],
    &[0, 2, 0, 0, 1],
    &[0, 0, 1, 0, 1, 2],
    &[0, 0, 0, 1, 2, 1, 2],
];

fn dgx() -> Inventory {
    let mut gpus: Vec<Gpu> = (0..8)
        .map(|index| Gpu {
            mig_mode: MigMode::Disabled,
            numa_node: Some(index / 4),
            ..gpu(index)
        })
        .collect();
    for (a, row) in DGX_1V.iter().enumerate() {
        for (b, links) in row.iter().enumerate() {
            for (from, to) in [(a, b), (b, a)] {
                let remote = NvLinkRemote::Gpu(gpus[to].pci);
                let link = NvLink {
                    link: 0,
                    active: true,
                    version: 2,
                    remote,
                };
                let links = usize::try_from(*links).expect("few");
                gpus[from].nvlinks.extend(vec![link; links]);
            }
        }
    }
    inventory(gpus)
}

/// The host as it was looked at.
fn seen(inventory: &Inventory) -> Rings {
    let mut rings = Rings::default();
    rings.note(inventory);
    rings
}

/// Leases GPUs, and tells which.
fn lease(inventory: &Inventory, rings: &Rings, usage: &mut Usage, count: usize) -> Vec<Subject> {
    let view = |gpu| GpuView {
        gpu,
        grid: None,
        may_enable_mig: true,
        may_disable_mig: true,
        closed: None,
    };
    let views: Vec<GpuView<'_>> = inventory.gpus.iter().map(view).collect();
    let ask = format!("gpu:{count}").parse().expect("an ask");
    let choice = choose(&views, usage, rings.known(), &ask).expect("enough");
    let taken = choice.picks.iter().map(|pick| pick.gpu());
    let of = |pci| inventory.gpus.iter().find(|gpu| gpu.pci == pci);
    let subject = |pci| {
        usage.gpus.insert(pci, "a lease".to_owned());
        whole(of(pci).expect("a GPU"))
    };
    taken.map(subject).collect()
}

fn whole(gpu: &Gpu) -> Subject {
    Subject::Gpu {
        gpu: gpu.pci,
        uuid: gpu.uuid.clone(),
        share: None,
    }
}

/// How two GPUs are joined.
fn pair(inventory: &Inventory, rings: &Rings, a: usize, b: usize) -> String {
    let two = [a, b].map(|at| whole(&inventory.gpus[at]));
    rings.words(&two).expect("two GPUs")
}

#[test]
fn a_lease_leaves_the_best_ring_for_the_next() {
    let host = dgx();
    let rings = seen(&host);
    let words = |counts: &[usize]| {
        let mut usage = Usage::default();
        let leases = counts.iter().map(|count| {
            let subjects = lease(&host, &rings, &mut usage, *count);
            rings.words(&subjects)
        });
        leases.map(|words| words.unwrap_or_default()).collect()
    };
    let pairs: Vec<String> = words(&[2, 2, 2, 2]);
    assert_eq!(pairs, ["a pair of GPUs with 40 GB/s"; 4]);
    let halves: Vec<String> = words(&[4, 4]);
    let ring = "a ring of 4 GPUs with 20 GB/s at its narrowest";
    assert_eq!(halves, [ring; 2]);
    let one: Vec<String> = words(&[1]);
    assert_eq!(one, [""]);
}

#[test]
fn a_sick_gpu_is_no_change_of_the_host_and_takes_no_other_with_it() {
    for lost in 0..8 {
        let mut host = dgx();
        let mut rings = seen(&host);
        let held = |rings: &Rings| {
            let known = rings.known().expect("few GPUs");
            known.table().host().devices().as_ptr()
        };
        let before = held(&rings);
        host.gpus[lost].health = Health::Lost {
            since: Timestamp(0),
        };
        rings.note(&host);
        assert_eq!(held(&rings), before, "nothing was worked out anew");
        for count in 1..=7 {
            let subjects = lease(&host, &rings, &mut Usage::default(), count);
            let others = subjects
                .iter()
                .filter(|one| one.gpu() != host.gpus[lost].pci);
            assert_eq!(others.count(), count);
        }
    }
}

#[test]
fn links_that_mig_hides_are_remembered() {
    let mut host = dgx();
    let mut rings = seen(&host);
    let wide = "a pair of GPUs with 40 GB/s";
    assert_eq!(pair(&host, &rings, 2, 3), wide);
    for at in 0..8 {
        host.gpus[at].mig_mode = MigMode::Enabled;
        // Some drivers say that they are down, the others nothing.
        match at % 2 {
            0 => host.gpus[at].nvlinks.clear(),
            _ => host.gpus[at]
                .nvlinks
                .iter_mut()
                .for_each(|link| link.active = false),
        }
    }
    rings.note(&host);
    assert_eq!(pair(&host, &rings, 2, 3), wide);
    // Of nobody's links was anything seen without MIG.
    let near = "a pair of GPUs with 9 GB/s";
    assert_eq!(pair(&host, &seen(&host), 2, 3), near);
    // Another card in the same place has links of its own.
    for at in [2, 3] {
        host.gpus[at].uuid = gpu(u32::try_from(at).expect("few") + 6).uuid;
    }
    rings.note(&host);
    assert_eq!(pair(&host, &rings, 2, 3), near);
    // Links that are gone without MIG are gone.
    let mut host = dgx();
    host.gpus.iter_mut().for_each(|gpu| gpu.nvlinks.clear());
    rings.note(&host);
    assert_eq!(pair(&host, &rings, 2, 3), near);
}

#[test]
fn interfaces_count_and_too_many_gpus_are_left_to_their_nodes() {
    let mut host = dgx();
    host.gpus.iter_mut().for_each(|gpu| gpu.nvlinks.clear());
    let one = |host: &Inventory| {
        let subjects = lease(host, &seen(host), &mut Usage::default(), 1);
        subjects[0].gpu()
    };
    assert_eq!(one(&host), host.gpus[0].pci);
    host.nics = vec![Nic {
        name: "mlx5_0".to_owned(),
        numa_node: Some(1),
        ..Nic::default()
    }];
    assert_eq!(one(&host), host.gpus[4].pci);
    let many = (0..17).map(|domain| Gpu {
        pci: PciAddress {
            domain,
            ..gpu(0).pci
        },
        mig_mode: MigMode::Disabled,
        ..gpu(0)
    });
    let host = inventory(many.collect());
    let rings = seen(&host);
    assert!(rings.known().is_none());
    assert_eq!(lease(&host, &rings, &mut Usage::default(), 17).len(), 17);
}
