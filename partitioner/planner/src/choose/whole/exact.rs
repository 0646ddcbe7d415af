//! Which of the candidates, exactly, where it is known what joins them: the set with the widest ring that leaves the most
//! for later.
//!
//! A change of mode takes seconds and what it changes is no longer cut, so GPUs that need one are looked at where the
//! others are too few. Near beats unchanged all the same: where the others lie apart, those of one NUMA node are taken
//! with a change if that makes the ring wider.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bounds, Candidate, are_joined};
use crate::rings::{Bound, Chosen, DeviceSet, GpuRings, MOST_DEVICES, Wish};

/// Candidates by their number in the tables.
pub(super) struct Field<'r, 'a> {
    rings: &'r GpuRings,
    /// Those that are free, whether the ask may have them or not: what it may not is left for later all the same.
    by_number: BTreeMap<usize, Candidate<'a>>,
    bound: Bound,
}

impl<'r, 'a> Field<'r, 'a> {
    /// `None` where the tables are of another host: one of the candidates has no place in them.
    pub(super) fn of(
        rings: &'r GpuRings,
        free: &[Candidate<'a>],
        bounds: &Bounds<'_>,
    ) -> Option<Self> {
        let numbered = |one: &Candidate<'a>| Some((rings.number(one.gpu.pci)?, *one));
        let by_number = free.iter().map(numbered);
        Some(Self {
            rings,
            by_number: by_number.collect::<Option<_>>()?,
            bound: bounds.bound(rings),
        })
    }

    /// By what it is known how near things are to a GPU.
    pub(super) fn near(&self) -> (&GpuRings, &Bound) {
        (self.rings, &self.bound)
    }

    /// The best `count`, in the order of their addresses; with `joined`, each joined to each other.
    pub(super) fn best(&self, count: usize, joined: bool) -> Option<Vec<Candidate<'a>>> {
        let (all, unchanged) = (self.those(|_| true), self.those(|one| !one.disable_mig));
        let kept = self.pick(count, unchanged, unchanged, &[unchanged], joined);
        let chosen = match kept {
            Some(kept) if unchanged == all || self.nodes(kept.set).len() <= 1 => kept,
            Some(kept) => {
                let nodes = self.nodes(all).into_iter();
                let on = nodes.map(|node| self.those(|one| one.gpu.numa_node == node));
                let on: Vec<DeviceSet> = on.collect();
                let near = self.pick(count, unchanged, all, &on, joined);
                let is_wider = |near: &Chosen| near.ring_mbps > kept.ring_mbps;
                near.filter(is_wider).unwrap_or(kept)
            }
            None => self.pick(count, unchanged, all, &[all], joined)?,
        };
        let chosen = chosen.set.iter().map(|at| self.by_number.get(&at).copied());
        chosen.collect()
    }

    /// The best set of one of the pools among the free, with as few changes of mode as its ring allows.
    fn pick(
        &self,
        count: usize,
        unchanged: DeviceSet,
        free: DeviceSet,
        pools: &[DeviceSet],
        joined: bool,
    ) -> Option<Chosen> {
        let pools = match &self.bound.within {
            None => pools.to_vec(),
            Some(groups) => {
                let cut = |pool: &DeviceSet| {
                    let pool = *pool;
                    groups.iter().map(move |group| group.and(pool))
                };
                pools.iter().flat_map(cut).collect()
            }
        };
        let wish = Wish {
            rather_not: free.without(unchanged),
            within: Some(match joined {
                true => self.joined(&pools),
                false => pools,
            }),
            ..self.bound.wish(count, free)
        };
        self.rings.table().pick(&wish).ok()
    }

    fn those(&self, are: impl Fn(&Candidate<'a>) -> bool) -> DeviceSet {
        let all = self.by_number.iter();
        all.filter(|(_, one)| are(one)).map(|(at, _)| *at).collect()
    }

    /// NUMA nodes of a set; an unknown one counts as one of its own.
    fn nodes(&self, set: DeviceSet) -> BTreeSet<Option<u32>> {
        let all = self.by_number.iter();
        all.filter(|(at, _)| set.contains(**at))
            .map(|(_, one)| one.gpu.numa_node)
            .collect()
    }

    /// Of each pool the largest sets of GPUs that are all joined to each other.
    fn joined(&self, pools: &[DeviceSet]) -> Vec<DeviceSet> {
        let near = |at: usize| {
            let one = self.by_number.get(&at);
            let others = self.those(|other| one.is_some_and(|one| are_joined(one.gpu, other.gpu)));
            others.without(DeviceSet::one(at))
        };
        let near: Vec<DeviceSet> = (0..MOST_DEVICES).map(near).collect();
        let mut out = Vec::new();
        for pool in pools {
            cliques(&near, DeviceSet::EMPTY, *pool, DeviceSet::EMPTY, &mut out);
        }
        out
    }
}

/// Adds every set of `chosen` and devices of `may` that are all near to each other and that no more of `may` could join, by
/// the way of Bron and Kerbosch: what is in `done` has been tried beside `chosen`. Of the one that is near to the most,
/// nothing near need be tried: a set without that one has another that is not near to it.
fn cliques(
    near: &[DeviceSet],
    chosen: DeviceSet,
    mut may: DeviceSet,
    mut done: DeviceSet,
    out: &mut Vec<DeviceSet>,
) {
    let near_to = |device: usize| near.get(device).copied().unwrap_or_default();
    let open = may.union(done).iter();
    let most = open
        .map(|device| near_to(device).and(may))
        .max_by_key(|near| near.len());
    let Some(most) = most else {
        out.push(chosen);
        return;
    };
    for device in may.without(most).iter() {
        let (own, beside) = (DeviceSet::one(device), near_to(device));
        cliques(
            near,
            chosen.union(own),
            may.and(beside),
            done.and(beside),
            out,
        );
        may = may.without(own);
        done = done.union(own);
    }
}
