//! Carrying out steps, one after the other, and believing only what is read back.

use kerf_types::{ComputeInstance, Gpu, PciAddress, ProfileId, SliceId, Step};
use tokio::sync::mpsc;

use super::{Host, HostError, Progress, Reserve, record};
use crate::hardware::{Applied, GpuKey, HardwareError};
use crate::store::{Work, WorkRow};

impl Host {
    /// Carries out the steps in order and stops at the first that fails. Those before it stand.
    ///
    /// Each answer replaces what was known of its GPU. A step whose outcome is unknown is followed by a
    /// fresh look, where the GPU answers at all.
    pub(super) async fn run_steps(
        &mut self,
        steps: &[Step],
        progress: Option<&mpsc::Sender<Progress>>,
    ) -> Result<(), HostError> {
        self.run_steps_of(steps, (0, steps.len()), progress).await
    }

    /// The same for a part of more steps: how many were before it, and how many there are.
    pub(super) async fn run_steps_of(
        &mut self,
        steps: &[Step],
        (before, of): (usize, usize),
        progress: Option<&mpsc::Sender<Progress>>,
    ) -> Result<(), HostError> {
        for (at, step) in (before..).zip(steps) {
            self.make_way(step).await?;
            let begun = std::time::Instant::now();
            let spared = self.spare_vgpus(step).await;
            let outcome = match spared {
                Ok(()) => self.hardware.apply(step).await,
                Err(refusal) => Err(refusal),
            };
            match outcome {
                Ok(Applied::Gpu(gpu)) => {
                    self.metrics.apply_steps.inc([kind(step), "done"]);
                    self.note_tried(step.to_string(), begun, None::<&HardwareError>);
                    self.take_gpu(gpu);
                }
                Ok(Applied::Amd(gpu)) => {
                    self.metrics.apply_steps.inc([kind(step), "done"]);
                    self.note_tried(step.to_string(), begun, None::<&HardwareError>);
                    self.take_amd(gpu);
                }
                Err(source) => {
                    self.metrics.apply_steps.inc([kind(step), "failed"]);
                    self.note_tried(step.to_string(), begun, Some(&source));
                    self.look_after_failure(step, &source).await;
                    return Err(self.step_failed(at + 1, of, step, source));
                }
            }
            tracing::debug!(step = %step, "step done");
            if let Some(progress) = progress {
                let took = begun.elapsed();
                let (number, step) = (at + 1, step.clone());
                // A listener that is slow or gone does not hold up the hardware.
                drop(progress.try_send(Progress::Step {
                    number,
                    of,
                    step,
                    took,
                }));
            }
        }
        Ok(())
    }

    /// Reads the whole GPU of steps that went well, once: each of them has read back what a step can change, and left
    /// out links, names and profiles. One that cannot be read whole has not got what was asked for.
    pub(super) async fn read_back(
        &mut self,
        steps: &[Step],
        (before, of): (usize, usize),
    ) -> Result<(), HostError> {
        let Some(last) = steps.last() else {
            return Ok(());
        };
        match self.hardware.observe(GpuKey::Pci(last.gpu())).await {
            Ok(gpu) => {
                self.take_gpu(gpu);
                Ok(())
            }
            Err(source) => {
                self.look_after_failure(last, &source).await;
                Err(self.step_failed(before + steps.len(), of, last, source))
            }
        }
    }

    /// What has become of the GPU of a step that failed.
    async fn look_after_failure(&mut self, step: &Step, source: &HardwareError) {
        let (pci, key) = (step.gpu(), GpuKey::Pci(step.gpu()));
        // Who answers that it cannot be said can be asked what is there.
        let silent = source.is_unknown_outcome() && !source.is_unsettled() || source.is_lost();
        match (step.is_amd(), silent) {
            (true, true) => self.amd_failed(pci, source),
            (true, false) => self.look_at_amd(pci).await,
            (false, true) => self.gpu_failed(key, source),
            (false, false) => self.observe_gpu(key).await,
        }
    }

    /// Cuts one slice with its intent in the store; a failure undoes what was made of it.
    pub(super) async fn cut(
        &mut self,
        slice: SliceId,
        profile: ProfileId,
        steps: &[Step],
        wish: &Reserve,
    ) -> Result<i64, HostError> {
        let work = cut_work(slice, profile);
        self.begin_record(record::of_cut(wish, slice.gpu))?;
        let begun = self.write(|store| store.begin_work(&work));
        let outcome = match begun {
            Ok(number) => match self.run_steps(steps, None).await {
                Ok(()) => Ok(number),
                Err(error) => {
                    self.undo_cut(number, slice, profile).await;
                    Err(error)
                }
            },
            Err(error) => Err(error),
        };
        self.end_record(outcome.as_ref().map(drop));
        outcome
    }

    /// Changes the mode of a GPU for somebody who asks for it whole.
    pub(super) async fn change_mode_for(
        &mut self,
        gpu: PciAddress,
        steps: &[Step],
        wish: &Reserve,
    ) -> Result<(), HostError> {
        if steps.is_empty() {
            return Ok(());
        }
        self.begin_record(record::of_mode(wish, gpu))?;
        let outcome = self.run_steps(steps, None).await;
        self.end_record(outcome.as_ref().map(drop));
        outcome
    }

    /// What a failed step means: a change of mode that something is in the way of names what that is.
    fn step_failed(
        &self,
        number: usize,
        of: usize,
        step: &Step,
        source: HardwareError,
    ) -> HostError {
        let is_blocked = source.is_in_use();
        let (pci, is_mode) = (step.gpu(), matches!(step, Step::SetMigMode { .. }));
        let error = HostError::Step {
            number,
            of,
            step: step.to_string(),
            after: Box::default(),
            source,
        };
        match is_mode && is_blocked {
            true => self.with_blockers(pci, error),
            false => error,
        }
    }

    /// Removes a slice that was cut and that nobody has; goes on as far as the hardware lets it, and keeps
    /// the intent where it does not, so that it is tried again.
    pub(super) async fn undo_cut(&mut self, number: i64, slice: SliceId, profile: ProfileId) {
        match self.destroy_slice(slice, profile).await {
            Ok(()) => {
                if self.write(|store| store.end_work(number)).is_ok() {
                    tracing::info!(%slice, "half-made slice removed");
                }
            }
            Err(error) => {
                let why = crate::errors::chain(&error);
                tracing::warn!(%slice, error = %why, "half-made slice remains");
                let work = cut_work(slice, profile);
                self.open_work.push(WorkRow { number, work });
                self.degrade(
                    "interrupted work",
                    why,
                    "it is tried again with each look at the hardware",
                );
            }
        }
    }

    /// Destroys a slice in the instance of this profile at its place; done when it is not there. A part goes
    /// alone, and its instance with the last of them: without a compute instance it is of use to nobody.
    pub(super) async fn destroy_slice(
        &mut self,
        slice: SliceId,
        profile: ProfileId,
    ) -> Result<(), HostError> {
        let steps = removal(self.look_at(slice.gpu).await?, slice, profile);
        self.run_steps(&steps, None).await
    }
}

/// The steps that destroy a slice; none where it is not there.
fn removal(on: &Gpu, slice: SliceId, profile: ProfileId) -> Vec<Step> {
    let (gpu, placement) = (slice.gpu, slice.placement);
    let mut instances = on.instances.iter();
    let instance = instances
        .find(|known| known.profile == profile && known.placement == placement)
        // What was cut whole and is divided by now is somebody else's work.
        .filter(|known| slice.compute.is_some() || !known.is_divided());
    let Some(instance) = instance else {
        return Vec::new();
    };
    let goes = |one: &&ComputeInstance| slice.compute.is_none() || one.placement == slice.compute;
    let goes: Vec<&ComputeInstance> = instance.compute.iter().filter(goes).collect();
    let is_empty = goes.len() == instance.compute.len();
    let destroy = |compute: &ComputeInstance| Step::DestroyComputeInstance {
        gpu,
        gi: instance.id,
        ci: compute.id,
        uuid: compute.uuid.clone(),
    };
    let mut steps: Vec<Step> = goes.into_iter().map(destroy).collect();
    if is_empty {
        steps.push(Step::DestroyGpuInstance {
            gpu,
            gi: instance.id,
            profile,
            placement,
        });
    }
    steps
}

fn cut_work(slice: SliceId, profile: ProfileId) -> Work {
    Work::Cut {
        gpu: slice.gpu.to_string(),
        placement: slice.placement.to_string(),
        profile: profile.0,
        compute: slice.compute.map(|part| part.to_string()),
    }
}

/// The kind of a step, as a label of metrics.
fn kind(step: &Step) -> &'static str {
    match step {
        Step::SetMigMode { .. } => "set_mig_mode",
        Step::CreateGpuInstance { .. } => "create_gpu_instance",
        Step::CreateComputeInstance { .. } => "create_compute_instance",
        Step::DestroyComputeInstance { .. } => "destroy_compute_instance",
        Step::DestroyGpuInstance { .. } => "destroy_gpu_instance",
        Step::SetAmdCompute { .. } => "set_amd_compute",
        Step::SetAmdMemory { .. } => "set_amd_memory",
        Step::SetSriov { .. } => "set_sriov",
        Step::CreateVgpu { .. } => "create_vgpu",
        Step::DestroyVgpu { .. } => "destroy_vgpu",
    }
}

#[cfg(test)]
mod tests;
