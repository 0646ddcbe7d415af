//! Explanations become documents that read back, in an order that does not change, and of bounded size.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::json::Explanation as Document;
use kerf_api::json::explanation::{Unplaced, Verdict as Said};
use kerf_planner::Options;
use kerf_scheduler::{Explanation, Refusal, Score, Verdict};
use kerf_types::{Bytes, HostId};

use super::{LISTED, document, made};

fn score(host: u128) -> Score {
    Score {
        apart: 1,
        mode_changes: 0,
        cuts: 1,
        lost: Options { more: 3, pairs: 2 },
        whole_gpus_left: 4,
        numa_nodes: 2,
        load_tenths: 5,
        price_milli_per_hour: u64::MAX,
        remote: host != 1,
        host: HostId::from_bits(host),
    }
}

fn explanation(hosts: Vec<(u128, &str, Verdict)>, unplaced: Option<(u32, u32)>) -> Explanation {
    let host = |(id, name, verdict): (u128, &str, Verdict)| {
        let name = name.parse().expect("a name");
        (HostId::from_bits(id), (name, verdict))
    };
    Explanation {
        unplaced,
        hosts: hosts.into_iter().map(host).collect(),
        not_sampled: 7,
    }
}

fn refused(refusal: Refusal) -> Verdict {
    Verdict::Refused(Arc::new(refusal))
}

#[test]
fn the_text_reads_back_with_those_that_serve_first() {
    let full = Refusal::Cpu {
        wanted: 2_000,
        free: 1,
        total: 64_000,
    };
    let chosen = Verdict::Chosen {
        members: vec![0, 1],
        score: score(4),
        full: Some(Arc::new(full)),
    };
    let hosts = vec![
        (1, "b", refused(Refusal::Cordoned)),
        (2, "a", refused(Refusal::Down)),
        (3, "z", Verdict::Feasible(score(3))),
        (4, "y", chosen),
        (5, "a", refused(Refusal::Draining)),
    ];
    let explanation = explanation(hosts, Some((2, 3)));
    let text = document(&explanation);
    let read: Document = serde_json::from_str(&text).expect("it reads back");
    assert_eq!(read, made(&explanation));
    let pretty = serde_json::to_string_pretty(&read).expect("it writes");
    insta::assert_snapshot!(pretty);
}

#[test]
fn a_price_that_is_named_is_told() {
    let named = Score {
        price_milli_per_hour: 1_500,
        ..score(1)
    };
    let told = made(&explanation(vec![(1, "a", Verdict::Feasible(named))], None));
    let Some(Said::Feasible { score }) = told.hosts.first().map(|host| &host.verdict) else {
        panic!("{told:?}");
    };
    assert_eq!(score.price_milli_per_hour, Some(1_500));
    assert_eq!(told.unplaced, None);
}

#[test]
fn hosts_beyond_the_room_are_counted_by_their_constraint() {
    let extra = 5;
    let count = u128::try_from(LISTED + extra).expect("a number");
    let names: Vec<String> = (0..count).map(|at| format!("host-{at:04}")).collect();
    let mut hosts: Vec<(u128, &str, Verdict)> = (0..count)
        .zip(&names)
        .map(|(at, name)| {
            let age = Duration::from_secs(90);
            let stale = refused(Refusal::Stale { age });
            let verdict = if at % 2 == 0 {
                stale
            } else {
                refused(Refusal::Down)
            };
            (at, name.as_str(), verdict)
        })
        .collect();
    hosts.push((count, "zz", Verdict::Feasible(score(9))));
    let told = made(&explanation(hosts, Some((0, 1))));
    assert_eq!(
        told.hosts.len(),
        LISTED + 1,
        "those that serve are never left out"
    );
    assert_eq!(told.not_listed, u64::try_from(extra).expect("a number"));
    let half = u64::try_from((LISTED + extra) / 2).expect("a number");
    let counted = BTreeMap::from([("down".to_owned(), half), ("stale".to_owned(), half + 1)]);
    assert_eq!(told.refusals, counted);
    let unplaced = Unplaced {
        member: 0,
        members: 1,
    };
    assert_eq!(told.unplaced, Some(unplaced));
}

/// The words are promised to programs.
#[test]
fn each_constraint_has_its_word() {
    let no_room = || {
        Box::new(kerf_planner::NoRoom {
            ask: "gpu:9".to_owned(),
            available: 0,
            unmet: None,
            reasons: Vec::new(),
        })
    };
    let text = |text: &str| text.to_owned();
    let all = [
        Refusal::Down,
        Refusal::Left,
        Refusal::Stale {
            age: Duration::ZERO,
        },
        Refusal::Cordoned,
        Refusal::Draining,
        Refusal::Labels {
            wanted: text("a"),
            found: text("b"),
        },
        Refusal::AvoidedLabels {
            unwanted: text("a"),
            found: text("b"),
        },
        Refusal::NoNeighbour { wanted: text("a") },
        Refusal::Neighbour {
            unwanted: text("a"),
        },
        Refusal::Network,
        Refusal::Impossible(no_room()),
        Refusal::Cpu {
            wanted: 1,
            free: 0,
            total: 0,
        },
        Refusal::Memory {
            wanted: Bytes(1),
            free: Bytes(0),
            total: Bytes(0),
        },
        Refusal::Health {
            ask: text("gpu:1"),
            gpus: Vec::new(),
        },
        Refusal::CuttingOff { ask: text("gpu:1") },
        Refusal::NoRoom(no_room()),
        Refusal::SaidNo {
            ago: Duration::ZERO,
            reason: text("no"),
        },
    ];
    let words: Vec<&str> = all.iter().map(super::constraint).collect();
    assert_eq!(
        words.join(" "),
        "down left stale cordoned draining labels avoided_labels no_neighbour neighbour network \
         impossible cpu memory health cutting_off no_room said_no"
    );
}
