//! Constraints of an ask: what is given holds to them and is the best of what does, found by trying every set.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use kerf_types::ask::{Constraints, GpuRef, NicWithin, Same};
use kerf_types::inventory::{NvLink, NvLinkRemote};
use kerf_types::topology::LinkClass;
use kerf_types::{Ask, Gpu, MigMode, PciAddress};
use proptest::prelude::*;

use super::rings::{sets, widest};
use super::whole::DGX_1V;
use super::{profiles, view};
use crate::check::{AskViolation, check_ask, check_choice};
use crate::choose::{Choice, GpuView, Pick, choose};
use crate::grid::Grid;
use crate::host::Usage;
use crate::machine;
use crate::rings::{GpuRings, Nearness, PairWeights, RingDevice, RingHost};

/// The nearest network interface of each GPU.
const NICS: [Option<LinkClass>; 8] = [
    Some(LinkClass::Pix),
    Some(LinkClass::Pix),
    Some(LinkClass::Pxb),
    None,
    Some(LinkClass::Node),
    Some(LinkClass::Phb),
    Some(LinkClass::Pix),
    Some(LinkClass::Sys),
];

/// The NUMA node of each; of the last nobody knows it.
const NODES: [Option<u32>; 8] = [
    Some(0),
    Some(0),
    Some(0),
    Some(0),
    Some(1),
    Some(1),
    Some(1),
    None,
];

/// A DGX-1 whose GPUs stand two and two below switches, the last two alone.
struct World {
    grid: Grid,
    gpus: Vec<Gpu>,
    rings: GpuRings,
    host: RingHost,
    /// The widest ring of every set, by its bits.
    widest: Vec<u32>,
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fn below_one_switch(a: usize, b: usize) -> bool {
    a / 2 == b / 2 && a < 6
}

impl World {
    fn new() -> Self {
        let profiles = profiles("h100-80gb");
        let gpu = |index: usize| Gpu {
            mig_mode: MigMode::Disabled,
            numa_node: NODES[index],
            ..machine::gpu(u32::try_from(index).expect("few"), &profiles)
        };
        let mut gpus: Vec<Gpu> = (0..8).map(gpu).collect();
        let addresses: Vec<PciAddress> = gpus.iter().map(|gpu| gpu.pci).collect();
        for (gpu, row) in gpus.iter_mut().zip(&DGX_1V) {
            let ends = row.iter().zip(&addresses).filter(|(links, _)| **links > 0);
            let link = |(link, (_, end)): (u32, (&u32, &PciAddress))| NvLink {
                link,
                active: true,
                version: 2,
                remote: NvLinkRemote::Gpu(*end),
            };
            gpu.nvlinks = (0..).zip(ends).map(link).collect();
        }
        let near = |a: usize, b: usize| {
            let level = match (below_one_switch(a, b), a / 4 == b / 4) {
                (true, _) => LinkClass::Pix,
                (false, true) => LinkClass::Node,
                (false, false) => LinkClass::Sys,
            };
            PairWeights::default().pair(Nearness {
                level,
                is_one_board: false,
                links: DGX_1V[a][b],
            })
        };
        let device = |at: usize| RingDevice {
            numa_node: NODES[at],
            nic_score: 0,
            nic: NICS[at],
        };
        let at = |pci| addresses.iter().position(|one| *one == pci).expect("known");
        let devices = addresses.iter().map(|pci| (*pci, device(at(*pci))));
        let rings = GpuRings::renewed(None, devices.collect(), |a, b| near(at(a), at(b)));
        let host = RingHost::new((0..8).map(device).collect(), near).expect("few");
        let of = |bits: usize| (0..8).filter(|at| bits >> at & 1 == 1).collect::<Vec<_>>();
        Self {
            grid: Grid::from_profiles(&profiles).expect("a grid"),
            widest: (0..256).map(|bits| widest(&host, &of(bits))).collect(),
            rings: rings.expect("few"),
            gpus,
            host,
        }
    }

    fn views(&self) -> Vec<GpuView<'_>> {
        self.gpus.iter().map(|gpu| view(gpu, &self.grid)).collect()
    }

    fn usage(&self, free: &[usize]) -> Usage {
        let taken = (0..8).filter(|at| !free.contains(at));
        Usage {
            gpus: taken
                .map(|at| (self.gpus[at].pci, "job 1".to_owned()))
                .collect(),
            ..Usage::default()
        }
    }

    /// What an ask gets of these, vetted by both checkers.
    fn ask(
        &self,
        ask: &str,
        free: &[usize],
        rings: Option<&GpuRings>,
    ) -> Result<Vec<usize>, String> {
        let (views, usage) = (self.views(), self.usage(free));
        let ask: Ask = ask.parse().expect("an ask");
        let choice = choose(&views, &usage, rings, &ask).map_err(|none| none.to_string())?;
        assert_eq!(check_choice(&views, &usage, &choice), []);
        assert_eq!(check_ask(&views, rings, &ask, &choice), [], "{ask}");
        let number = |pick: &Pick| self.gpus.iter().position(|gpu| gpu.pci == pick.gpu());
        let numbers: BTreeSet<usize> = choice.picks.iter().filter_map(number).collect();
        Ok(numbers.into_iter().collect())
    }

    fn ring(&self, set: &[usize]) -> u32 {
        self.widest[set.iter().map(|at| 1 << at).sum::<usize>()]
    }

    /// What is compared: the ring, then what is left for later, then the scores of the pairs.
    fn worth(&self, set: &[usize], free: &[usize]) -> (u32, u64, u32) {
        let rest: Vec<usize> = free
            .iter()
            .copied()
            .filter(|at| !set.contains(at))
            .collect();
        let best = |size| {
            let rings = sets(&rest, size).into_iter().map(|set| self.ring(&set));
            u64::from(rings.max().unwrap_or(0))
        };
        let pairs = sets(set, 2);
        let scores = pairs.iter().map(|two| self.host.pair(two[0], two[1]).score);
        (
            self.ring(set),
            (2..=rest.len()).map(best).sum(),
            scores.sum(),
        )
    }

    /// Whether a set holds to constraints, by the words alone.
    fn holds(&self, set: &[usize], only: &Constraints, joined: bool) -> bool {
        let named = |name: &GpuRef| (0..8).find(|at| self.name(*at, name));
        let has = |name: &GpuRef| named(name).is_some_and(|at| set.contains(&at));
        let two =
            |are: &dyn Fn(usize, usize) -> bool| sets(set, 2).iter().all(|two| are(two[0], two[1]));
        let near = |at: &usize, within: NicWithin| NICS[*at].is_some_and(|nic| within.has(nic));
        only.include.iter().all(has)
            && !only.avoid.iter().any(has)
            && only
                .nic
                .is_none_or(|within| set.iter().all(|at| near(at, within)))
            && match only.same {
                None => true,
                Some(Same::Numa) => {
                    let nodes: BTreeSet<_> = set.iter().map(|at| NODES[*at]).collect();
                    nodes.len() == 1 && !nodes.contains(&None)
                }
                Some(Same::Switch) => two(&below_one_switch),
            }
            && (!joined || two(&|a, b| DGX_1V[a][b] > 0))
    }

    fn name(&self, at: usize, name: &GpuRef) -> bool {
        let gpu = &self.gpus[at];
        match name {
            GpuRef::Index(index) => *index == gpu.index,
            GpuRef::Pci(pci) => *pci == gpu.pci,
            GpuRef::Uuid(uuid) => *uuid == gpu.uuid,
        }
    }
}

prop_compose! {
    fn case()(
        count in 1_usize..=5,
        free in 0_u16..256,
        named in prop::collection::vec((0_usize..8, 0_u8..3, any::<bool>()), 0..4),
        same in prop_oneof![2 => Just(None), 1 => Just(Some(Same::Numa)), 1 => Just(Some(Same::Switch))],
        nic in prop::option::of(prop_oneof![
            Just(NicWithin::Pix), Just(NicWithin::Pxb), Just(NicWithin::Phb), Just(NicWithin::Node)
        ]),
        joined in any::<bool>(),
    ) -> (usize, Vec<usize>, Constraints, bool) {
        let mut only = Constraints { same, nic, ..Constraints::default() };
        for (at, way, include) in named {
            let gpu = &WORLD.gpus[at];
            let name = match way {
                0 => GpuRef::Index(gpu.index),
                1 => GpuRef::Pci(gpu.pci),
                _ => GpuRef::Uuid(gpu.uuid.clone()),
            };
            let names = if include { &mut only.include } else { &mut only.avoid };
            names.insert(name);
        }
        let both = only.include.intersection(&only.avoid).cloned().collect::<Vec<_>>();
        only.avoid.retain(|name| !both.contains(name));
        // Few are taken, so that many asks are served.
        let free = (0..8).filter(|at| (free | free >> 1 | 0b1010_0101) >> at & 1 == 1).collect();
        (count, free, only, joined)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_given_holds_to_the_ask_and_is_the_best_that_does((count, free, only, joined) in case()) {
        let world = &*WORLD;
        let all: Vec<String> = only.terms().collect();
        let words = [if joined { format!("nvlink:{count}") } else { format!("gpu:{count}") }];
        let ask = words.into_iter().chain(all).collect::<Vec<_>>().join(",");
        let given = world.ask(&ask, &free, Some(&world.rings));
        let may = |set: &Vec<usize>| world.holds(set, &only, joined);
        let best = sets(&free, count).into_iter().filter(may).map(|set| world.worth(&set, &free));
        prop_assert_eq!(given.as_ref().ok().map(|set| world.worth(set, &free)), best.max(), "{}: {:?}", ask, given);
        if let Ok(given) = &given {
            prop_assert!(given.len() == count && may(given), "{}: {:?}", ask, given);
        }
        // Without tables the same asks are served, as far as NUMA nodes and names tell.
        if only.nic.is_none() && only.same != Some(Same::Switch) {
            let plain = world.ask(&ask, &free, None);
            prop_assert_eq!(plain.as_ref().err(), given.as_ref().err());
            prop_assert!(plain.as_ref().map_or(true, may), "{}: {:?}", ask, plain);
        }
    }
}

const ALL: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

#[test]
fn a_refusal_says_which_constraint_left_which_gpus_out() {
    for (ask, free, expected) in [
        (
            "gpu:3,avoid=0,same=numa,nic=pix",
            &ALL[..7],
            ", only 2 can be had: GPU 0 (0000:10:00.0): the ask avoids it; GPUs 1, 6: it serves 1; \
             GPUs 2, 3, 4, 5: it has no network interface within pix; GPU 7 (0000:17:00.0): leased by job 1",
        ),
        (
            "gpu:3,same=switch",
            &ALL,
            ": GPUs 0, 1, 2, 3, 4, 5, 6, 7: too few that may be had are below one PCIe switch with it",
        ),
        (
            "gpu:2,include=0,include=4,same=numa",
            &ALL,
            ": GPUs 0, 1, 2, 3, 4, 5, 6, 7: too few that may be had are on one NUMA node with it",
        ),
        (
            "gpu:2,include=9",
            &ALL,
            ": there is no GPU 9, which must be among them",
        ),
        (
            "gpu:2,include=7",
            &ALL[..7],
            ": GPU 7 must be among them and cannot be had; GPUs 0, 1, 2, 3, 4, 5, 6: it serves 1; \
             GPU 7 (0000:17:00.0): leased by job 1",
        ),
        (
            "gpu:1,include=0,include=1",
            &ALL,
            ": 2 GPUs must be among 1",
        ),
        (
            "gpu:2,include=0,include=3,nic=pix",
            &ALL,
            ": GPU 3 must be among them and cannot be had; GPUs 0, 1, 6: it serves 1; \
             GPUs 2, 3, 4, 5, 7: it has no network interface within pix",
        ),
        (
            "fp4,nvlink:2,include=0",
            &ALL,
            ": GPU 0 must be among them and cannot be had; GPUs 0, 1, 2, 3, 4, 5, 6, 7: it lacks fp4",
        ),
    ] {
        let refused = WORLD.ask(ask, free, Some(&WORLD.rings));
        assert_eq!(refused, Err(format!("no room for {ask}{expected}")));
    }
    let unknown = WORLD.ask("gpu:2,nic=pix", &ALL, None);
    let expected = "no room for gpu:2,nic=pix: GPUs 0, 1, 2, 3, 4, 5, 6, 7: how near switches and network interfaces \
                    are to it is not known";
    assert_eq!(unknown, Err(expected.to_owned()));
}

#[test]
fn one_gpu_by_two_names_is_one_and_one_elsewhere_is_avoided_as_it_is() {
    let gpu = &WORLD.gpus[3];
    let rings = Some(&WORLD.rings);
    let twice = format!("gpu,include=3,include={},include={}", gpu.pci, gpu.uuid);
    assert_eq!(WORLD.ask(&twice, &ALL, rings), Ok(vec![3]));
    let both = format!("gpu,include=3,avoid={}", gpu.uuid);
    let refused = WORLD.ask(&both, &ALL, rings).expect_err("both");
    assert!(
        refused.ends_with("GPU 3 must be among them and is to be avoided"),
        "{refused}"
    );
    let elsewhere = "gpu,include=3,avoid=99,avoid=GPU-elsewhere,avoid=0000:ff:00.0";
    assert_eq!(WORLD.ask(elsewhere, &ALL, rings), Ok(vec![3]));
}

/// Each fault by itself, so that the checker cannot be silent about one.
#[test]
fn the_checker_sees_what_an_ask_forbids() {
    let views = WORLD.views();
    let found = |ask: &str, gpus: &[usize]| {
        let pick = |at: &usize| Pick::Gpu {
            gpu: WORLD.gpus[*at].pci,
            uuid: WORLD.gpus[*at].uuid.clone(),
            disable_mig: false,
        };
        let choice = Choice {
            picks: gpus.iter().map(pick).collect(),
        };
        check_ask(
            &views,
            Some(&WORLD.rings),
            &ask.parse().expect("an ask"),
            &choice,
        )
    };
    assert_eq!(found("gpu:2", &[0, 7]), []);
    assert_eq!(
        found("gpu:2,include=0,avoid=1,same=numa,nic=pxb", &[0, 2]),
        []
    );
    let (zero, one) = (GpuRef::Index(0), GpuRef::Index(1));
    assert_eq!(
        found("gpu,include=0", &[1]),
        [AskViolation::NotIncluded(zero)]
    );
    assert_eq!(found("gpu,avoid=1", &[1]), [AskViolation::IsAvoided(one)]);
    let within = NicWithin::Pix;
    assert_eq!(
        found("gpu:2,nic=pix", &[1, 3]),
        [AskViolation::NoNic { gpu: 3, within }]
    );
    let apart = |gpu, same| [AskViolation::IsApart { gpu, same }];
    assert_eq!(found("gpu:2,same=numa", &[0, 4]), apart(4, Same::Numa));
    assert_eq!(found("gpu:2,same=numa", &[6, 7]), apart(7, Same::Numa));
    assert_eq!(found("gpu:2,same=switch", &[1, 2]), apart(2, Same::Switch));
}
