//! Whether what is wanted can lie on the GPUs at all, whatever it costs.
//!
//! A GPU that can hold some slices can hold fewer of them, down to those that are pinned. So only the largest
//! multisets of each GPU matter, of which there are few, and what lives on it matters only where it is pinned: GPUs of
//! one kind are alike. The search goes deep first, the fullest multiset first, and never twice from the same rest. A
//! rest is given up where it has more worth than the GPUs that are left can take (`worth`).

use std::collections::BTreeSet;

use super::pack::Packing;
use super::seat::{Question, Seat};
use super::worth::{Kind, Worth};

/// Nodes that the search may take; what has not ended by then is left to the search with costs.
const NODES: u64 = 100_000;

/// Rounds in which the worth is made tighter for all that is wanted, and for each rest.
const ROUNDS: i64 = 200;
const ROUNDS_OF_A_REST: i64 = 12;

/// Whether it fits; `None` where that takes more nodes than there are.
pub(super) fn fits(question: &Question<'_>, seats: &[&Seat], nodes: &mut u64) -> Option<bool> {
    let packing = &question.packing;
    let mut kinds: Vec<Kind> = Vec::new();
    for seat in seats {
        let keys = largest(packing, seat, question.all());
        match kinds.iter_mut().find(|known| *known.keys == *keys) {
            Some(known) => known.count += 1,
            None => kinds.push(Kind::new(packing, keys)),
        }
    }
    // What has the least choice goes first.
    kinds.sort_by_key(|kind| kind.keys.len());
    let volumes = question.volumes.iter();
    let volumes: Vec<i64> = volumes
        .map(|one| i64::try_from(*one).unwrap_or(0))
        .collect();
    let want = packing.counts(question.all());
    let (first, is_enough) = Worth::of(&volumes, &want).tightest(&kinds, &want, ROUNDS);
    if !is_enough {
        return Some(false);
    }
    for kind in &mut kinds {
        kind.fullest_first(packing, &first);
    }
    let most = NODES.min(*nodes);
    let mut search = Search {
        packing,
        dead: vec![BTreeSet::new(); seats.len()],
        nodes: most,
    };
    let found = search.descend(&kinds, question.all(), &first);
    *nodes -= most - search.nodes;
    found
}

/// The multisets of a GPU that no other one of it exceeds. With what is wanted of a kind there is no more of it.
fn largest(packing: &Packing, seat: &Seat, all: u128) -> Vec<u128> {
    let mut keys: Vec<u128> = seat.choices.iter().map(|choice| choice.key).collect();
    keys.sort_unstable();
    let is_exceeded = |key: &&u128| {
        let mut more = packing.more(**key);
        // What fits with one slice less fits; so the next larger one tells of all that are larger.
        more.any(|more| packing.without(all, more).is_some() && keys.binary_search(&more).is_ok())
    };
    let largest = keys.iter().filter(|key| !is_exceeded(key));
    largest.copied().collect()
}

struct Search<'a> {
    packing: &'a Packing,
    /// By the number of GPUs that are left: the rests that do not fit on them.
    dead: Vec<BTreeSet<u128>>,
    nodes: u64,
}

impl Search<'_> {
    /// Whether the rest fits on these GPUs. They are taken in one order, so that their number tells which they are.
    fn descend(&mut self, kinds: &[Kind], rest: u128, worth: &Worth) -> Option<bool> {
        if rest == 0 {
            return Some(true);
        }
        let Some((kind, others)) = kinds.split_first() else {
            return Some(false);
        };
        let left: usize = kinds.iter().map(|kind| kind.count).sum();
        let at = left.saturating_sub(1);
        if self.dead.get(at).is_some_and(|dead| dead.contains(&rest)) {
            return Some(false);
        }
        let counts = self.packing.counts(rest);
        let (worth, is_enough) = worth.tightest(kinds, &counts, ROUNDS_OF_A_REST);
        if is_enough {
            let mut fewer = kinds.to_vec();
            let next = match fewer.first_mut().filter(|first| first.count > 1) {
                Some(first) => {
                    first.count -= 1;
                    fewer.as_slice()
                }
                None => others,
            };
            let rests = kind.keys.iter().map(|key| self.packing.short(rest, *key));
            for rest in least(self.packing, rests.collect()) {
                self.nodes = self.nodes.checked_sub(1)?;
                if self.descend(next, rest, &worth)? {
                    return Some(true);
                }
            }
        }
        self.dead.get_mut(at)?.insert(rest);
        Some(false)
    }
}

/// The rests that hold no other one, in their order: where one fits, what holds less fits too.
fn least(packing: &Packing, rests: Vec<u128>) -> Vec<u128> {
    let mut least: Vec<u128> = Vec::with_capacity(rests.len());
    for rest in rests {
        let mut known = least.iter();
        if known.any(|known| packing.without(rest, *known).is_some()) {
            continue;
        }
        least.retain(|known| packing.without(*known, rest).is_none());
        least.push(rest);
    }
    least
}
