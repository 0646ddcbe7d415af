//! MIG: mode, GPU instances and compute instances as the driver's state machine.
//!
//! ```text
//! mode off --set(on)--> on          Hopper and later, idle: at once; busy: IN_USE, nothing changes
//!          --set(on)--> off/pending Ampere, busy or held: IN_USE; passed through: RESET_REQUIRED
//! off/pending --reset--> on
//! free slot --create GI--> GI --create CI--> CI --process--> CI in use
//! ```
//! Every arrow goes back in the opposite order and no other way. Owns these rules and the errors
//! with which a driver refuses to break them.

use super::capacity::ci_profile;
use super::events::{self, About};
use super::gpu::{ComputeInstance, Fault, GpuInstance};
use super::machine::{AmpereMode, Machine, MigUuid};
use super::share::COMPUTE_DEFAULT;
use super::status::Status;
use uuid::Uuid;

/// What became of a change of MIG mode that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The new mode holds.
    Done,
    /// It waits, for this reason: `InUse` or `ResetRequired`.
    Pending(Status),
}

/// Names an instance by its incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceRef {
    /// GPU index.
    pub gpu: u32,
    /// Serial of the GPU or compute instance.
    pub serial: u32,
}

impl Machine {
    /// `nvmlDeviceSetMigMode`. Instances never survive a change of mode.
    ///
    /// # Errors
    /// `InUse` on Hopper and later while a process runs on the GPU, or a vGPU is there.
    pub fn set_mig_mode(&mut self, gpu: u32, on: bool, now_us: u64) -> Result<Activation, Status> {
        let at_once = self.product()?.architecture.hopper_or_later();
        let needs_reset = self.policy.ampere_mode == AmpereMode::ResetRequired;
        let held = self.policy.holds_gpus();
        let state = self.gpu_mut(gpu)?;
        if state.mig == on {
            state.mig_pending = on;
            return Ok(Activation::Done);
        }
        let busy = !state.processes.is_empty() || !state.vgpus.is_empty();
        if at_once && busy {
            return Err(Status::InUse);
        }
        state.mig_pending = on;
        if !at_once && (busy || held) {
            return Ok(Activation::Pending(Status::InUse));
        }
        if !at_once && needs_reset {
            return Ok(Activation::Pending(Status::ResetRequired));
        }
        self.activate(gpu, now_us)?;
        Ok(Activation::Done)
    }

    /// A reset of the GPU from outside (`nvidia-smi --gpu-reset`, a reboot of the guest): the
    /// pending mode takes hold, instances and volatile error counts are gone, and what only a reset
    /// mends is mended.
    ///
    /// # Errors
    /// `InUse` while a process runs on it or a vGPU is there, or while the persistence daemon or nvidia_drm holds it.
    pub fn reset(&mut self, gpu: u32, now_us: u64) -> Result<(), Status> {
        let held = self.policy.holds_gpus();
        let state = self.gpu_mut(gpu)?;
        if held || !state.processes.is_empty() || !state.vgpus.is_empty() {
            return Err(Status::InUse);
        }
        if state.fault == Fault::ResetRequired {
            state.fault = Fault::None;
        }
        state.ecc.volatile_corrected = 0;
        state.ecc.volatile_uncorrected = 0;
        self.activate(gpu, now_us)
    }

    /// The driver is unloaded and loaded, or the host reboots: no instance survives. Ampere keeps its
    /// MIG mode, which stands in the InfoROM; Hopper and later come up without.
    ///
    /// # Errors
    /// `InUse` while a process runs on any GPU, or while the persistence daemon or nvidia_drm
    /// holds the driver.
    pub fn reload(&mut self, now_us: u64) -> Result<(), Status> {
        let busy = self.gpus.iter().any(|gpu| !gpu.processes.is_empty());
        if busy || self.policy.holds_gpus() {
            return Err(Status::InUse);
        }
        let forgets = self.product()?.architecture.hopper_or_later();
        for gpu in 0..u32::try_from(self.gpus.len()).unwrap_or(0) {
            let state = self.gpu_mut(gpu)?;
            state.settings.compute_mode = COMPUTE_DEFAULT;
            state.settings.time_slice = 0;
            if forgets {
                state.mig_pending = false;
            }
            if state.fault == Fault::Gone {
                // Nothing is there to be reset: it comes back with the mode that it has then.
                state.mig = state.mig_pending;
            } else {
                self.reset(gpu, now_us)?;
            }
        }
        Ok(())
    }

    /// The GPU leaves the bus, with its processes and what only a driver that serves it remembers: its
    /// instances and its volatile error counts.
    ///
    /// # Errors
    /// `InvalidArgument` for a GPU that it does not have.
    pub fn leave(&mut self, gpu: u32, now_us: u64) -> Result<(), Status> {
        self.end_processes(now_us, |of, _| of == gpu);
        self.settle(gpu, now_us)?;
        let state = self.gpu_mut(gpu)?;
        state.mig = state.mig_pending;
        state.instances.clear();
        state.ecc.volatile_corrected = 0;
        state.ecc.volatile_uncorrected = 0;
        state.fault = Fault::Gone;
        Ok(())
    }

    fn activate(&mut self, gpu: u32, now_us: u64) -> Result<(), Status> {
        self.settle(gpu, now_us)?;
        let state = self.gpu_mut(gpu)?;
        state.mig = state.mig_pending;
        state.instances.clear();
        self.raise(gpu, events::MIG_CONFIG, About::default(), now_us);
        Ok(())
    }

    /// Creates a GPU instance; `start` is `None` for the driver's own choice. Returns its serial.
    ///
    /// # Errors
    /// `NotSupported` while MIG mode is off, `InvalidArgument` for an unknown profile or an
    /// illegal start, `InsufficientResources` where the place is taken, the count reached or a
    /// kind of media engine used up.
    pub fn create_gi(
        &mut self,
        gpu: u32,
        profile: u32,
        start: Option<u32>,
        now_us: u64,
    ) -> Result<u32, Status> {
        let product = self.product()?;
        let state = self.gpu(gpu)?;
        state.require_mig()?;
        let profile = product.gi_profile(profile).ok_or(Status::InvalidArgument)?;
        if start.is_some_and(|start| !profile.starts.contains(&start)) {
            return Err(Status::InvalidArgument);
        }
        if state.count_gi(profile.id) >= profile.max_count
            || state.media_left(product, profile) == 0
        {
            return Err(Status::InsufficientResources);
        }
        let asked = start
            .as_ref()
            .map_or(profile.default_order, std::slice::from_ref);
        let start = asked
            .iter()
            .copied()
            .find(|&start| state.slot_free(product, start, profile));
        let start = start.ok_or(Status::InsufficientResources)?;
        self.settle(gpu, now_us)?;
        let serial = self.take_serial();
        let id = product.gi_id(start, profile.size);
        let instance = GpuInstance {
            id,
            profile: profile.id,
            start,
            serial,
            compute: Vec::new(),
            meter: super::meter::Meter::starting(now_us, 0),
        };
        self.gpu_mut(gpu)?.instances.push(instance);
        let about = About {
            gi: Some(id),
            ..About::default()
        };
        self.raise(gpu, events::MIG_CONFIG, about, now_us);
        Ok(serial)
    }

    /// Destroys a GPU instance.
    ///
    /// # Errors
    /// `InUse` while it holds a compute instance or carries a vGPU, `NotFound` when it is gone.
    pub fn destroy_gi(&mut self, at: InstanceRef, now_us: u64) -> Result<(), Status> {
        let state = self.gpu(at.gpu)?;
        let gi = state.gi(at.serial)?;
        if !gi.compute.is_empty() || state.vgpus.contains(&Some(gi.id)) {
            return Err(Status::InUse);
        }
        let id = gi.id;
        self.settle(at.gpu, now_us)?;
        self.gpu_mut(at.gpu)?
            .instances
            .retain(|gi| gi.serial != at.serial);
        let about = About {
            gi: Some(id),
            ..About::default()
        };
        self.raise(at.gpu, events::MIG_CONFIG, about, now_us);
        Ok(())
    }

    /// Creates a compute instance; `start` is `None` for the driver's own choice. Returns its
    /// serial.
    ///
    /// # Errors
    /// `InvalidArgument` for a profile that the instance does not have or an illegal start,
    /// `InsufficientResources` where the slices are taken, `NotFound` when the instance is gone.
    pub fn create_ci(
        &mut self,
        at: InstanceRef,
        profile: u32,
        start: Option<u32>,
        now_us: u64,
    ) -> Result<u32, Status> {
        let product = self.product()?;
        let state = self.gpu(at.gpu)?;
        let gi = state.gi(at.serial)?;
        let profile = ci_profile(product, gi, profile).ok_or(Status::InvalidArgument)?;
        let starts = profile.starts(gi.slices(product));
        if start.is_some_and(|start| !starts.contains(&start)) {
            return Err(Status::InvalidArgument);
        }
        let asked = start.as_ref().map_or(starts, std::slice::from_ref);
        let start = asked
            .iter()
            .copied()
            .find(|&start| gi.slices_free(start, profile.slices));
        let start = start.ok_or(Status::InsufficientResources)?;
        let id = lowest_free(gi.compute.iter().map(|ci| ci.id));
        let mig_index = lowest_free(state.mig_devices().map(|(_, ci)| ci.mig_index));
        if mig_index >= product.max_mig_devices {
            return Err(Status::InsufficientResources);
        }
        let (gi_id, gi_start, parent) = (gi.id, gi.start, state.uuid);
        let serial = self.take_serial();
        let uuid = self.mig_uuid(parent, (gi_id, gi_start, id, start), serial);
        let instance = ComputeInstance {
            id,
            profile: profile.id,
            start,
            serial,
            uuid,
            mig_index,
        };
        self.gpu_mut(at.gpu)?
            .gi_mut(at.serial)?
            .compute
            .push(instance);
        let about = About {
            gi: Some(gi_id),
            ci: Some(id),
            ..About::default()
        };
        self.raise(at.gpu, events::MIG_CONFIG, about, now_us);
        Ok(serial)
    }

    /// Destroys a compute instance.
    ///
    /// # Errors
    /// `InUse` while a process runs on it or its instance carries a vGPU, `NotFound` when it is gone.
    pub fn destroy_ci(&mut self, at: InstanceRef, now_us: u64) -> Result<(), Status> {
        let state = self.gpu(at.gpu)?;
        let (gi, ci) = state.ci(at.serial)?;
        let (gi, ci) = (gi.id, ci.id);
        let is_used = state.processes.iter().any(|process| process.is_on(gi, ci));
        if is_used || state.vgpus.contains(&Some(gi)) {
            return Err(Status::InUse);
        }
        for instance in &mut self.gpu_mut(at.gpu)?.instances {
            instance.compute.retain(|ci| ci.serial != at.serial);
        }
        let about = About {
            gi: Some(gi),
            ci: Some(ci),
            ..About::default()
        };
        self.raise(at.gpu, events::MIG_CONFIG, about, now_us);
        Ok(())
    }

    /// Name-based like the driver's (version nibble 5), over the place alone or over the place and
    /// the incarnation.
    fn mig_uuid(&self, parent: Uuid, place: (u32, u32, u32, u32), serial: u32) -> Uuid {
        let (gi, gi_start, ci, ci_start) = place;
        let mut name = format!("gi{gi}@{gi_start}/ci{ci}@{ci_start}");
        if self.policy.mig_uuid == MigUuid::Changing {
            name.push_str(&format!("#{serial}"));
        }
        Uuid::new_v5(&parent, name.as_bytes())
    }
}

fn lowest_free(taken: impl Iterator<Item = u32>) -> u32 {
    let taken: Vec<u32> = taken.collect();
    (0..=u32::MAX)
        .find(|id| !taken.contains(id))
        .unwrap_or(u32::MAX)
}
