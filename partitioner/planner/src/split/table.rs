//! Every placed state of a grid, once: what lies where, how many of each profile, how much room is left.
//!
//! A table is made from the grid alone and serves every question about every GPU that has it. It never
//! knows what lives on a GPU, but for the odd one of [`Table::for_odd`].

use std::collections::BTreeMap;

use kerf_types::{Placement, ProfileId, UnitMask};

use crate::gpu::Existing;
use crate::grid::{Grid, GridProfile, Media, zip};
use crate::options::{Occupied, Options, profile_options};

/// A profile at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub placement: Placement,
    pub profile: ProfileId,
}

/// All placed states of a grid, smallest list of (start, size, profile id) first.
#[derive(Debug)]
pub(crate) struct Table {
    /// The profiles, by id: the columns of `multisets`.
    pub(super) profiles: Vec<ProfileId>,
    pub(super) items: Vec<Item>,
    /// Indices of items, state after state.
    members: Vec<u32>,
    states: Vec<Entry>,
    /// How many of each profile.
    pub(super) multisets: Vec<Vec<u32>>,
}

/// A state but for its items.
#[derive(Debug, Clone, Copy)]
struct Entry {
    end: usize,
    multiset: usize,
    room: Options,
}

/// One state of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct State<'t> {
    pub items: &'t [u32],
    pub multiset: usize,
    pub room: Options,
}

impl Table {
    /// The states of a grid; `None` where there are more than `most`.
    pub(crate) fn of(grid: &Grid, most: usize) -> Option<Self> {
        Self::for_odd(grid, &[], most)
    }

    /// The states of a GPU whose driver allowed what its grid does not: an instance at a place that is
    /// none, one too many, more engines than are known. What lives may stay, and no more than that.
    pub(crate) fn for_odd(grid: &Grid, current: &[Existing], most: usize) -> Option<Self> {
        let mut items: Vec<Item> = Vec::new();
        for profile in grid.profiles() {
            let item = |placement: &Placement| Item {
                placement: *placement,
                profile: profile.id,
            };
            items.extend(profile.placements.iter().map(item));
        }
        let known = |one: &&Existing| grid.profile(one.profile).is_some();
        items.extend(current.iter().filter(known).map(|one| Item {
            placement: one.placement,
            profile: one.profile,
        }));
        items.sort_unstable();
        items.dedup();
        let mut builder = Builder::new(grid, current, &items, most)?;
        let whole = builder.extend(0, 0);
        let Builder {
            members,
            states,
            multisets,
            ..
        } = builder;
        let mut rows: Vec<(Vec<u32>, usize)> = multisets.into_iter().collect();
        rows.sort_unstable_by_key(|(_, index)| *index);
        whole.then(|| Self {
            profiles: grid.profiles().iter().map(|profile| profile.id).collect(),
            items,
            members,
            states,
            multisets: rows.into_iter().map(|(row, _)| row).collect(),
        })
    }

    /// How many states there are.
    pub(crate) fn len(&self) -> usize {
        self.states.len()
    }

    /// The states in their order.
    pub(super) fn states(&self) -> impl Iterator<Item = State<'_>> {
        let mut start = 0;
        self.states.iter().map(move |entry| {
            let items = self.members.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            State {
                items,
                multiset: entry.multiset,
                room: entry.room,
            }
        })
    }

    /// Whether what lives on a GPU is one of the states, so that the grid's own table serves it.
    pub(super) fn has(&self, grid: &Grid, current: &[Existing]) -> bool {
        let mut units = UnitMask::default();
        let mut taken = Occupied::default();
        for one in current {
            let Some(profile) = grid.profile(one.profile) else {
                continue;
            };
            let mask = one.placement.mask();
            let is_legal = profile.placements.contains(&one.placement);
            if !is_legal || units.overlaps(mask) || taken.allowance(grid, profile) == 0 {
                return false;
            }
            units = units.union(mask);
            taken.add(grid, one.profile, one.placement);
        }
        true
    }
}

struct Builder<'a> {
    grid: &'a Grid,
    items: &'a [Item],
    /// For each item: its profile as an index and as itself.
    of: Vec<(usize, &'a GridProfile)>,
    limits: Vec<u32>,
    capacity: Media,
    most: usize,
    counts: Vec<u32>,
    media: Media,
    units: UnitMask,
    chosen: Vec<u32>,
    members: Vec<u32>,
    states: Vec<Entry>,
    multisets: BTreeMap<Vec<u32>, usize>,
    /// For each multiset how many more of each profile are allowed, places aside.
    allowances: Vec<Vec<u32>>,
}

impl<'a> Builder<'a> {
    fn new(grid: &'a Grid, current: &[Existing], items: &'a [Item], most: usize) -> Option<Self> {
        let profiles = grid.profiles();
        let of = items.iter().map(|item| {
            let mut known = profiles.iter().enumerate();
            known.find(|(_, profile)| profile.id == item.profile)
        });
        let live = |profile: &GridProfile| {
            let same = current.iter().filter(|one| one.profile == profile.id);
            u32::try_from(same.count()).unwrap_or(u32::MAX)
        };
        let owned = current.iter().filter_map(|one| grid.profile(one.profile));
        let owned = owned.fold([0; 4], |sum, one| zip(sum, one.media, u64::saturating_add));
        Some(Self {
            grid,
            items,
            of: of.collect::<Option<_>>()?,
            limits: profiles
                .iter()
                .map(|profile| profile.max_count.max(live(profile)))
                .collect(),
            capacity: zip(grid.capacity(), owned, u64::max),
            most,
            counts: vec![0; profiles.len()],
            media: [0; 4],
            units: UnitMask::default(),
            chosen: Vec::new(),
            members: Vec::new(),
            states: Vec::new(),
            multisets: BTreeMap::new(),
            allowances: Vec::new(),
        })
    }

    /// Adds the state that is chosen and all that extend it by items from `from` on which begin at
    /// `start` or later. `false` when there are too many.
    fn extend(&mut self, from: usize, start: u8) -> bool {
        if self.states.len() >= self.most {
            return false;
        }
        self.push();
        let after = |item: &Item| item.placement.start < start;
        let skipped = self.items.iter().skip(from).take_while(|item| after(item));
        let first = from + skipped.count();
        let candidates = self.items.iter().zip(&self.of).enumerate().skip(first);
        // Collected: the recursion needs the builder.
        let candidates: Vec<_> = candidates
            .map(|(at, (item, of))| (at, *item, *of))
            .collect();
        for (at, item, (column, profile)) in candidates {
            let limit = self.limits.get(column).copied().unwrap_or(0);
            let count = self.counts.get(column).copied().unwrap_or(0);
            let media = zip(self.media, profile.media, u64::saturating_add);
            let lacks = media
                .iter()
                .zip(self.capacity)
                .any(|(has, most)| *has > most);
            if count >= limit || lacks {
                continue;
            }
            let (media_before, units_before) = (self.media, self.units);
            self.count(column, count + 1);
            self.media = media;
            self.units = self.units.union(item.placement.mask());
            self.chosen.push(u32::try_from(at).unwrap_or(u32::MAX));
            let whole = self.extend(at + 1, item.placement.end());
            self.chosen.pop();
            self.count(column, count);
            (self.media, self.units) = (media_before, units_before);
            if !whole {
                return false;
            }
        }
        true
    }

    fn count(&mut self, column: usize, count: u32) {
        if let Some(slot) = self.counts.get_mut(column) {
            *slot = count;
        }
    }

    fn push(&mut self) {
        let multiset = match self.multisets.get(&self.counts) {
            Some(index) => *index,
            None => {
                let profiles = self.grid.profiles();
                let pairs = profiles.iter().map(|one| one.id).zip(self.counts.clone());
                let taken = Occupied::counted(self.grid, pairs);
                let more = profiles.iter().map(|one| taken.allowance(self.grid, one));
                self.allowances.push(more.collect());
                self.multisets
                    .insert(self.counts.clone(), self.allowances.len() - 1);
                self.allowances.len() - 1
            }
        };
        let mut room = Options::default();
        let allowances = self.allowances.get(multiset).into_iter().flatten();
        for (profile, most) in self.grid.profiles().iter().zip(allowances) {
            room = room.plus(profile_options(profile, self.units, *most));
        }
        self.members.extend_from_slice(&self.chosen);
        self.states.push(Entry {
            end: self.members.len(),
            multiset,
            room,
        });
    }
}
