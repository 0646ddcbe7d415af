//! What of a GPU is taken and what is left: placement units, maximum counts, media engines, compute
//! slices. Owns the look-ups of instances by their incarnation; changes nothing.

use super::gpu::{ComputeInstance, Gpu, GpuInstance};
use super::product::Product;
use super::profile::{CI_PROFILES, CiProfile, GiProfile, Media, overlaps};
use super::status::Status;

impl Gpu {
    /// # Errors
    /// `NotSupported` while MIG mode is off.
    pub fn require_mig(&self) -> Result<(), Status> {
        if self.mig {
            Ok(())
        } else {
            Err(Status::NotSupported)
        }
    }

    /// The GPU instance of that incarnation.
    ///
    /// # Errors
    /// `NotFound` when it is gone.
    pub fn gi(&self, serial: u32) -> Result<&GpuInstance, Status> {
        self.instances
            .iter()
            .find(|gi| gi.serial == serial)
            .ok_or(Status::NotFound)
    }

    pub(super) fn gi_mut(&mut self, serial: u32) -> Result<&mut GpuInstance, Status> {
        self.instances
            .iter_mut()
            .find(|gi| gi.serial == serial)
            .ok_or(Status::NotFound)
    }

    /// The compute instance of that incarnation, with its parent.
    ///
    /// # Errors
    /// `NotFound` when it is gone.
    pub fn ci(&self, serial: u32) -> Result<(&GpuInstance, &ComputeInstance), Status> {
        self.mig_devices()
            .find(|(_, ci)| ci.serial == serial)
            .ok_or(Status::NotFound)
    }

    /// How many more instances of `profile` fit now.
    #[must_use]
    pub fn remaining_gi(&self, product: &Product, profile: &GiProfile) -> u32 {
        let left = profile.max_count.saturating_sub(self.count_gi(profile.id));
        let left = left.min(self.media_left(product, profile));
        let free = profile
            .starts
            .iter()
            .filter(|&&at| self.slot_free(product, at, profile));
        left.min(u32::try_from(free.count()).unwrap_or(u32::MAX))
    }

    pub(super) fn count_gi(&self, profile: u32) -> u32 {
        let count = self
            .instances
            .iter()
            .filter(|gi| gi.profile == profile)
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// For how many more instances of `profile` the media engines last.
    pub(super) fn media_left(&self, product: &Product, profile: &GiProfile) -> u32 {
        let instances = self.instances.iter().filter_map(|gi| gi.profile(product));
        let taken = instances
            .map(|taken| taken.engines.media())
            .fold(Media::default(), Media::plus);
        product.media.minus(taken).holds(profile.engines.media())
    }

    pub(super) fn slot_free(&self, product: &Product, start: u32, profile: &GiProfile) -> bool {
        !self.instances.iter().any(|gi| {
            let size = gi.profile(product).map_or(0, |profile| profile.size);
            overlaps((gi.start, size), (start, profile.size))
        })
    }
}

impl GpuInstance {
    /// Its profile.
    #[must_use]
    pub fn profile(&self, product: &Product) -> Option<&'static GiProfile> {
        product.gi_profile(self.profile)
    }

    /// Its compute slices.
    #[must_use]
    pub fn slices(&self, product: &Product) -> u32 {
        self.profile(product).map_or(0, |profile| profile.slices)
    }

    /// How many more compute instances of `profile` fit now.
    #[must_use]
    pub fn remaining_ci(&self, product: &Product, profile: &CiProfile) -> u32 {
        let starts = profile.starts(self.slices(product));
        let free = starts
            .iter()
            .filter(|&&start| self.slices_free(start, profile.slices));
        u32::try_from(free.count()).unwrap_or(u32::MAX)
    }

    pub(super) fn slices_free(&self, start: u32, slices: u32) -> bool {
        !self.compute.iter().any(|ci| {
            let taken = CI_PROFILES.iter().find(|profile| profile.id == ci.profile);
            overlaps(
                (ci.start, taken.map_or(0, |profile| profile.slices)),
                (start, slices),
            )
        })
    }
}

/// The compute profile with that id, if `gi` can hold it.
#[must_use]
pub fn ci_profile(product: &Product, gi: &GpuInstance, id: u32) -> Option<&'static CiProfile> {
    static PROFILES: [CiProfile; 5] = CI_PROFILES;
    let slices = gi.slices(product);
    PROFILES
        .iter()
        .find(|profile| profile.id == id && !profile.starts(slices).is_empty())
}
