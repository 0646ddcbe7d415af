//! Whether less could be disturbed over all GPUs than a plan says is unavoidable: which instances go is
//! tried, the lightest first, with a first-come placement of what is then missing.
//!
//! It finds a cheaper end or gives up after a count of nodes, so it never refuses a right plan. Two or three
//! GPUs of a known product it sees whole, as long as few instances must go.

use super::room::Room;
use super::{Subject, Wanted};
use crate::gpu::Existing;

/// Nodes of one search: a millisecond or two.
const NODES: u32 = 10_000;

/// An instance that may go.
struct Movable<'a> {
    gpu: usize,
    kind: Option<usize>,
    live: &'a Existing,
}

struct Search<'a> {
    subjects: &'a [Subject<'a>],
    wanted: &'a [Wanted],
    rooms: Vec<Room>,
    need: Vec<u32>,
    /// For each wanted profile how many places it has.
    places: Vec<usize>,
    nodes: u32,
}

/// Whether some end has what is wanted and disturbs less than `claimed`.
pub(super) fn is_beaten(subjects: &[Subject<'_>], wanted: &[Wanted], claimed: u64) -> bool {
    if claimed == 0 {
        return false;
    }
    let mut search = Search {
        subjects,
        wanted,
        rooms: subjects.iter().map(Room::new).collect(),
        need: wanted.iter().map(|one| one.count).collect(),
        places: wanted.iter().map(|one| places(subjects, one)).collect(),
        nodes: NODES,
    };
    let mut spent = 0_u64;
    let mut movable = Vec::new();
    for (gpu, subject) in subjects.iter().enumerate() {
        for live in subject.current {
            let kind = wanted
                .iter()
                .position(|one| one.profiles.get(gpu) == Some(&Some(live.profile)));
            let one = Movable { gpu, kind, live };
            if live.pinned {
                if !search.keep(&one) {
                    return false;
                }
            } else if !live.complete && !live.compute.is_empty() {
                // What runs in it is disturbed whether it is mended or goes.
                spent = spent.saturating_add(live.weight);
            } else {
                movable.push(one);
            }
        }
    }
    // The heaviest is decided first: it most often cannot go at all.
    movable.sort_by_key(|one| std::cmp::Reverse(one.live.weight));
    spent < claimed && search.choose(&movable, claimed - spent)
}

fn places(subjects: &[Subject<'_>], one: &Wanted) -> usize {
    let pairs = subjects.iter().zip(&one.profiles);
    let places = pairs.filter_map(|(subject, id)| {
        let profile = super::room::profile(subject, (*id)?)?;
        Some(profile.placements.len())
    });
    places.sum()
}

impl Search<'_> {
    fn is_spent(&mut self) -> bool {
        self.nodes = self.nodes.saturating_sub(1);
        self.nodes == 0
    }

    /// Keeps an instance, if that is wanted.
    fn keep(&mut self, one: &Movable<'_>) -> bool {
        let need = one.kind.and_then(|kind| self.need.get_mut(kind));
        let (Some(need), Some(subject)) =
            (need.filter(|need| **need > 0), self.subjects.get(one.gpu))
        else {
            return false;
        };
        *need -= 1;
        if let Some(room) = self.rooms.get_mut(one.gpu) {
            room.put(subject, one.live.profile, one.live.placement);
        }
        true
    }

    fn unkeep(&mut self, one: &Movable<'_>) {
        let need = one.kind.and_then(|kind| self.need.get_mut(kind));
        if let (Some(need), Some(subject)) = (need, self.subjects.get(one.gpu)) {
            *need += 1;
            if let Some(room) = self.rooms.get_mut(one.gpu) {
                room.take_away(subject, one.live.profile, one.live.placement);
            }
        }
    }

    /// Decides for one instance after the other whether it stays; `left` is what may still be disturbed,
    /// itself excluded.
    fn choose(&mut self, movable: &[Movable<'_>], left: u64) -> bool {
        if self.is_spent() {
            return false;
        }
        let Some((one, rest)) = movable.split_first() else {
            return self.place();
        };
        if self.keep(one) {
            if self.choose(rest, left) {
                return true;
            }
            self.unkeep(one);
        }
        one.live.weight < left && self.choose(rest, left - one.live.weight)
    }

    /// Whether what is still needed finds room: the profile with the fewest places first.
    fn place(&mut self) -> bool {
        if self.is_spent() {
            return false;
        }
        let missing = self.wanted.iter().zip(&self.need).enumerate();
        let missing = missing.filter(|(_, (_, need))| **need > 0);
        let Some((kind, one)) = missing
            .map(|(kind, (one, _))| (kind, one))
            .min_by_key(|(kind, _)| self.places.get(*kind).copied())
        else {
            return true;
        };
        for (gpu, (subject, id)) in self.subjects.iter().zip(&one.profiles).enumerate() {
            let Some(profile) = id.and_then(|id| super::room::profile(subject, id)) else {
                continue;
            };
            for place in &profile.placements {
                let free = self
                    .rooms
                    .get(gpu)
                    .is_some_and(|room| room.takes(subject, profile.id, *place));
                if free && self.put(kind, gpu, profile.id, *place) {
                    return true;
                }
                if self.nodes == 0 {
                    return false;
                }
            }
        }
        false
    }

    fn put(
        &mut self,
        kind: usize,
        gpu: usize,
        id: kerf_types::ProfileId,
        place: kerf_types::Placement,
    ) -> bool {
        let (Some(subject), Some(need)) = (self.subjects.get(gpu), self.need.get_mut(kind)) else {
            return false;
        };
        *need -= 1;
        if let Some(room) = self.rooms.get_mut(gpu) {
            room.put(subject, id, place);
        }
        if self.place() {
            return true;
        }
        if let Some(need) = self.need.get_mut(kind) {
            *need += 1;
        }
        if let Some(room) = self.rooms.get_mut(gpu) {
            room.take_away(subject, id, place);
        }
        false
    }
}
