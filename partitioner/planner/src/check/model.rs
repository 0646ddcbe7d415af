//! An occupancy model of one GPU: an array of units, a list of instances, rules applied one step at a time.

use std::collections::BTreeMap;

use kerf_types::inventory::Architecture;
use kerf_types::{CiId, Engines, GiId, Gpu, MigMode, MigUuid, Placement, Profile, ProfileId, Step};

use super::{Expected, ExpectedParts, Violation};

mod divide;

/// An instance that lives in the model.
struct Live {
    /// `None` for one that a step made: the driver chooses its id.
    gi: Option<GiId>,
    profile: ProfileId,
    place: Placement,
    compute: Vec<Compute>,
}

struct Compute {
    id: Option<CiId>,
    uuid: Option<MigUuid>,
    profile: ProfileId,
    /// `None` for one that fills the instance.
    part: Option<Placement>,
}

/// The GPU as it would be after the steps so far.
pub(super) struct Model<'a> {
    gpu: &'a Gpu,
    expected: &'a Expected<'a>,
    parts: &'a ExpectedParts,
    mode: MigMode,
    /// For each unit the place of the instance that has it.
    units: Vec<Option<Placement>>,
    live: Vec<Live>,
    found: Vec<Violation>,
}

impl<'a> Model<'a> {
    pub fn new(gpu: &'a Gpu, expected: &'a Expected<'a>, parts: &'a ExpectedParts) -> Self {
        let mut model = Self {
            gpu,
            expected,
            parts,
            mode: gpu.mig_mode,
            units: vec![None; 64],
            live: Vec::new(),
            found: Vec::new(),
        };
        for instance in &gpu.instances {
            model.cover(instance.placement, Some(instance.placement));
            let compute = instance.compute.iter().map(|ci| Compute {
                id: Some(ci.id),
                uuid: Some(ci.uuid.clone()),
                profile: ci.profile,
                part: ci.placement,
            });
            model.live.push(Live {
                gi: Some(instance.id),
                profile: instance.profile,
                place: instance.placement,
                compute: compute.collect(),
            });
        }
        model
    }

    pub fn step(&mut self, at: usize, step: &Step) {
        if step.gpu() != self.gpu.pci {
            return self.found.push(Violation::WrongGpu {
                step: at,
                found: step.gpu(),
            });
        }
        if self.expected.gpu_in_use {
            self.found.push(Violation::GpuInUse { step: at });
        }
        if step.is_amd() {
            // No GPU with MIG is an AMD GPU.
            return self.found.push(Violation::WrongGpu {
                step: at,
                found: step.gpu(),
            });
        }
        let is_mode = matches!(step, Step::SetMigMode { .. });
        if !is_mode && !matches!(self.mode, MigMode::Enabled | MigMode::DisablePending) {
            self.found.push(Violation::MigOff { step: at });
        }
        match step {
            Step::SetMigMode {
                enabled,
                allow_reset,
                ..
            } => self.mode(at, *enabled, *allow_reset),
            Step::CreateGpuInstance {
                profile, placement, ..
            } => {
                self.create(at, *profile, *placement);
            }
            Step::CreateComputeInstance {
                placement,
                profile,
                compute,
                ..
            } => match compute {
                None => self.fill(at, *placement, *profile),
                Some(part) => self.divide(at, *placement, *profile, *part),
            },
            Step::DestroyComputeInstance { gi, ci, uuid, .. } => self.empty(at, *gi, *ci, uuid),
            Step::DestroyGpuInstance {
                gi,
                profile,
                placement,
                ..
            } => {
                self.destroy(at, *gi, *profile, *placement);
            }
            Step::SetAmdCompute { .. }
            | Step::SetAmdMemory { .. }
            | Step::SetSriov { .. }
            | Step::CreateVgpu { .. }
            | Step::DestroyVgpu { .. } => {}
        }
    }

    fn mode(&mut self, at: usize, enabled: bool, allow_reset: bool) {
        let pending = matches!(self.mode, MigMode::EnablePending | MigMode::DisablePending);
        let on = matches!(self.mode, MigMode::Enabled | MigMode::DisablePending);
        if self.mode == MigMode::Unsupported {
            return self.found.push(Violation::NoMig { step: at });
        }
        if on == enabled && !pending {
            self.found.push(Violation::ModeUnchanged { step: at });
        }
        let resets = on != enabled
            && !matches!(
                self.gpu.architecture,
                Architecture::Hopper | Architecture::Blackwell
            );
        if (allow_reset || resets) && !self.expected.allow_reset {
            self.found.push(Violation::Reset { step: at });
        }
        // A client of the GPU itself loses it with the mode.
        if on != enabled
            && self
                .gpu
                .processes
                .iter()
                .any(|process| process.gi.is_none())
        {
            self.found.push(Violation::GpuInUse { step: at });
        }
        if !enabled && !self.live.is_empty() {
            self.found.push(Violation::MigOffOverInstances {
                step: at,
                left: self.live.len(),
            });
        }
        self.mode = if enabled {
            MigMode::Enabled
        } else {
            MigMode::Disabled
        };
    }

    fn create(&mut self, at: usize, id: ProfileId, place: Placement) {
        let Some(profile) = self.profile(id) else {
            return self.found.push(Violation::UnknownProfile {
                step: at,
                profile: id,
            });
        };
        if !profile.placements.contains(&place) {
            self.found.push(Violation::IllegalPlace {
                step: at,
                profile: id,
                place,
            });
        }
        if let Some(unit) = self.first_taken(place) {
            self.found.push(Violation::Overlap { step: at, unit });
        }
        let count = self.live.iter().filter(|live| live.profile == id).count();
        if count + 1 > usize::try_from(profile.max_count).unwrap_or(usize::MAX) {
            self.found.push(Violation::TooMany {
                step: at,
                profile: id,
                most: profile.max_count,
            });
        }
        if self.lacks_engines_for(profile) {
            self.found.push(Violation::Engines { step: at });
        }
        self.cover(place, Some(place));
        self.live.push(Live {
            gi: None,
            profile: id,
            place,
            compute: Vec::new(),
        });
    }

    fn fill(&mut self, at: usize, place: Placement, compute: ProfileId) {
        let pinned = self.expected.pinned.contains(&place);
        let Some(live) = self.live.iter_mut().find(|live| live.place == place) else {
            return self.found.push(Violation::NotThere { step: at });
        };
        if pinned && live.gi.is_some() {
            self.found.push(Violation::Pinned { step: at, place });
        }
        if !live.compute.is_empty() {
            self.found.push(Violation::Filled { step: at });
        }
        live.compute.push(Compute {
            id: None,
            uuid: None,
            profile: compute,
            part: None,
        });
        let full = live.profile;
        if self
            .profile(full)
            .and_then(|profile| profile.full_compute_profile)
            != Some(compute)
        {
            self.found.push(Violation::WrongCompute {
                step: at,
                profile: compute,
            });
        }
    }

    fn empty(&mut self, at: usize, gi: GiId, ci: CiId, uuid: &MigUuid) {
        let Some(live) = self.live.iter_mut().find(|live| live.gi == Some(gi)) else {
            return self.found.push(Violation::NotThere { step: at });
        };
        if self.expected.pinned.contains(&live.place) {
            self.found.push(Violation::Pinned {
                step: at,
                place: live.place,
            });
        }
        let is_meant =
            |compute: &Compute| compute.id == Some(ci) && compute.uuid.as_ref() == Some(uuid);
        let Some(position) = live.compute.iter().position(is_meant) else {
            return self.found.push(Violation::NotThere { step: at });
        };
        let gone = live.compute.remove(position);
        if let Some(part) = gone.part
            && self.parts.pinned.contains(&(live.place, part))
        {
            self.found.push(Violation::PinnedPart {
                step: at,
                place: live.place,
                part,
            });
        }
    }

    fn destroy(&mut self, at: usize, gi: GiId, profile: ProfileId, place: Placement) {
        let is_meant =
            |live: &Live| live.gi == Some(gi) && live.profile == profile && live.place == place;
        let Some(position) = self.live.iter().position(is_meant) else {
            return self.found.push(Violation::NotThere { step: at });
        };
        let live = self.live.remove(position);
        if self.expected.pinned.contains(&place) {
            self.found.push(Violation::Pinned { step: at, place });
        }
        if !live.compute.is_empty() {
            self.found.push(Violation::NotEmpty { step: at });
        }
        self.cover(place, None);
    }

    /// The end state against what is expected.
    pub fn finish(mut self) -> Vec<Violation> {
        let on = matches!(self.mode, MigMode::Enabled | MigMode::DisablePending);
        if on != self.expected.mig_on {
            self.found.push(Violation::EndMode { on });
        }
        let mut counts: BTreeMap<ProfileId, (u32, u32)> = BTreeMap::new();
        for (id, wanted) in &self.expected.slices {
            counts.entry(*id).or_default().0 = *wanted;
        }
        let divided = self.divided();
        for live in &self.live {
            if !divided.contains_key(&live.place) {
                counts.entry(live.profile).or_default().1 += 1;
            }
        }
        self.found.extend(self.parts.miscounted(divided.values()));
        for (profile, (wanted, found)) in counts {
            if wanted != found {
                self.found.push(Violation::EndCount {
                    profile,
                    wanted,
                    found,
                });
            }
        }
        let incomplete = self.live.iter().filter(|live| !self.is_complete(live));
        let incomplete: Vec<Placement> = incomplete.map(|live| live.place).collect();
        self.found
            .extend(incomplete.into_iter().map(Violation::EndIncomplete));
        self.found
    }

    fn is_complete(&self, live: &Live) -> bool {
        if !live.compute.is_empty() && live.compute.iter().all(|one| one.part.is_some()) {
            return true;
        }
        if live.gi.is_some() && self.expected.pinned.contains(&live.place) {
            return true;
        }
        let full = self
            .profile(live.profile)
            .and_then(|profile| profile.full_compute_profile);
        match live.compute.as_slice() {
            [one] => full.is_none_or(|full| one.profile == full),
            _ => false,
        }
    }

    fn profile(&self, id: ProfileId) -> Option<&'a Profile> {
        self.expected
            .profiles
            .iter()
            .find(|profile| profile.id == id)
    }

    fn first_taken(&self, place: Placement) -> Option<usize> {
        let units = self.units.iter().enumerate().skip(usize::from(place.start));
        let mut taken = units
            .take(usize::from(place.size))
            .filter(|(_, owner)| owner.is_some());
        taken.next().map(|(unit, _)| unit)
    }

    fn cover(&mut self, place: Placement, owner: Option<Placement>) {
        let units = self.units.iter_mut().skip(usize::from(place.start));
        units
            .take(usize::from(place.size))
            .for_each(|unit| *unit = owner);
    }

    /// Whether one more of `new` would own more engines of a kind that it needs than the GPU is known to
    /// have: the most that a single profile may own at its maximum count, or that live instances own.
    fn lacks_engines_for(&self, new: &Profile) -> bool {
        let kinds: [fn(&Engines) -> u32; 4] = [|e| e.decoder, |e| e.encoder, |e| e.jpeg, |e| e.ofa];
        kinds.iter().any(|kind| {
            let of = |id: ProfileId| self.profile(id).map_or(0, |p| u64::from(kind(&p.engines)));
            let profiles = self.expected.profiles.iter();
            let promised = profiles
                .filter(|profile| !profile.placements.is_empty())
                .map(|profile| u64::from(kind(&profile.engines)) * u64::from(profile.max_count));
            let before: u64 = self.gpu.instances.iter().map(|one| of(one.profile)).sum();
            let has = promised.max().unwrap_or(0).max(before);
            let owned: u64 = self.live.iter().map(|live| of(live.profile)).sum();
            let one = u64::from(kind(&new.engines));
            one > 0 && owned + one > has
        })
    }
}
