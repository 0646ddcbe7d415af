//! Exact search over the final states of one GPU: depth first, the largest profiles first, what lives kept
//! first, cut off where even keeping everything that is left to decide cannot beat the best state found.
//!
//! Owns nothing but its own stack. It never decides what is wanted; `gpu` does.

use kerf_types::{Placement, ProfileId, UnitMask};

use crate::grid::{Grid, GridProfile};
use crate::options::{Options, profile_options};

/// A place that an instance of a level may take, and what is saved if it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub place: Placement,
    pub mask: UnitMask,
    pub gain: u64,
}

/// The instances of one profile that are still to be placed.
#[derive(Debug, Clone)]
pub(crate) struct Level<'g> {
    pub profile: &'g GridProfile,
    pub need: u32,
    /// Highest gain first, then by start: the first leaf is then a good one.
    pub slots: Vec<Slot>,
    /// What the instances hold: 0 for the compute instance that fills them, else a number of the caller's.
    pub content: Content,
    /// Slots beyond the grid's legal places: an instance that lies where the driver says none may.
    pub extra: u32,
}

/// What an instance of a final state holds, as a number.
pub(crate) type Content = u16;

/// An instance of a final state.
pub(crate) type Item = (Placement, ProfileId, Content);

/// The best final state.
#[derive(Debug, Clone)]
pub(crate) struct Best {
    pub gain: u64,
    pub options: Options,
    pub state: Vec<Item>,
}

/// What a search came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The best state; `None` where there is none, or none was found in time.
    pub best: Option<Best>,
    /// No state saves more than this.
    pub most_gain: u64,
    /// Whether nodes ran out before all was seen.
    pub exhausted: bool,
    /// Nodes that it took.
    pub nodes: u64,
}

struct Search<'a> {
    /// Profiles of which more are allowed beside the final state, and how many.
    allowances: &'a [(&'a GridProfile, u32)],
    nodes_left: u64,
    exhausted: bool,
    first_only: bool,
    chosen: Vec<Item>,
    best: Option<Best>,
}

/// The state that saves most, then leaves most room, then is smallest, over all ways to place the levels.
pub(crate) fn best_state(
    levels: &[Level<'_>],
    occupied: UnitMask,
    allowances: &[(&GridProfile, u32)],
    nodes: u64,
) -> Outcome {
    run(levels, occupied, allowances, nodes, false)
}

/// Whether the levels can be placed at all; `None` when the nodes ran out.
pub(crate) fn fits(levels: &[Level<'_>], occupied: UnitMask, nodes: u64) -> Option<bool> {
    let outcome = run(levels, occupied, &[], nodes, true);
    match (outcome.best, outcome.exhausted) {
        (Some(_), _) => Some(true),
        (None, true) => None,
        (None, false) => Some(false),
    }
}

fn run(
    levels: &[Level<'_>],
    occupied: UnitMask,
    allowances: &[(&GridProfile, u32)],
    nodes: u64,
    first_only: bool,
) -> Outcome {
    let most_gain = levels
        .iter()
        .map(|level| most_gain(&level.slots, level.need, occupied))
        .fold(0, u64::saturating_add);
    let mut search = Search {
        allowances,
        nodes_left: nodes,
        exhausted: false,
        first_only,
        chosen: Vec::with_capacity(8),
        best: None,
    };
    search.descend(levels, occupied, 0);
    Outcome {
        best: search.best,
        most_gain,
        exhausted: search.exhausted,
        nodes: nodes.saturating_sub(search.nodes_left),
    }
}

impl Search<'_> {
    fn done(&self) -> bool {
        self.exhausted || (self.first_only && self.best.is_some())
    }

    fn descend(&mut self, levels: &[Level<'_>], occupied: UnitMask, gain: u64) {
        let Some((level, rest)) = levels.split_first() else {
            return self.leaf(occupied, gain);
        };
        let fit =
            |level: &Level<'_>| Grid::packing(level.profile, occupied) + level.extra >= level.need;
        if levels.iter().all(fit) {
            self.pick(level, &level.slots, level.need, rest, occupied, gain);
        }
    }

    /// Places `need` more instances of `level` on `slots`, each set of slots once.
    fn pick(
        &mut self,
        level: &Level<'_>,
        slots: &[Slot],
        need: u32,
        rest: &[Level<'_>],
        occupied: UnitMask,
        gain: u64,
    ) {
        if need == 0 {
            return self.descend(rest, occupied, gain);
        }
        let Some(left) = self.nodes_left.checked_sub(1) else {
            self.exhausted = true;
            return;
        };
        self.nodes_left = left;
        let mut tail = slots;
        while let Some((slot, next)) = tail.split_first() {
            if self.done() || self.hopeless(tail, need, rest, occupied, gain) {
                return;
            }
            tail = next;
            if occupied.overlaps(slot.mask) {
                continue;
            }
            self.chosen
                .push((slot.place, level.profile.id, level.content));
            let taken = occupied.union(slot.mask);
            self.pick(
                level,
                tail,
                need - 1,
                rest,
                taken,
                gain.saturating_add(slot.gain),
            );
            self.chosen.pop();
        }
    }

    /// Whether nothing below can save as much as the best state does.
    fn hopeless(
        &self,
        slots: &[Slot],
        need: u32,
        rest: &[Level<'_>],
        occupied: UnitMask,
        gain: u64,
    ) -> bool {
        let Some(best) = &self.best else {
            return false;
        };
        let mut most = gain.saturating_add(most_gain(slots, need, occupied));
        for level in rest {
            most = most.saturating_add(most_gain(&level.slots, level.need, occupied));
        }
        most < best.gain
    }

    fn leaf(&mut self, occupied: UnitMask, gain: u64) {
        let mut options = Options::default();
        for (profile, most) in self.allowances {
            options = options.plus(profile_options(profile, occupied, *most));
        }
        if let Some(best) = &self.best
            && (gain, options) < (best.gain, best.options)
        {
            return;
        }
        let mut state = self.chosen.clone();
        state.sort_unstable();
        let better = self
            .best
            .as_ref()
            .is_none_or(|best| (gain, options) > (best.gain, best.options) || state < best.state);
        if better {
            self.best = Some(Best {
                gain,
                options,
                state,
            });
        }
    }
}

/// Most that `need` instances can save on the free ones of `slots`, which lie highest gain first.
fn most_gain(slots: &[Slot], need: u32, occupied: UnitMask) -> u64 {
    let mut sum: u64 = 0;
    let mut left = need;
    for slot in slots.iter().take_while(|slot| slot.gain > 0) {
        if left == 0 {
            break;
        }
        if !occupied.overlaps(slot.mask) {
            sum = sum.saturating_add(slot.gain);
            left -= 1;
        }
    }
    sum
}
