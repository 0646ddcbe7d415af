//! A place on a shared device: the smallest device that serves, and of these the one with the most room.
//!
//! Spread and not packed: what is shared serves nobody but those who ask for a share, so an empty device is of no
//! use to others, while neighbours slow each other down.

use kerf_types::ask::{Requirement, Shareable};
use kerf_types::{
    Bytes, DeviceId, Gpu, GpuInstance, MigMode, ProfileName, Share, Sharing, SharingMode,
};

use super::{GpuView, Pick, Refusal, Shortage, open};
use crate::host::{SharedGpu, Usage, Use, processes, taken};

/// A place on a shared device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharePick {
    /// The device.
    pub device: DeviceId,
    /// The place.
    pub share: Share,
}

/// A device of which a share may be given.
struct Offer {
    device: DeviceId,
    memory: Bytes,
    /// What can be counted on where all have a share.
    promised: Option<Bytes>,
}

/// What a share costs; the least is taken.
type Price = (Bytes, u32, u32, DeviceId);

pub(super) fn choose(
    views: &[GpuView<'_>],
    usage: &Usage,
    mode: SharingMode,
    of: &Shareable,
) -> Result<Vec<Pick>, Shortage> {
    let mut best: Option<(Price, SharePick)> = None;
    let mut reasons = Vec::new();
    for view in views {
        match on_gpu(view, usage, mode, of) {
            Ok(found) if best.as_ref().is_none_or(|(price, _)| found.0 < *price) => {
                best = Some(found);
            }
            Ok(_) => {}
            Err(refusal) => reasons.push((view.name(), refusal)),
        }
    }
    match best {
        Some((_, pick)) => Ok(vec![Pick::Share(pick)]),
        None => Err(Shortage::new(0, reasons)),
    }
}

/// The best place on one GPU.
fn on_gpu(
    view: &GpuView<'_>,
    usage: &Usage,
    mode: SharingMode,
    of: &Shareable,
) -> Result<(Price, SharePick), Refusal> {
    open(view)?;
    let gpu = view.gpu;
    let shared = usage.shared.get(&gpu.pci);
    let shared = shared
        .filter(|shared| shared.sharing.mode() == mode)
        .ok_or(Refusal::NotShared(mode))?;
    let offers = offers(view, shared.sharing, of)?;
    let places = shared.sharing.places();
    let mut refusal = Refusal::SharesTaken(places);
    let mut priced = Vec::new();
    for offer in offers {
        match free_place(shared, usage, gpu, offer.device) {
            Ok(index) => {
                let count = taken(usage, gpu.pci, offer.device).len();
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                // In tenths of a percent, so that devices with more places are not fuller for it.
                let load = count.saturating_mul(1_000) / places.max(1);
                let price = (offer.memory, load, gpu.index, offer.device);
                let share = shared.sharing.share(index);
                let device = offer.device;
                priced.push((price, SharePick { device, share }));
            }
            Err(why) => refusal = why,
        }
    }
    priced.sort_by_key(|(price, _)| *price);
    priced.into_iter().next().ok_or(refusal)
}

fn free_place(
    shared: &SharedGpu,
    usage: &Usage,
    gpu: &Gpu,
    device: DeviceId,
) -> Result<u32, Refusal> {
    if !shared.settled {
        let why = "how it is shared is half set up: apply its layout again";
        return Err(Refusal::Resting(why.to_owned()));
    }
    if let Some(why) = shared.resting.get(&device) {
        return Err(Refusal::Resting(why.clone()));
    }
    let places = shared.sharing.places();
    let taken = taken(usage, gpu.pci, device);
    if taken.is_empty() {
        nobody_else(usage, gpu, device)?;
    }
    (0..places)
        .find(|index| !taken.contains(index))
        .ok_or(Refusal::SharesTaken(places))
}

/// Where nobody has a share, nobody may have the whole of it or use it unasked.
fn nobody_else(usage: &Usage, gpu: &Gpu, device: DeviceId) -> Result<(), Refusal> {
    match device {
        DeviceId::Gpu(_) => match (usage.gpus.get(&gpu.pci), processes(gpu, None)) {
            (Some(holder), _) => Err(Refusal::Leased(holder.clone())),
            (None, Some(busy)) => Err(Refusal::Busy(busy.to_string())),
            (None, None) => Ok(()),
        },
        DeviceId::Slice(slice) => match usage.slices.get(&slice) {
            Some(Use::Leased(holder)) => Err(Refusal::Leased(holder.clone())),
            Some(Use::Vgpu(vgpu)) => Err(Refusal::Busy(format!("it carries {vgpu}"))),
            Some(Use::Unknown) => {
                let busy = "used by somebody that kerf does not know";
                Err(Refusal::Busy(busy.to_owned()))
            }
            Some(Use::Free) | None => Ok(()),
        },
    }
}

/// The devices of a GPU that serve; never none.
fn offers(view: &GpuView<'_>, sharing: Sharing, of: &Shareable) -> Result<Vec<Offer>, Refusal> {
    let all = devices(view.gpu, sharing);
    let found: Vec<Offer> = match of {
        Shareable::Gpu => {
            let whole =
                |(offer, _): (Offer, _)| matches!(offer.device, DeviceId::Gpu(_)).then_some(offer);
            let found: Vec<Offer> = all.into_iter().filter_map(whole).collect();
            match found.is_empty() {
                true => return Err(Refusal::MigOn),
                false => found,
            }
        }
        Shareable::Slice(name) => {
            if view.gpu.mig_mode != MigMode::Enabled {
                return Err(Refusal::MigOff);
            }
            let grid = view.grid.ok_or(Refusal::ProfilesUnknown)?;
            let meant = grid.resolve_slice(name)?;
            let is_it = |(offer, own): (Offer, Option<ProfileName>)| {
                let own = grid.resolve_slice(&own?).ok()?;
                (own == meant).then_some(offer)
            };
            let found: Vec<Offer> = all.into_iter().filter_map(is_it).collect();
            match found.is_empty() {
                true => return Err(Refusal::NoSlice(name.clone())),
                false => found,
            }
        }
        Shareable::Capability(requirement) => able(view.gpu, all, sharing, requirement)?,
    };
    Ok(found)
}

fn able(
    gpu: &Gpu,
    all: Vec<(Offer, Option<ProfileName>)>,
    sharing: Sharing,
    requirement: &Requirement,
) -> Result<Vec<Offer>, Refusal> {
    let mut features = requirement.features.iter();
    if let Some(feature) = features.find(|feature| !feature.is_on(gpu)) {
        return Err(Refusal::Lacks(feature.as_str().to_owned()));
    }
    let offers = all.into_iter().map(|(offer, _)| offer);
    let Some(memory) = requirement.memory else {
        let offers: Vec<Offer> = offers.collect();
        return match offers.is_empty() {
            true => Err(Refusal::Lacks("a slice that could be shared".to_owned())),
            false => Ok(offers),
        };
    };
    match sharing {
        Sharing::TimeSlice(_) => {
            return Err(Refusal::NothingPromised(
                "a time slice has no limit of memory, so none is promised to anybody",
            ));
        }
        Sharing::Mps(mps) if mps.memory.is_none() => {
            return Err(Refusal::NothingPromised(
                "its mps clients have no limit of memory, so none is promised to any of them",
            ));
        }
        Sharing::Mps(_) => {}
    }
    let enough: Vec<Offer> = offers
        .filter(|offer| offer.promised.is_some_and(|promised| promised >= memory))
        .collect();
    match enough.is_empty() {
        true => Err(Refusal::Lacks(format!(
            "a share to which {memory} of memory are promised"
        ))),
        false => Ok(enough),
    }
}

/// What can be shared on a GPU: the whole, or with MIG on each slice that can be used, with its name.
fn devices(gpu: &Gpu, sharing: Sharing) -> Vec<(Offer, Option<ProfileName>)> {
    let offer = |device, memory, users: usize| {
        // The parts of a GPU instance share its memory besides.
        let own = Bytes(memory / u64::try_from(users.max(1)).unwrap_or(u64::MAX));
        Offer {
            device,
            memory: own,
            promised: sharing.promises(own),
        }
    };
    match gpu.mig_mode {
        MigMode::Unsupported | MigMode::Disabled => {
            let whole = offer(DeviceId::Gpu(gpu.pci), gpu.memory.0, 1);
            vec![(whole, None)]
        }
        MigMode::EnablePending | MigMode::DisablePending => Vec::new(),
        MigMode::Enabled => {
            let slices = |instance: &GpuInstance| {
                let profile = gpu.profile(instance.profile);
                let memory = profile.map_or(0, |profile| profile.memory.0);
                let users = instance.compute.len();
                let is_usable = instance.is_divided() || users == 1;
                let ids = gpu.slice_ids(instance).into_iter();
                let ids = ids.filter(move |_| is_usable);
                let name = profile.map(|profile| profile.name.clone());
                ids.map(move |id| {
                    let part = id.compute.map(|part| part.size);
                    let name = name.as_ref().map(|name| name.part(part));
                    (offer(DeviceId::Slice(id), memory, users), name)
                })
                .collect::<Vec<_>>()
            };
            gpu.instances.iter().flat_map(slices).collect()
        }
    }
}
