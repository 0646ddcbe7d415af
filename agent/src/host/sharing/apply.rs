//! Sharing as a layout changes it: what ends does so before the GPU's steps, what begins after them.
//!
//! Between the two nothing of the GPU is shared, and the record says so first: a kerfd that dies in between finds a
//! layout that is to be gone on with, and no daemon of a GPU that nobody shares.

use std::time::Instant;

use kerf_planner::HostPlan;
use kerf_types::sharing::Sharing;
use kerf_types::{PciAddress, Step};

use super::super::{Host, HostError};
use crate::errors::chain;

impl Host {
    /// Ends what a plan ends on a GPU.
    pub(in crate::host) async fn end_planned(
        &mut self,
        plan: &HostPlan,
        gpu: PciAddress,
    ) -> Result<(), HostError> {
        match plan.sharing_of(gpu) {
            Some(_) => self.end_sharing(gpu).await,
            None => Ok(()),
        }
    }

    /// Begins what a plan begins on a GPU. New slices of one that is shared already get their daemons by
    /// [`Host::keep_shared`].
    pub(in crate::host) async fn begin_planned(
        &mut self,
        plan: &HostPlan,
        gpu: PciAddress,
    ) -> Result<(), HostError> {
        if let Some(sharing) = plan.sharing_of(gpu).and_then(|change| change.to) {
            self.begin_sharing(gpu, sharing).await?;
        }
        Ok(())
    }

    async fn begin_sharing(&mut self, gpu: PciAddress, sharing: Sharing) -> Result<(), HostError> {
        let begun = Instant::now();
        self.shared.gpus.insert(gpu, sharing);
        self.is_begun(gpu);
        let outcome = self.begin_all(gpu, sharing).await;
        self.note_tried(
            format!("share {gpu} by {sharing}"),
            begun,
            outcome.as_ref().err(),
        );
        if outcome.is_err() {
            if let Err(error) = self.end_sharing(gpu).await {
                let why = chain(&error);
                tracing::warn!(gpu.pci = %gpu, error = %why, "half-begun sharing remains");
                let why = format!("it was begun and could not be taken back: {why}");
                self.is_unsettled(gpu, true, why);
            }
        } else {
            let text = format!("shared by {sharing}");
            self.events.add("sharing", &gpu.to_string(), &text);
        }
        outcome
    }

    /// Written down before and after, so that a kerfd that dies in between leaves it as one that does not stand.
    async fn begin_all(&mut self, gpu: PciAddress, sharing: Sharing) -> Result<(), HostError> {
        self.save_shared()?;
        self.set_and_start(gpu, sharing).await?;
        self.is_settled(gpu)
    }

    async fn set_and_start(&mut self, gpu: PciAddress, sharing: Sharing) -> Result<(), HostError> {
        self.set_up(gpu, sharing).await?;
        let Sharing::Mps(limits) = sharing else {
            return Ok(());
        };
        for (device, uuid) in self.shared_devices(gpu) {
            self.seat(device, &uuid, limits);
            self.start_now(device).await?;
        }
        Ok(())
    }

    /// Ends the sharing of a GPU: its daemons, then its settings. Refused where somebody is on a daemon.
    pub(in crate::host) async fn end_sharing(&mut self, gpu: PciAddress) -> Result<(), HostError> {
        let Some(sharing) = self.shared.of(gpu) else {
            return Ok(());
        };
        let begun = Instant::now();
        let outcome = self.stop_and_set_back(gpu, sharing).await;
        let text = format!("share {gpu} no longer by {sharing}");
        self.note_tried(text, begun, outcome.as_ref().err());
        outcome
    }

    async fn stop_and_set_back(
        &mut self,
        gpu: PciAddress,
        sharing: Sharing,
    ) -> Result<(), HostError> {
        for device in self.shared.seated_of(gpu) {
            self.stop_now(device).await?;
        }
        if let Err(error) = self.set_back(gpu, sharing).await {
            // Whether the old setting or the new one is there is not known.
            let why = format!("it could not be ended: {}", chain(&error));
            self.is_unsettled(gpu, false, why);
            return Err(error);
        }
        self.over(gpu)
    }

    /// Begins sharing again that a change of mode has ended, which was taken back. What does not begin is told and left
    /// for the next apply.
    pub(in crate::host) async fn share_again(&mut self, ended: &[(PciAddress, Sharing)]) {
        for (gpu, sharing) in ended {
            if self.shared.of(*gpu).is_none()
                && let Err(error) = self.begin_sharing(*gpu, *sharing).await
            {
                let why = chain(&error);
                tracing::warn!(%gpu, error = %why, "no longer shared after a refused layout");
                let text = format!("no longer shared after a refused layout: {why}");
                self.events.add("sharing", &gpu.to_string(), &text);
            }
        }
    }

    /// Before a step: a daemon on what goes is ended, if nobody is on it.
    pub(in crate::host) async fn make_way(&mut self, step: &Step) -> Result<(), HostError> {
        match step {
            Step::SetMigMode { gpu, .. } => self.end_sharing(*gpu).await,
            Step::DestroyComputeInstance { uuid, .. } => {
                let seats = self.shared.seats.iter();
                let mut own = seats.filter(|(_, seat)| seat.place.device == uuid.as_str());
                match own.next().map(|(device, _)| *device) {
                    Some(device) => self.stop_now(device).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
