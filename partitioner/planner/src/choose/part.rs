//! Parts of GPU instances: the free ones first, then one more in an instance that is divided on demand, then
//! one in an instance that is made for it. The fullest instance is taken, so that others come free as wholes.

use std::cmp::Reverse;

use kerf_types::{ComputeInstance, ComputeProfile, GpuInstance, Placement, ProfileName, UnitMask};

use super::slice::{self, Seat};
use super::{GpuView, PartCut, Pick, Refusal, Shortage};
use crate::gpu::{most_parts, room};
use crate::host::{Usage, part_uses};
use crate::options::Options;

/// A GPU that can serve the part.
struct Bench<'a> {
    view: &'a GpuView<'a>,
    row: &'a ComputeProfile,
    free: Vec<(&'a GpuInstance, &'a ComputeInstance)>,
    open: Vec<Open>,
}

/// An instance in which one more part may be cut.
#[derive(Clone, Copy)]
struct Open {
    placement: Placement,
    /// Compute slices that are taken.
    taken: UnitMask,
    /// Parts of the wanted size that are there.
    same: u32,
}

/// What a cut in an open instance costs; the least is taken: the fullest instance, and in it the place that
/// leaves most of the wanted size, then most of all.
type Price = (
    u32,
    Reverse<u32>,
    Reverse<Options>,
    u32,
    Placement,
    Placement,
);

pub(super) fn choose(
    views: &[GpuView<'_>],
    usage: &Usage,
    name: &ProfileName,
    count: u32,
) -> Result<Vec<Pick>, Shortage> {
    let mut benches = Vec::new();
    let mut seats = Vec::new();
    let mut reasons = Vec::new();
    for view in views {
        match bench(view, usage, name) {
            Ok((bench, seat)) => {
                benches.push(bench);
                seats.push(seat);
            }
            Err(refusal) => reasons.push((view.name(), refusal)),
        }
    }
    let pairs = || benches.iter().zip(&seats);
    let available = pairs().fold(0_u32, |sum, (bench, seat)| {
        sum.saturating_add(bench.capacity(seat))
    });
    if available < count {
        let refusal = |(bench, seat): (&Bench<'_>, &Seat<'_>)| match bench.capacity(seat) {
            0 => (bench.view.name(), seat.why_no_more()),
            some => (bench.view.name(), Refusal::TooFew(some)),
        };
        reasons.extend(pairs().map(refusal));
        reasons.sort_by_key(|(gpu, _)| gpu.index);
        return Err(Shortage::new(available, reasons));
    }
    let mut picks = Vec::new();
    for left in (1..=count).rev() {
        let pick = take_free(&mut benches, &seats, name)
            .or_else(|| cut_open(&mut benches, &seats, name))
            .or_else(|| cut_new(&mut benches, &mut seats, name, left));
        match pick {
            Some(pick) => picks.push(pick),
            // Not reached: no place is taken that leaves fewer of the wanted size than another.
            None => {
                let available = count - left;
                return Err(Shortage::new(available, reasons));
            }
        }
    }
    Ok(picks)
}

fn bench<'a>(
    view: &'a GpuView<'a>,
    usage: &Usage,
    name: &ProfileName,
) -> Result<(Bench<'a>, Seat<'a>), Refusal> {
    let mut seat = slice::seat(view, usage, &name.part(None))?;
    // Whole slices are not given in part.
    seat.free.clear();
    let grid = view.grid.ok_or(Refusal::ProfilesUnknown)?;
    let (_, part) = grid.resolve_slice(name)?;
    let row = part.and_then(|slices| seat.profile.part(slices));
    let row = row.ok_or(Refusal::ProfilesUnknown)?;
    let used = part_uses(view.gpu, usage);
    let mut bench = Bench {
        view,
        row,
        free: Vec::new(),
        open: Vec::new(),
    };
    let own = view
        .gpu
        .instances
        .iter()
        .filter(|one| one.profile == seat.profile.id);
    for instance in own.filter(|one| one.is_divided()) {
        let places = instance.compute.iter().filter_map(|part| part.placement);
        let same = |part: &&ComputeInstance| part.placement.is_some_and(|at| at.size == row.slices);
        let alike = instance.compute.iter().filter(same);
        bench.free.extend(
            alike
                .clone()
                .filter(|part| !used.contains_key(&(instance.id, part.id)))
                .map(|part| (instance, part)),
        );
        if usage.divisible.contains(&view.gpu.slice_id(instance)) {
            bench.open.push(Open {
                placement: instance.placement,
                taken: places.fold(UnitMask::default(), |mask, at| mask.union(at.mask())),
                same: u32::try_from(alike.count()).unwrap_or(u32::MAX),
            });
        }
    }
    Ok((bench, seat))
}

impl Bench<'_> {
    fn capacity(&self, seat: &Seat<'_>) -> u32 {
        let free = u32::try_from(self.free.len()).unwrap_or(u32::MAX);
        let open: u32 = self.open.iter().map(|open| open.capacity(self.row)).sum();
        let new = seat.capacity().saturating_mul(self.per_instance());
        free.saturating_add(open).saturating_add(new)
    }

    fn per_instance(&self) -> u32 {
        most_parts(self.row, UnitMask::default()).min(self.row.max_count)
    }
}

impl Open {
    /// How many more parts of the wanted size go in.
    fn capacity(&self, row: &ComputeProfile) -> u32 {
        let allowed = row.max_count.saturating_sub(self.same);
        allowed.min(most_parts(row, self.taken))
    }

    fn with(self, part: Placement) -> Self {
        Self {
            taken: self.taken.union(part.mask()),
            same: self.same + 1,
            ..self
        }
    }
}

fn take_free(benches: &mut [Bench<'_>], seats: &[Seat<'_>], name: &ProfileName) -> Option<Pick> {
    let priced = benches.iter().enumerate().flat_map(|(at, bench)| {
        let free = bench.free.iter().enumerate();
        free.map(move |(slot, (instance, part))| {
            let siblings = Reverse(instance.compute.len());
            let place = (instance.placement, part.placement);
            ((siblings, bench.view.gpu.index, place), at, slot)
        })
    });
    let (_, at, slot) = priced.min()?;
    let bench = benches.get_mut(at)?;
    let (instance, part) = bench.free.remove(slot);
    let profile = seats.get(at)?.profile;
    Some(Pick::Existing {
        gpu: bench.view.gpu.pci,
        gi: instance.id,
        profile: profile.id,
        name: profile.name.part(name.compute_slices),
        placement: instance.placement,
        compute: part.placement,
        uuid: part.uuid.clone(),
    })
}

fn cut_open(benches: &mut [Bench<'_>], seats: &[Seat<'_>], name: &ProfileName) -> Option<Pick> {
    let mut best: Option<(Price, usize, usize)> = None;
    for (at, (bench, seat)) in benches.iter().zip(seats).enumerate() {
        for (slot, open) in bench.open.iter().enumerate() {
            if open.capacity(bench.row) == 0 {
                continue;
            }
            let free = |part: &&Placement| !open.taken.overlaps(part.mask());
            for part in bench.row.placements.iter().filter(free) {
                let after = open.with(*part);
                let price = (
                    u32::from(seat.profile.slices).saturating_sub(open.taken.count()),
                    Reverse(after.capacity(bench.row)),
                    Reverse(room(seat.profile, after.taken)),
                    bench.view.gpu.index,
                    open.placement,
                    *part,
                );
                if best.as_ref().is_none_or(|(known, _, _)| price < *known) {
                    best = Some((price, at, slot));
                }
            }
        }
    }
    let ((.., part), at, slot) = best?;
    let bench = benches.get_mut(at)?;
    let open = bench.open.get_mut(slot)?;
    *open = open.with(part);
    let placement = open.placement;
    let profile = seats.get(at)?.profile;
    Some(Pick::Part {
        gpu: bench.view.gpu.pci,
        name: profile.name.part(name.compute_slices),
        cut: PartCut {
            placement,
            profile: profile.id,
            new_instance: false,
            part,
            compute_profile: bench.row.id,
        },
        enable_mig: false,
    })
}

/// Makes an instance where it costs the fewest options, and cuts the first part in it; `left` parts are
/// wanted still, this one among them.
fn cut_new(
    benches: &mut [Bench<'_>],
    seats: &mut [Seat<'_>],
    name: &ProfileName,
    left: u32,
) -> Option<Pick> {
    let most = benches.iter().map(Bench::per_instance).max()?.max(1);
    let cut = slice::cut(seats, left.div_ceil(most).saturating_sub(1))?;
    let Pick::Cut {
        gpu,
        creation,
        enable_mig,
        ..
    } = cut
    else {
        return None;
    };
    let at = benches.iter().position(|bench| bench.view.gpu.pci == gpu)?;
    benches.get_mut(at)?.open.push(Open {
        placement: creation.placement,
        taken: UnitMask::default(),
        same: 0,
    });
    // The others are full, or this would not have been made.
    match cut_open(benches, seats, name)? {
        Pick::Part { gpu, name, cut, .. } => Some(Pick::Part {
            gpu,
            name,
            cut: PartCut {
                new_instance: true,
                ..cut
            },
            enable_mig,
        }),
        other => Some(other),
    }
}
