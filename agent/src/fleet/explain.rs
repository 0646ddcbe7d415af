//! From the scheduler's explanation to the document that is kept with the job. Pure.
//!
//! Nothing of the time is in it: while a job waits it is explained again and again, and whoever keeps the text
//! can tell by it whether anything has changed.

use std::collections::BTreeMap;

use kerf_api::json::explanation::{
    Explanation as Document, ExplanationSchema, HostVerdict, Refusal as Why, Score as Cost,
    Unplaced, Verdict as Said,
};
use kerf_scheduler::{Explanation, Refusal, Score, Verdict};
use kerf_types::{HostId, HostName};

/// Hosts that cannot serve and are listed all the same; the others are counted by constraint. Each is a few
/// hundred bytes of the store for as long as the job is kept, and a fleet may have thousands.
pub const LISTED: usize = 128;

/// The `kerf.v1.Explanation` document.
pub fn document(explanation: &Explanation) -> String {
    match serde_json::to_string(&made(explanation)) {
        Ok(json) => json,
        Err(error) => unreachable!("strings, integers and string-keyed maps always write: {error}"),
    }
}

/// The document as a value: those that get members first, then those that could, then those that cannot; each
/// group by name, and by id where names are equal.
fn made(explanation: &Explanation) -> Document {
    let mut hosts: Vec<(&HostId, &HostName, &Verdict)> = explanation
        .hosts
        .iter()
        .map(|(id, (name, verdict))| (id, name, verdict))
        .collect();
    hosts.sort_by_key(|(id, name, verdict)| (rank(verdict), *name, *id));
    let mut refusals: BTreeMap<String, u64> = BTreeMap::new();
    let mut not_listed = 0;
    let mut listed = Vec::new();
    let mut refused = 0;
    for (id, name, verdict) in hosts {
        if let Verdict::Refused(refusal) = verdict {
            *refusals.entry(constraint(refusal).to_owned()).or_default() += 1;
            refused += 1;
            if refused > LISTED {
                not_listed += 1;
                continue;
            }
        }
        listed.push(HostVerdict {
            id: id.to_string(),
            name: name.as_str().to_owned(),
            verdict: said(verdict),
        });
    }
    let unplaced = |(member, members)| Unplaced { member, members };
    Document {
        schema: ExplanationSchema::V1,
        unplaced: explanation.unplaced.map(unplaced),
        hosts: listed,
        refusals,
        not_listed,
        not_sampled: u64::try_from(explanation.not_sampled).unwrap_or(u64::MAX),
    }
}

fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Chosen { .. } => 0,
        Verdict::Feasible(_) => 1,
        Verdict::Refused(_) => 2,
    }
}

fn said(verdict: &Verdict) -> Said {
    match verdict {
        Verdict::Chosen {
            members,
            score,
            full,
        } => Said::Chosen {
            members: members.clone(),
            score: cost(score),
            full: full.as_deref().map(why),
        },
        Verdict::Feasible(score) => Said::Feasible { score: cost(score) },
        Verdict::Refused(refusal) => Said::Refused {
            refusal: why(refusal),
        },
    }
}

fn cost(score: &Score) -> Cost {
    let named = |price: &u64| *price != u64::MAX;
    Cost {
        apart: score.apart,
        mode_changes: score.mode_changes,
        cuts: score.cuts,
        options_lost: score.lost.more,
        places_lost: score.lost.pairs,
        whole_gpus_left: score.whole_gpus_left,
        numa_nodes: score.numa_nodes,
        load_tenths: score.load_tenths,
        price_milli_per_hour: Some(score.price_milli_per_hour).filter(named),
        remote: score.remote,
        text: score.to_string(),
    }
}

fn why(refusal: &Refusal) -> Why {
    Why {
        constraint: constraint(refusal).to_owned(),
        may_pass: refusal.may_pass(),
        text: refusal.to_string(),
    }
}

/// The word of a constraint. Programs go by it, so it stays whatever becomes of the variant's name.
fn constraint(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Down => "down",
        Refusal::Left => "left",
        Refusal::Stale { .. } => "stale",
        Refusal::Cordoned => "cordoned",
        Refusal::Draining => "draining",
        Refusal::Labels { .. } => "labels",
        Refusal::AvoidedLabels { .. } => "avoided_labels",
        Refusal::NoNeighbour { .. } => "no_neighbour",
        Refusal::Neighbour { .. } => "neighbour",
        Refusal::Network => "network",
        Refusal::Terminal => "terminal",
        Refusal::Impossible(_) => "impossible",
        Refusal::Cpu { .. } => "cpu",
        Refusal::Memory { .. } => "memory",
        Refusal::Health { .. } => "health",
        Refusal::CuttingOff { .. } => "cutting_off",
        Refusal::NoRoom(_) => "no_room",
        Refusal::SaidNo { .. } => "said_no",
    }
}

#[cfg(test)]
mod tests;
