//! Names resolve at every moment at which their slice or lease is there, however cutting and resolving interleave.
//!
//! What is seen before a look at the folder and again after it was there during the look, so its name must resolve.
//! The resolver reads the folder as engines do: every file in it, of which one may go while it looks. A number of
//! rounds goes through `ctr` of containerd 2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kerf_tests::engines::Suite;
use kerf_tests::note;
use serde_json::Value;

use super::cdi_spec::{device_names, faults};
use super::client::{Client, layout};
use super::crash::kills::Random;
use super::engines::ctr_by_name;
use super::world::World;

/// How many rounds are made; so many unless `KERF_INTERLEAVINGS` says how many. A hundredth goes through containerd.
const ROUNDS: u64 = 2_000;

/// The seed; `KERF_SEED` is another one.
const SEED: u64 = 0x5eed;

/// States of a lease whose name means something.
const USABLE: [&str; 2] = ["reserved", "active"];

/// What the cutter asks for: slices of every size, and whole GPUs.
const ASKS: [&str; 6] = [
    "1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "7g.80gb", "gpu:1",
];

fn number(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(usual, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name}={text}"))
    })
}

/// Every name that the folder gives, as an engine sees it: a name that two files have is nobody's.
fn resolvable(folder: &Path) -> BTreeSet<String> {
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
        let path = entry.path();
        if path
            .extension()
            .is_none_or(|kind| kind != "json" && kind != "yaml")
        {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else {
            // It was there when the folder was read.
            continue;
        };
        let document: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} is {error}: {text:?}", path.display()));
        let wrong = faults(&document);
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        let kind = document["kind"].as_str().expect("a kind");
        for name in device_names(&document) {
            *count.entry(format!("{kind}={name}")).or_default() += 1;
        }
    }
    let once = count.into_iter().filter(|(_, times)| *times == 1);
    once.map(|(name, _)| name).collect()
}

/// Names of what is there: of slices, each with the UUID of the instance that it is now, and of leases that can
/// be used. One that is ending is listed until its slice is clean, and its name goes before.
fn there(client: &Client) -> BTreeSet<(String, String)> {
    let slices = client.slices().into_iter().filter_map(|slice| {
        let uuid = slice.uuid?;
        Some((slice.cdi_name, uuid))
    });
    let leases = client.leases().into_iter();
    let leases = leases.filter(|lease| USABLE.contains(&lease.state.as_str()));
    slices
        .chain(leases.map(|lease| (lease.cdi_name, lease.id)))
        .collect()
}

/// Cuts and frees at random until it is told to stop; returns how many changes there were.
fn cut(client: &Client, mut random: Random, gpus: &[&str], done: &AtomicBool) -> u64 {
    let mut held: Vec<String> = Vec::new();
    let (mut changes, mut next) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        let takes = held.len() < 4 || (held.len() < 24 && random.below(2) == 0);
        if takes {
            let ask = pick(&mut random, &ASKS);
            next += 1;
            // Where it is full, nothing is cut and something is freed soon.
            match client.lease(ask, "default", &format!("c{next}")) {
                Ok(lease) => held.push(lease.id),
                Err(_) => drop(held.pop().map(|id| client.release(&id).expect("it ends"))),
            }
        } else if random.below(8) == 0 {
            // A standing layout on a GPU that is free changes names without leases.
            let gpu = pick(&mut random, gpus);
            let slices = layout(&[(&[gpu], &[("1g.10gb", u32::from(random.below(2) == 0) * 3)])]);
            drop(client.apply(slices));
        } else {
            let at = usize::try_from(random.below(held.len() as u64)).expect("small");
            client.release(&held.swap_remove(at)).expect("it ends");
        }
        changes += 1;
    }
    for id in held {
        client.release(&id).expect("it ends");
    }
    changes
}

fn pick<'a>(random: &mut Random, of: &[&'a str]) -> &'a str {
    let at = usize::try_from(random.below(of.len() as u64)).expect("small");
    of[at]
}

#[test]
fn no_name_of_what_is_there_is_unresolvable() {
    let Some(world) = World::bare("h100x8", "") else {
        return;
    };
    let (rounds, seed) = (
        number("KERF_INTERLEAVINGS", ROUNDS),
        number("KERF_SEED", SEED),
    );
    note(&format!("interleavings: {rounds} rounds, KERF_SEED={seed}"));
    let (done, names) = (&AtomicBool::new(false), &AtomicU64::new(0));
    let (socket, cdi) = (&world.kerfd.socket(), &world.kerfd.cdi());
    let changes = std::thread::scope(|scope| {
        let cutter = scope.spawn(move || {
            let client = Client::new(socket.clone());
            cut(&client, Random(seed), &["6", "7"], done)
        });
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let client = Client::new(socket.clone());
            let mut before = there(&client);
            for round in 0..rounds {
                let resolved = resolvable(cdi);
                let after = there(&client);
                for (name, id) in before.intersection(&after) {
                    let known = resolved.contains(name);
                    assert!(
                        known,
                        "seed {seed}, round {round}: {name} ({id}) is not in {resolved:?}"
                    );
                    names.fetch_add(1, Ordering::Relaxed);
                }
                before = after;
            }
        }));
        done.store(true, Ordering::Relaxed);
        let changes = cutter.join().expect("it cuts");
        if let Err(failed) = looked {
            std::panic::resume_unwind(failed);
        }
        changes
    });
    let names = names.load(Ordering::Relaxed);
    note(&format!(
        "interleavings: {names} names resolved during {changes} changes"
    ));
    // Neither stood still while the other worked.
    assert!(
        changes > rounds / 100 && names > rounds,
        "{changes} changes, {names} names"
    );
}

#[test]
fn no_name_is_unresolvable_for_containerd() {
    let Some(world) = World::of_suite(Suite::Sid, "h100x8", "", false) else {
        return;
    };
    let rounds = number("KERF_INTERLEAVINGS", ROUNDS).div_ceil(100);
    let seed = number("KERF_SEED", SEED);
    note(&format!(
        "interleavings: {rounds} through containerd, KERF_SEED={seed}"
    ));
    let done = &AtomicBool::new(false);
    let socket = &world.kerfd.socket();
    std::thread::scope(|scope| {
        let cutter = scope.spawn(move || {
            let client = Client::new(socket.clone());
            cut(&client, Random(seed), &["5", "6"], done)
        });
        let launched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let client = Client::new(socket.clone());
            for round in 0..rounds {
                // A name that is promised stays until it is used; whatever else is cut meanwhile.
                let id = format!("r{round}");
                // Six GPUs are not the cutter's, so there is always room.
                let lease = client.lease("1g.10gb", world.namespace(), &id);
                let lease = lease.unwrap_or_else(|error| panic!("round {round}: {error}"));
                let ended = ctr_by_name(&world, &id, &lease.cdi_name, false);
                assert_eq!(
                    ended.code,
                    Some(0),
                    "seed {seed}, round {round}: {}",
                    ended.text
                );
                // A container that was gone before kerfd saw it leaves a promise; one that was seen ends its lease itself.
                drop(client.release(&lease.id));
            }
        }));
        done.store(true, Ordering::Relaxed);
        cutter.join().expect("it cuts");
        if let Err(failed) = launched {
            std::panic::resume_unwind(failed);
        }
    });
    world.until_no_leases();
}
