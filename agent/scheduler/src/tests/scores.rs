//! Which host a member gets, and that the fleet chooses what the owner would.

use std::collections::BTreeMap;
use std::time::Duration;

use kerf_planner::{GpuView, Grid, Usage, Use, choose};
use kerf_types::host_record::{Occupancy, SliceRecord};
use kerf_types::inventory::{Gpu, PcieLink};
use kerf_types::job::{Communication, JobSpec, Selector};
use kerf_types::{
    Ask, CiId, ComputeInstance, DeviceMinor, GiId, GpuInstance, Health, HostId, HostRecord,
    Inventory, Moment, Placement, ProfileId, SliceId,
};

use super::fixture::{gpu, h100, host_id, pci, record, shared, slice, spec};
use crate::fleet::Fleet;
use crate::model::{As, HostModel};
use crate::place::{SAMPLE, Wish, place};
use crate::rng::Rng;
use crate::{Explanation, compact};

const NOW: Moment = Moment(10_000);

pub fn fleet(records: Vec<HostRecord>) -> Fleet {
    let mut fleet = Fleet::default();
    for record in records {
        assert!(fleet.learn(shared(record), NOW));
    }
    fleet
}

/// Where the members go as seen from host 1, by the last byte of the id; or why they do not.
pub fn placed(fleet: &mut Fleet, spec: &JobSpec) -> Result<Vec<u8>, Explanation> {
    placed_from(fleet, spec, host_id(1))
}

fn placed_from(fleet: &mut Fleet, spec: &JobSpec, local: HostId) -> Result<Vec<u8>, Explanation> {
    let wish = Wish {
        spec,
        local,
        now: NOW,
        stale_after: Duration::from_secs(60),
        avoid: &BTreeMap::new(),
        claims: &[],
    };
    let placement = place(fleet, &wish, &mut Rng::new(7))?;
    let number = |(host, _): &(HostId, _)| u8::try_from(host.bits()).expect("few hosts");
    Ok(placement.members.iter().map(number).collect())
}

#[test]
fn a_free_slice_goes_before_a_cut_and_a_tight_cut_before_a_wide_one() {
    let mut with_free = record(3, 1);
    with_free.gpus[0].slices = vec![slice(0, Occupancy::Free)];
    let mut fuller = record(2, 1);
    fuller.gpus[0].slices = vec![slice(0, Occupancy::Leased), slice(1, Occupancy::Leased)];
    let mut all = fleet(vec![record(1, 1), fuller.clone(), with_free]);
    assert_eq!(placed(&mut all, &spec("1g.10gb", 1)), Ok(vec![3]));
    // 2g at 2:2 of the fuller one costs the fewest options.
    let mut two = fleet(vec![record(1, 1), fuller]);
    assert_eq!(placed(&mut two, &spec("2g.20gb", 1)), Ok(vec![2]));
    assert_eq!(placed(&mut two, &spec("7g.80gb", 1)), Ok(vec![1]));
}

#[test]
fn among_equals_the_local_host_is_taken_and_load_goes_before_that() {
    let mut all = fleet(vec![record(1, 1), record(2, 1), record(3, 1)]);
    for local in 1..=3 {
        let chosen = placed_from(&mut all, &spec("1g.10gb", 1), host_id(local));
        assert_eq!(chosen, Ok(vec![local]));
    }
    let mut busy = record(1, 1);
    busy.load_per_mille = 900;
    let mut all = fleet(vec![busy, record(2, 1)]);
    assert_eq!(placed(&mut all, &spec("1g.10gb", 1)), Ok(vec![2]));
}

#[test]
fn members_that_talk_to_each_other_stay_together() {
    let mut small = record(1, 1);
    small.gpus[0].slices = (0..5).map(|at| slice(at, Occupancy::Leased)).collect();
    let mut all = fleet(vec![small, record(2, 1), record(3, 1)]);
    let mut gang = spec("1g.10gb", 4);
    // Each for itself goes where it costs the fewest options.
    let apart = placed(&mut all, &gang).expect("room");
    assert!(apart.contains(&1), "{apart:?}");
    gang.communication = Communication::AllReduce;
    assert_eq!(placed(&mut all, &gang), Ok(vec![2; 4]));
    // Too many for any host: as few hosts as can be.
    gang.members = 9;
    let most = placed(&mut all, &gang).expect("room");
    let on = |host| most.iter().filter(|one| **one == host).count();
    assert_eq!(on(2).max(on(3)), 7, "{most:?}");
}

#[test]
fn a_job_can_spread_and_can_gather_by_its_own_labels() {
    let mut all = fleet(vec![record(1, 1), record(2, 1), record(3, 1)]);
    let mut one_each = spec("1g.10gb", 3);
    one_each.labels.insert("app".to_owned(), "a".to_owned());
    let own = Selector {
        key: "app".to_owned(),
        values: vec!["a".to_owned()],
    };
    one_each.affinity.not_jobs.push(own.clone());
    let mut hosts = placed(&mut all, &one_each).expect("room");
    hosts.sort_unstable();
    assert_eq!(hosts, [1, 2, 3]);
    one_each.members = 4;
    let why = placed(&mut all, &one_each).expect_err("three hosts");
    assert_eq!(why.unplaced, Some((3, 4)));
    let mut together = spec("1g.10gb", 3);
    together.labels = one_each.labels.clone();
    together.affinity.jobs.push(own);
    // The first has no neighbour yet, and none is anywhere.
    let hosts = placed(&mut all, &together).expect("room");
    assert!(hosts.iter().all(|host| *host == hosts[0]), "{hosts:?}");
    // With one somewhere, all go there.
    let mut neighbour = record(2, 1);
    neighbour.job_labels = vec![("app".to_owned(), "a".to_owned())];
    let mut all = fleet(vec![record(1, 1), neighbour]);
    assert_eq!(placed(&mut all, &together), Ok(vec![2; 3]));
}

#[test]
fn cpu_and_memory_are_used_up_by_members() {
    let mut all = fleet(vec![record(1, 0), record(2, 0)]);
    let mut job = spec("", 4);
    job.cpu_milli = Some(32_000);
    let mut hosts = placed(&mut all, &job).expect("room");
    hosts.sort_unstable();
    assert_eq!(hosts, [1, 1, 2, 2]);
    job.members = 5;
    let why = placed(&mut all, &job).expect_err("no CPU");
    let text = why.to_string();
    assert!(
        text.contains("no room beside: 32000 thousandths of a CPU wanted, 0 of 64000 are free"),
        "{text}"
    );
}

#[test]
fn no_more_than_a_sample_is_scored() {
    let all: Vec<HostRecord> = (1..=200).map(|number| record(number, 1)).collect();
    let mut fleet = fleet(all);
    let job = spec("1g.10gb", 1);
    let wish = Wish {
        spec: &job,
        local: host_id(1),
        now: NOW,
        stale_after: Duration::from_secs(60),
        avoid: &BTreeMap::new(),
        claims: &[],
    };
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let placement = place(&mut fleet, &wish, &mut Rng::new(seed)).expect("room");
        let explanation = placement.explanation;
        assert_eq!(explanation.hosts.len(), SAMPLE);
        assert_eq!(explanation.not_sampled, 200 - SAMPLE);
        seen.push(explanation);
    }
    assert_eq!(seen[0], seen[1], "the same seed gives the same sample");
    assert_ne!(seen[0], seen[2]);
}

/// A host with random instances as its own owner sees it.
fn random_host(rng: &mut Rng) -> (Inventory, Usage) {
    let (model, mut usage) = (h100(), Usage::default());
    let mut gpus = Vec::new();
    for index in 0..1 + u32::try_from(rng.below(3)).expect("few") {
        let mut one = owner_gpu(index, &model);
        let mut units = 0_u64;
        for _ in 0..rng.below(6) {
            let profile = &model.profiles[rng.index(model.profiles.len())];
            let placement = profile.placements[rng.index(profile.placements.len())];
            let made = one
                .instances
                .iter()
                .filter(|made| made.profile == profile.id);
            let made = u32::try_from(made.count()).expect("few");
            if units & placement.mask().0 != 0 || made >= profile.max_count {
                continue;
            }
            units |= placement.mask().0;
            let id = one.instances.len();
            add(
                &mut one,
                id,
                profile.id,
                placement,
                profile.full_compute_profile,
            );
            let slice = SliceId {
                gpu: one.pci,
                placement,
                compute: None,
            };
            if rng.below(2) == 0 {
                usage.slices.insert(slice, Use::Leased("job".to_owned()));
            }
        }
        if one.instances.is_empty() && rng.below(4) == 0 {
            usage.gpus.insert(one.pci, "job".to_owned());
        }
        gpus.push(one);
    }
    let inventory = Inventory {
        host: "h".to_owned(),
        driver: None,
        gpus,
        amd: Vec::new(),
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: Vec::new(),
        map: Default::default(),
    };
    (inventory, usage)
}

fn owner_gpu(index: u32, model: &kerf_types::host_record::GpuModel) -> Gpu {
    Gpu {
        index,
        uuid: format!("GPU-real-{index}").parse().expect("a UUID"),
        pci: pci(index),
        minor: DeviceMinor(index),
        name: model.name.clone(),
        pci_device_id: 1,
        pci_subsystem_id: 2,
        serial: None,
        architecture: model.architecture,
        compute_capability: model.compute_capability,
        memory: model.memory,
        numa_node: Some(index / 2),
        pcie: PcieLink::default(),
        nvlinks: Vec::new(),
        fabric: None,
        c2c: Vec::new(),
        mig_mode: kerf_types::MigMode::Enabled,
        profiles: model.profiles.clone(),
        instances: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}

fn add(
    gpu: &mut Gpu,
    id: usize,
    profile: ProfileId,
    placement: Placement,
    full: Option<ProfileId>,
) {
    let number = u32::try_from(id).expect("few");
    gpu.instances.push(GpuInstance {
        id: GiId(number),
        profile,
        placement,
        capability_minor: None,
        compute: vec![ComputeInstance {
            id: CiId(0),
            profile: full.expect("a compute profile"),
            placement: None,
            uuid: format!("MIG-{}-{id}", gpu.index).parse().expect("a UUID"),
            capability_minor: None,
        }],
    });
}

#[test]
fn the_fleet_chooses_what_the_owner_would() {
    let mut rng = Rng::new(11);
    let asks = [
        "1g.10gb",
        "1g.20gb:2",
        "2g.20gb",
        "3g.40gb:2",
        "7g.80gb",
        "gpu",
        "gpu:2",
        "memory>=20GiB,fp8",
    ];
    let (mut chosen, mut refused) = (0, 0);
    for _ in 0..2_000 {
        let (inventory, usage) = random_host(&mut rng);
        let grid = Grid::from_profiles(&h100().profiles).expect("a grid");
        let views: Vec<GpuView<'_>> = inventory
            .gpus
            .iter()
            .map(|gpu| GpuView {
                gpu,
                grid: Some(&grid),
                may_enable_mig: true,
                may_disable_mig: true,
                closed: None,
            })
            .collect();
        let mut record = record(1, 0);
        (record.models, record.gpus) = compact(&inventory, &usage);
        let model = HostModel::new(shared(record));
        let ask: Ask = asks[rng.index(asks.len())].parse().expect("an ask");
        let place_of = |pick: &kerf_planner::Pick| match pick {
            kerf_planner::Pick::Existing { placement, .. } => (pick.gpu(), Some(*placement)),
            kerf_planner::Pick::Cut { creation, .. } => (pick.gpu(), Some(creation.placement)),
            kerf_planner::Pick::Part { cut, .. } => (pick.gpu(), Some(cut.placement)),
            kerf_planner::Pick::Gpu { .. } | kerf_planner::Pick::Share(_) => (pick.gpu(), None),
        };
        match (
            choose(&views, &usage, None, &ask),
            model.choose(&ask, As::Now),
        ) {
            (Ok(own), Ok(seen)) => {
                let places =
                    |picks: &[kerf_planner::Pick]| picks.iter().map(place_of).collect::<Vec<_>>();
                assert_eq!(places(&own.picks), places(&seen.picks), "{ask}");
                chosen += 1;
            }
            (Err(own), Err(seen)) => {
                let words = |text: &str| text.replace("leased by another job", "leased by job");
                assert_eq!(own.to_string(), words(&seen.to_string()));
                refused += 1;
            }
            (own, seen) => panic!("{ask}: owner {own:?}, fleet {seen:?}"),
        }
    }
    assert!(
        chosen > 500 && refused > 200,
        "{chosen} chosen, {refused} refused"
    );
}

#[test]
fn an_older_record_changes_nothing() {
    let mut fleet = fleet(vec![record(1, 2)]);
    let mut newer = record(1, 1);
    newer.version.revision = 5;
    assert!(fleet.learn(shared(newer), NOW));
    assert!(!fleet.learn(shared(record(1, 8)), NOW));
    let known = fleet.get(host_id(1)).expect("known");
    assert_eq!(known.model.record().gpus.len(), 1);
    // A rebuilt store counts from the beginning, in a new epoch.
    let mut reborn = record(1, 3);
    reborn.version.epoch = 2;
    assert!(fleet.learn(shared(reborn), NOW));
}

#[test]
fn a_slice_of_an_unknown_profile_is_nobodys() {
    let mut odd = record(1, 1);
    odd.gpus[0] = gpu(0);
    odd.gpus[0].slices = vec![SliceRecord {
        profile: ProfileId(77),
        placement: Placement::try_new(0, 4).expect("a placement"),
        occupancy: Occupancy::Free,
    }];
    let mut all = fleet(vec![odd]);
    // It is never taken for something else, and what it covers is not cut.
    assert_eq!(placed(&mut all, &spec("3g.40gb", 1)), Ok(vec![1]));
    assert!(placed(&mut all, &spec("3g.40gb:2", 1)).is_err());
}

/// What a record tells rules a host out; what none tells is for the owner to say.
#[test]
fn constraints_are_judged_as_far_as_a_record_tells() {
    let mut apart = record(1, 2);
    for (node, gpu) in (0..).zip(&mut apart.gpus) {
        gpu.numa_node = Some(node);
    }
    let mut all = fleet(vec![apart.clone()]);
    let pci = apart.gpus[1].pci;
    for (ask, expected) in [
        ("gpu:2", true),
        ("gpu,same=numa", true),
        ("gpu:2,same=numa", false),
        ("gpu,include=1", true),
        ("gpu,include=2", false),
        ("gpu,avoid=0,avoid=1", false),
        ("gpu,avoid=9", true),
        ("gpu:2,same=switch,nic=pix", true),
        ("gpu:2,same=switch,avoid=1", false),
        ("gpu,include=GPU-of-nobody-knows-which-host", true),
        ("gpu,avoid=GPU-of-nobody-knows-which-host", true),
    ] {
        let placed = placed(&mut all, &spec(ask, 1));
        assert_eq!(placed.is_ok(), expected, "{ask}: {placed:?}");
    }
    let named = format!("gpu,include={pci}");
    assert_eq!(placed(&mut all, &spec(&named, 1)), Ok(vec![1]));
    let told = placed(&mut all, &spec("gpu:2,nic=pix,avoid=1", 1)).expect_err("one is left");
    let told = format!("{told:?}");
    assert!(
        told.contains("gpu:2,avoid=1,nic=pix"),
        "as it was asked: {told}"
    );
}
