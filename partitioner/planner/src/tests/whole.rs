//! Whole GPUs where it is known what joins them: the set that an ask gets is the one that trying every set finds.

use std::collections::BTreeSet;

use kerf_types::inventory::{NvLink, NvLinkRemote};
use kerf_types::topology::LinkClass;
use kerf_types::{Gpu, Health, MigMode, PciAddress, Timestamp};

use super::rings::{sets, widest};
use super::{profiles, view};
use crate::check::check_choice;
use crate::choose::choose;
use crate::grid::Grid;
use crate::host::Usage;
use crate::machine::{self, Random};
use crate::rings::{GpuRings, Nearness, Pair, PairWeights, RingDevice, RingHost};

/// NVLinks between the GPUs of a DGX-1 with V100, as `nvidia-smi topo -m` of one prints them.
pub(super) const DGX_1V: [[u32; 8]; 8] = [
    [0, 1, 1, 2, 2, 0, 0, 0],
    [1, 0, 2, 1, 0, 2, 0, 0],
    [1, 2, 0, 2, 0, 0, 1, 0],
    [2, 1, 2, 0, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 1, 1, 2],
    [0, 2, 0, 0, 1, 0, 2, 1],
    [0, 0, 1, 0, 1, 2, 0, 2],
    [0, 0, 0, 1, 2, 1, 2, 0],
];

/// The one with P100, where all links are single.
fn dgx_1p() -> [[u32; 8]; 8] {
    DGX_1V.map(|row| row.map(|links| links.min(1)))
}

/// A host whose GPUs are joined by these links, four GPUs to a NUMA node.
struct World {
    grid: Grid,
    gpus: Vec<Gpu>,
    usage: Usage,
    rings: GpuRings,
    /// The same as the tables have it.
    host: RingHost,
}

impl World {
    fn new(links: &[&[u32]]) -> Self {
        let profiles = profiles("h100-80gb");
        let count = links.len();
        let gpu = |index: usize| Gpu {
            mig_mode: MigMode::Disabled,
            ..machine::gpu(u32::try_from(index).expect("few"), &profiles)
        };
        let mut gpus: Vec<Gpu> = (0..count).map(gpu).collect();
        let addresses: Vec<PciAddress> = gpus.iter().map(|gpu| gpu.pci).collect();
        for (gpu, row) in gpus.iter_mut().zip(links) {
            let ends = row.iter().zip(&addresses);
            let ends = ends.flat_map(|(links, end)| (0..*links).map(|_| *end));
            gpu.nvlinks = (0..).zip(ends).map(link).collect();
        }
        let near = |a: usize, b: usize| {
            let same = gpus[a].numa_node == gpus[b].numa_node;
            PairWeights::default().pair(Nearness {
                level: if same {
                    LinkClass::Node
                } else {
                    LinkClass::Sys
                },
                is_one_board: false,
                links: links[a][b],
            })
        };
        let devices: Vec<RingDevice> = gpus.iter().map(device).collect();
        let rings = rings(&gpus, None, near);
        Self {
            grid: Grid::from_profiles(&profiles).expect("a grid"),
            host: RingHost::new(devices, near).expect("few"),
            usage: Usage::default(),
            rings,
            gpus,
        }
    }

    fn dgx(links: &[[u32; 8]; 8]) -> Self {
        let rows: Vec<&[u32]> = links.iter().map(|row| &row[..]).collect();
        Self::new(&rows)
    }

    /// All GPUs joined by a switch.
    fn switched(count: usize) -> Self {
        let row = vec![18; count];
        let mut world = Self::new(&vec![row.as_slice(); count]);
        for gpu in &mut world.gpus {
            for link in &mut gpu.nvlinks {
                link.remote = NvLinkRemote::Switch(Some(PciAddress {
                    domain: 1,
                    bus: 0,
                    device: 0,
                    function: 0,
                }));
            }
        }
        world
    }

    /// Leaves these alone free.
    fn free(&mut self, numbers: &[usize]) {
        let taken = (0..self.gpus.len()).filter(|at| !numbers.contains(at));
        let taken = taken.map(|at| (self.gpus[at].pci, "job 1".to_owned()));
        self.usage.gpus = taken.collect();
    }

    /// What an ask gets, with the GPUs whose MIG mode is changed for it; vetted by the checker.
    fn ask(&self, ask: &str) -> Result<(Vec<usize>, Vec<usize>), String> {
        let views: Vec<_> = self.gpus.iter().map(|gpu| view(gpu, &self.grid)).collect();
        let ask = ask.parse().expect("an ask");
        let choice = choose(&views, &self.usage, Some(&self.rings), &ask);
        // Whether it is served does not depend on the tables.
        let without = choose(&views, &self.usage, None, &ask);
        assert_eq!(choice.as_ref().err(), without.as_ref().err());
        let choice = choice.map_err(|none| none.to_string())?;
        assert_eq!(check_choice(&views, &self.usage, &choice), []);
        let number = |pci| self.gpus.iter().position(|gpu| gpu.pci == pci);
        let picks = choice.picks.iter();
        let all = picks.map(|pick| (number(pick.gpu()).expect("a GPU"), !pick.steps().is_empty()));
        let all: Vec<(usize, bool)> = all.collect();
        let changed = all.iter().filter(|(_, changed)| *changed);
        let changed = changed.map(|(at, _)| *at).collect();
        Ok((all.into_iter().map(|(at, _)| at).collect(), changed))
    }

    fn gpus(&self, ask: &str) -> Vec<usize> {
        self.ask(ask).expect("enough").0
    }

    /// The widest ring of so many of these GPUs.
    fn best(&self, of: &[usize], count: usize, may: impl Fn(&[usize]) -> bool) -> Option<u32> {
        let sets = sets(of, count).into_iter().filter(|set| may(set));
        sets.map(|set| widest(&self.host, &set)).max()
    }

    fn are_joined(&self, set: &[usize]) -> bool {
        let linked = |two: &Vec<usize>| {
            let remote = NvLinkRemote::Gpu(self.gpus[two[1]].pci);
            self.gpus[two[0]]
                .nvlinks
                .iter()
                .any(|link| link.remote == remote)
        };
        sets(set, 2).iter().all(linked)
    }

    fn nodes(&self, set: &[usize]) -> usize {
        let nodes = set.iter().map(|at| self.gpus[*at].numa_node);
        nodes.collect::<BTreeSet<_>>().len()
    }
}

fn link((link, end): (u32, PciAddress)) -> NvLink {
    NvLink {
        link,
        active: true,
        version: 2,
        remote: NvLinkRemote::Gpu(end),
    }
}

fn device(gpu: &Gpu) -> RingDevice {
    RingDevice {
        numa_node: gpu.numa_node,
        nic_score: 0,
        nic: None,
    }
}

fn rings(gpus: &[Gpu], known: Option<GpuRings>, near: impl Fn(usize, usize) -> Pair) -> GpuRings {
    let at = |pci| gpus.iter().position(|gpu| gpu.pci == pci).expect("a GPU");
    let devices = gpus.iter().rev().map(|gpu| (gpu.pci, device(gpu)));
    GpuRings::renewed(known, devices.collect(), |a, b| near(at(a), at(b))).expect("few")
}

/// Every set of the first `count` numbers.
fn subsets(count: usize) -> impl Iterator<Item = Vec<usize>> {
    (0_u32..1 << count).map(move |bits| (0..count).filter(|at| bits >> at & 1 == 1).collect())
}

#[test]
fn no_free_set_of_a_dgx_has_a_wider_ring_than_what_is_given() {
    for links in [DGX_1V, dgx_1p()] {
        let mut world = World::dgx(&links);
        let rings: std::collections::BTreeMap<Vec<usize>, u32> = subsets(8)
            .map(|set| (set.clone(), widest(&world.host, &set)))
            .collect();
        for free in subsets(8) {
            world.free(&free);
            for count in 2..=free.len() {
                let all = sets(&free, count);
                let best = all.iter().map(|set| rings[set]).max();
                let given = world.gpus(&format!("gpu:{count}"));
                assert!(all.contains(&given), "{free:?}: {given:?}");
                assert_eq!(Some(rings[&given]), best, "{free:?}: {given:?}");
                let joined = all.iter().filter(|set| world.are_joined(set));
                let best = joined.map(|set| rings[set]).max();
                let given = world.ask(&format!("nvlink:{count}")).ok();
                let given = given.map(|(given, _)| given);
                assert_eq!(
                    given.as_ref().map(|set| rings[set]),
                    best,
                    "{free:?}: {given:?}"
                );
                assert!(given.is_none_or(|set| world.are_joined(&set)), "{free:?}");
            }
        }
    }
}

/// NVIDIA's device plugin fails for the whole host then (k8s-device-plugin #2038).
#[test]
fn a_gpu_that_is_lost_takes_no_other_with_it() {
    let sick = [
        Health::Lost {
            since: Timestamp(0),
        },
        Health::Xid {
            since: Timestamp(0),
            code: 79,
        },
    ];
    for (lost, health) in (0..8).flat_map(|at| sick.iter().map(move |sick| (at, sick))) {
        let mut world = World::dgx(&DGX_1V);
        world.gpus[lost].health = health.clone();
        let rest: Vec<usize> = (0..8).filter(|at| *at != lost).collect();
        for count in 1..=7 {
            let given = world.gpus(&format!("gpu:{count}"));
            assert_eq!(given.len(), count);
            assert!(!given.contains(&lost));
            let best = world.best(&rest, count, |_| true);
            assert_eq!(Some(widest(&world.host, &given)), best, "{lost}: {given:?}");
        }
        assert!(
            world
                .ask("gpu:8")
                .expect_err("seven")
                .contains("only 7 can be had")
        );
    }
}

#[test]
fn what_is_given_first_leaves_the_best_ring_for_later() {
    let mut world = World::dgx(&DGX_1V);
    let first = world.gpus("gpu:4");
    let rest: Vec<usize> = (0..8).filter(|at| !first.contains(at)).collect();
    let twice = |set: &Vec<usize>| {
        let rest: Vec<usize> = (0..8).filter(|at| !set.contains(at)).collect();
        (widest(&world.host, set), widest(&world.host, &rest))
    };
    let best = sets(&[0, 1, 2, 3, 4, 5, 6, 7], 4).iter().map(twice).max();
    assert_eq!(Some(twice(&first)), best);
    world.free(&rest);
    let second = world.gpus("gpu:4");
    assert_eq!(second, rest);
    assert_eq!(best, Some((20_000, 20_000)));
    // The double links make one ring of all eight: four jobs of two have one each.
    let mut rest: Vec<usize> = (0..8).collect();
    for _ in 0..4 {
        world.free(&rest);
        let two = world.gpus("gpu:2");
        assert_eq!(widest(&world.host, &two), 40_000, "{two:?} of {rest:?}");
        rest.retain(|at| !two.contains(at));
    }
    // One alone makes no ring: it comes from where it is missed the least.
    world.free(&[0, 3, 5]);
    assert_eq!(world.gpus("gpu:1"), [5]);
}

#[test]
fn where_all_rings_are_alike_numa_nodes_stay_whole() {
    let mut world = World::switched(8);
    assert_eq!(world.gpus("gpu:2"), [0, 1]);
    world.free(&[0, 1, 2, 3, 5, 6, 7]);
    assert_eq!(world.gpus("gpu:1"), [5]);
    assert_eq!(world.gpus("gpu:2"), [5, 6]);
    assert_eq!(world.gpus("gpu:4"), [0, 1, 2, 3]);
    assert_eq!(world.gpus("gpu:5"), [0, 1, 2, 3, 5]);
    assert_eq!(world.gpus("nvlink:5"), [0, 1, 2, 3, 5]);
    world.gpus[5].nvlinks.clear();
    assert_eq!(world.gpus("nvlink:3"), [0, 1, 2]);
}

#[test]
fn a_mode_is_changed_where_too_few_are_left_or_the_ring_gains_by_one_node() {
    let mut world = World::dgx(&DGX_1V);
    let pair = |world: &World, ask: &str| world.ask(ask).expect("enough");
    for at in [1, 2, 3] {
        world.gpus[at].mig_mode = MigMode::Enabled;
    }
    // The links of 0 and 4 are as wide as any: no mode is changed for it, though they are of two nodes.
    world.free(&[0, 1, 2, 3, 4]);
    assert_eq!(pair(&world, "gpu:2"), (vec![0, 4], vec![]));
    // Nothing joins 0 and 5. With a change of 3 they are of one node, and by two links.
    world.free(&[0, 1, 2, 3, 5]);
    assert_eq!(pair(&world, "gpu:2"), (vec![0, 3], vec![3]));
    // Nothing joins 4 with what is of its own node, and for less than one node no mode is changed.
    world.free(&[0, 2, 5]);
    world.gpus[2].numa_node = Some(1);
    assert_eq!(pair(&world, "gpu:2"), (vec![0, 5], vec![]));
    // Too few without: the widest ring, and of equal ones that with fewer changes.
    world.gpus[2].numa_node = Some(0);
    world.free(&[0, 1, 2, 3]);
    assert_eq!(pair(&world, "gpu:2"), (vec![0, 3], vec![3]));
    world.free(&[0, 1, 2]);
    assert_eq!(pair(&world, "gpu:2"), (vec![1, 2], vec![1, 2]));
}

/// Random links and modes on six GPUs of two nodes, against the rule in its own words.
#[test]
fn a_change_of_mode_is_never_idle() {
    let mut random = Random(78);
    for _ in 0..300 {
        let mut links = [[0; 6]; 6];
        for (a, b) in (0..6).flat_map(|a| (0..a).map(move |b| (a, b))) {
            links[a][b] = *random.pick(&[0, 0, 1, 2]);
            links[b][a] = links[a][b];
        }
        let rows: Vec<&[u32]> = links.iter().map(|row| &row[..]).collect();
        let mut world = World::new(&rows);
        for gpu in &mut world.gpus {
            gpu.mig_mode = *random.pick(&[MigMode::Disabled, MigMode::Enabled]);
            gpu.numa_node = Some(u32::from(gpu.index >= 3));
        }
        let unchanged: Vec<usize> = (0..6)
            .filter(|at| world.gpus[*at].mig_mode == MigMode::Disabled)
            .collect();
        let all: Vec<usize> = (0..6).collect();
        for count in 1..=6 {
            let (given, changed) = world.ask(&format!("gpu:{count}")).expect("six");
            let ring = widest(&world.host, &given);
            let case = || format!("{links:?} {unchanged:?}: {given:?}, changed {changed:?}");
            let kept = world.best(&unchanged, count, |_| true);
            let near = world.best(&all, count, |set| world.nodes(set) == 1);
            match kept {
                None => {
                    assert_eq!(Some(ring), world.best(&all, count, |_| true), "{}", case());
                    let cost =
                        |set: &[usize]| set.iter().filter(|at| !unchanged.contains(at)).count();
                    let fewer = world.best(&all, count, |set| cost(set) < changed.len());
                    assert!(fewer.is_none_or(|fewer| fewer < ring), "{}", case());
                }
                Some(kept) if changed.is_empty() => assert_eq!(ring, kept, "{}", case()),
                Some(kept) => {
                    assert_eq!((Some(ring), world.nodes(&given)), (near, 1), "{}", case());
                    assert!(ring > kept, "{}", case());
                }
            }
        }
    }
}

#[test]
fn tables_are_kept_while_nothing_changes() {
    let world = World::dgx(&DGX_1V);
    let near = |a: usize, b: usize| world.host.pair(a, b);
    let held = |rings: &GpuRings| rings.table().host().devices().as_ptr();
    let first = rings(&world.gpus, None, near);
    assert_eq!(first, world.rings);
    let place = held(&first);
    let second = rings(&world.gpus, Some(first), near);
    assert_eq!(held(&second), place);
    let fewer = |a: usize, b: usize| {
        if a.max(b) == 7 {
            Pair::default()
        } else {
            near(a, b)
        }
    };
    let third = rings(&world.gpus, Some(second), fewer);
    assert_ne!(third, world.rings);
    let pci = |at: usize| world.gpus[at].pci;
    assert_eq!(third.ring_mbps([pci(4), pci(7)]), Some(0));
    assert_eq!(world.rings.ring_mbps([pci(4), pci(7)]), Some(40_000));
    assert_eq!(world.rings.ring_mbps([pci(4)]), None);
    let stranger = PciAddress {
        domain: 9,
        ..pci(0)
    };
    assert_eq!(world.rings.ring_mbps([pci(4), stranger]), None);
    // Tables of another host do not serve: the rule without them does.
    let mut other = World::dgx(&DGX_1V);
    other.gpus[0].pci = stranger;
    assert_eq!(other.gpus("gpu:2"), [0, 1]);
}
