//! A client on one slice while its neighbours are cut anew a thousand times: its instance keeps its ids, its UUID
//! and its process.

use nvidia_ml::control::{LoadRequest, load};

use crate::corpus::Random;
use crate::course::at_rest;
use crate::judge::{Instance, Picture, Place};
use crate::lane::Lane;
use crate::life::{Alive, End};
use crate::script::{Op, Runtime, carry_out};

/// Layouts that are applied.
const LAYOUTS: u64 = 1_000;

/// Those of one kerfd; then the next one takes over.
const LAYOUTS_OF_A_LIFE: u64 = 100;

/// What may lie beside the client, and the most of each. Many draws do not fit together; these are refused.
const NEIGHBOURS: [(&str, u64); 8] = [
    ("1g.10gb", 4),
    ("1g.10gb+me", 1),
    ("1g.20gb", 2),
    ("2g.20gb", 2),
    ("4g.40gb", 1),
    ("1c.2g.20gb", 4),
    ("1c.3g.40gb", 3),
    ("2c.4g.40gb", 2),
];

fn apply(neighbours: &str) -> Op {
    Op::Apply {
        layout: format!(r#"{{"rules":[{{"gpus":[0],"slices":{{"3g.40gb":1{neighbours}}}}}]}}"#),
        allow_reset: false,
    }
}

/// One to three kinds of neighbours.
fn draw(random: &mut Random) -> String {
    let kinds = 1 + random.below(3);
    let mut chosen = std::collections::BTreeMap::new();
    for _ in 0..kinds {
        let kind = usize::try_from(random.below(8)).expect("small");
        let (profile, most) = NEIGHBOURS[kind];
        chosen.insert(profile, 1 + random.below(most));
    }
    let slices = chosen.iter();
    slices
        .map(|(profile, count)| format!(r#","{profile}":{count}"#))
        .collect()
}

/// The client's instance, and everything around it.
fn instances(lane: &Lane) -> (Place, Instance, Vec<Instance>) {
    let mut instances = Picture::take(lane).instances;
    let client = instances.iter().find(|(_, one)| !one.processes.is_empty());
    let place = *client.expect("the client runs").0;
    let client = instances.remove(&place).expect("just found");
    (place, client, instances.into_values().collect())
}

/// One life of kerfd: so many layouts are applied; the client is looked at after each. Returns how often what lies
/// around it was another thing than before.
fn live(lane: &Lane, runtime: &Runtime, random: &mut Random, client: &(Place, Instance)) -> u64 {
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        let (mut applied, mut changed) = (0, 0);
        let (_, _, mut before) = instances(lane);
        while applied < LAYOUTS_OF_A_LIFE {
            let outcome = carry_out(&alive.host, runtime, &apply(&draw(random))).await;
            let (place, now, around) = instances(lane);
            assert_eq!(&(place, now), client, "{outcome:?}");
            applied += u64::from(outcome.is_ok());
            changed += u64::from(around != before);
            before = around;
        }
        alive.host.drain().await;
        changed
    });
    match end {
        End::Done(changed) => changed,
        End::Killed => panic!("nobody kills it"),
    }
}

#[test]
fn a_client_is_untouched_by_a_thousand_layouts_of_its_neighbours() {
    let (lane, runtime) = (Lane::new("h100x8", 1), Runtime::start());
    let (end, _) = lane.live(None, false, async |alive: Alive| {
        at_rest(&alive).await;
        let first = Op::Apply {
            layout: r#"{"rules":[{"gpus":[0],"slices":{"3g.40gb":1}}]}"#.to_owned(),
            allow_reset: true,
        };
        let applied = carry_out(&alive.host, &runtime, &first).await;
        applied.expect("an empty GPU");
        alive.host.drain().await;
    });
    assert!(matches!(end, End::Done(())));
    let slice = Picture::take(&lane).instances;
    let slice = slice.values().next().expect("the slice");
    let request = LoadRequest {
        gpu: 0,
        gi: Some(slice.gi),
        ci: None,
        sm_percent: 80,
        memory_bytes: 1 << 30,
        pid: runtime.pid(),
    };
    load(&lane.info.dir, request).expect("a process");
    let (place, client, _) = instances(&lane);
    let (client, mut random, mut changed) = ((place, client), Random::new(17), 0);
    for _ in 0..LAYOUTS / LAYOUTS_OF_A_LIFE {
        changed += live(&lane, &runtime, &mut random, &client);
    }
    println!("{LAYOUTS} layouts applied beside the client, {changed} of them changed something");
    assert!(changed > LAYOUTS / 2, "{changed}");
}
