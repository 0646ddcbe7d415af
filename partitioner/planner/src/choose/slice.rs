//! Slices of one profile: the free ones first, then the cuts that cost the host the fewest options.

use std::cmp::Reverse;

use kerf_types::{GpuInstance, MigMode, Placement, ProfileName};

use super::{GpuView, Pick, Refusal, Shortage, common};
use crate::gpu::Creation;
use crate::grid::{Grid, GridProfile};
use crate::host::{Usage, changes_mode_at_once, existing, processes, uses};
use crate::options::{Occupied, Options};

/// A GPU that can serve the profile, with what is taken on it as picks are made.
pub(super) struct Seat<'a> {
    pub view: &'a GpuView<'a>,
    grid: &'a Grid,
    pub profile: &'a GridProfile,
    compute_profile: kerf_types::ProfileId,
    /// Everything that exists.
    occupied: Occupied,
    /// Only what somebody uses: the measure for free slices, which an operator may cut anew.
    in_use: Occupied,
    pub free: Vec<&'a GpuInstance>,
    mig_on: bool,
}

/// What a pick costs; the least is taken. A mode change comes first, since it takes a whole GPU from those
/// who ask for one, which the options do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Price {
    enable_mig: bool,
    lost: Options,
    /// Fuller GPUs first, so that whole ones stay whole.
    units: Reverse<u32>,
    index: u32,
    placement: Placement,
}

pub(super) fn choose(
    views: &[GpuView<'_>],
    usage: &Usage,
    name: &ProfileName,
    count: u32,
) -> Result<Vec<Pick>, Shortage> {
    let mut seats = Vec::new();
    let mut reasons = Vec::new();
    for view in views {
        match seat(view, usage, name) {
            Ok(seat) => seats.push(seat),
            Err(refusal) => reasons.push((view.name(), refusal)),
        }
    }
    let available: u32 = seats.iter().map(Seat::capacity).sum();
    if available < count {
        reasons.extend(
            seats
                .iter()
                .map(|seat| (seat.view.name(), seat.why_no_more())),
        );
        reasons.sort_by_key(|(gpu, _)| gpu.index);
        return Err(Shortage::new(available, reasons));
    }
    let mut picks = Vec::new();
    for left in (0..count).rev() {
        match take_free(&mut seats).or_else(|| cut(&mut seats, left)) {
            Some(pick) => picks.push(pick),
            // Not reached: what is left is never made smaller than what is still wanted.
            None => {
                return Err(Shortage::new(count - left - 1, reasons));
            }
        }
    }
    Ok(picks)
}

pub(super) fn seat<'a>(
    view: &'a GpuView<'a>,
    usage: &Usage,
    name: &ProfileName,
) -> Result<Seat<'a>, Refusal> {
    common(view, usage)?;
    let gpu = view.gpu;
    let mig_on = match gpu.mig_mode {
        MigMode::Unsupported => return Err(Refusal::NoMig),
        MigMode::Enabled => true,
        MigMode::EnablePending | MigMode::DisablePending => return Err(Refusal::ModePending),
        MigMode::Disabled => {
            if let Some(busy) = processes(gpu, None) {
                return Err(Refusal::Busy(busy.to_string()));
            }
            if !view.may_enable_mig || !changes_mode_at_once(gpu) {
                return Err(Refusal::MigOff);
            }
            false
        }
    };
    let grid = view.grid.ok_or(Refusal::ProfilesUnknown)?;
    let id = grid.resolve(name)?;
    let profile = grid.profile(id).ok_or(Refusal::ProfilesUnknown)?;
    let compute_profile = profile
        .compute_profile
        .ok_or_else(|| Refusal::NoComputeProfile(profile.name.clone()))?;
    let uses = uses(gpu, usage);
    let all = || gpu.instances.iter();
    let used = all().filter(|one| uses.contains_key(&one.id));
    let place = |one: &GpuInstance| (one.profile, one.placement);
    let usable = |one: &&GpuInstance| {
        one.profile == id && !uses.contains_key(&one.id) && existing(gpu, one, 0, false).complete
    };
    Ok(Seat {
        view,
        grid,
        profile,
        compute_profile,
        occupied: Occupied::by(grid, all().map(place)),
        in_use: Occupied::by(grid, used.map(place)),
        free: all().filter(usable).collect(),
        mig_on,
    })
}

/// Takes the free slice whose use keeps most options.
fn take_free(seats: &mut [Seat<'_>]) -> Option<Pick> {
    let priced = seats.iter().enumerate().flat_map(|(at, seat)| {
        let price = move |(slot, one): (usize, &&GpuInstance)| {
            (seat.price(&seat.in_use, one.placement), at, slot)
        };
        seat.free.iter().enumerate().map(price)
    });
    let (_, at, slot) = priced.min()?;
    let seat = seats.get_mut(at)?;
    let instance = seat.free.remove(slot);
    seat.in_use
        .add(seat.grid, seat.profile.id, instance.placement);
    Some(Pick::Existing {
        gpu: seat.view.gpu.pci,
        gi: instance.id,
        profile: seat.profile.id,
        name: seat.profile.name.clone(),
        placement: instance.placement,
        compute: None,
        uuid: instance.compute.first()?.uuid.clone(),
    })
}

/// Cuts where it costs the fewest options, among the places that leave room for `left` more.
pub(super) fn cut(seats: &mut [Seat<'_>], left: u32) -> Option<Pick> {
    let total: u32 = seats.iter().map(Seat::capacity).sum();
    let priced = seats.iter().enumerate().flat_map(|(at, seat)| {
        let elsewhere = total - seat.capacity();
        seat.occupied
            .free_places(seat.grid, seat.profile)
            .filter(move |place| elsewhere + seat.capacity_after(*place) >= left)
            .map(move |place| (seat.price(&seat.occupied, place), at))
    });
    let (price, at) = priced.min()?;
    let seat = seats.get_mut(at)?;
    let placement = price.placement;
    seat.occupied.add(seat.grid, seat.profile.id, placement);
    seat.in_use.add(seat.grid, seat.profile.id, placement);
    let enable_mig = !std::mem::replace(&mut seat.mig_on, true);
    let (profile, compute_profile) = (seat.profile.id, seat.compute_profile);
    Some(Pick::Cut {
        gpu: seat.view.gpu.pci,
        name: seat.profile.name.clone(),
        creation: Creation {
            placement,
            profile,
            compute_profile,
        },
        enable_mig,
    })
}

impl Seat<'_> {
    pub(super) fn capacity(&self) -> u32 {
        let free = u32::try_from(self.free.len()).unwrap_or(u32::MAX);
        free.saturating_add(self.occupied.room_for(self.grid, self.profile))
    }

    fn capacity_after(&self, place: Placement) -> u32 {
        let mut after = self.occupied.clone();
        after.add(self.grid, self.profile.id, place);
        let free = u32::try_from(self.free.len()).unwrap_or(u32::MAX);
        free.saturating_add(after.room_for(self.grid, self.profile))
    }

    fn price(&self, taken: &Occupied, place: Placement) -> Price {
        let before = taken.options(self.grid);
        let mut after = taken.clone();
        after.add(self.grid, self.profile.id, place);
        Price {
            enable_mig: !self.mig_on,
            lost: before.minus(after.options(self.grid)),
            units: Reverse(taken.units.count()),
            index: self.view.gpu.index,
            placement: place,
        }
    }

    pub(super) fn why_no_more(&self) -> Refusal {
        let capacity = self.capacity();
        if capacity > 0 {
            return Refusal::TooFew(capacity);
        }
        let (name, most) = (self.profile.name.clone(), self.profile.max_count);
        let units = u32::from(self.grid.units());
        if self.occupied.count(self.profile.id) >= most {
            return Refusal::AllMade {
                profile: name,
                most,
            };
        }
        if Grid::packing(self.profile, self.occupied.units) > 0 {
            return Refusal::Engines(name);
        }
        let free = units.saturating_sub(self.occupied.units.count());
        Refusal::NoPlace {
            profile: name,
            free,
            units,
        }
    }
}
