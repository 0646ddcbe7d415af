//! MIG modes that are changed for an ask: nobody has the GPU yet, so what comes to nothing is taken back.
//!
//! ```text
//! intent written --mode changed--> devices made --lease written, intent ended in one transaction--> kept
//!        \------------- refused, or kerfd died --------------> taken back, unless somebody uses the GPU
//! ```
//! Owns nothing else of a mode: those that a layout changes belong to the layout.

use kerf_types::{PciAddress, Step};

use super::{Host, HostError, moved};
use crate::errors::chain;
use crate::store::{Work, WorkRow};

impl Host {
    /// Writes down that one of these steps will change the mode of a GPU for the ask under way.
    pub(super) fn begin_mode(&mut self, steps: &[Step]) -> Result<(), HostError> {
        for step in steps {
            if let Step::SetMigMode { gpu, enabled, .. } = step {
                let work = Work::Mode {
                    gpu: gpu.to_string(),
                    enabled: !enabled,
                };
                let number = self.write(|store| store.begin_work(&work))?;
                self.modes.push(WorkRow { number, work });
            }
        }
        Ok(())
    }

    /// Takes back the modes of an ask that came to nothing, after its slices have gone. What cannot be taken back
    /// stays open, and is tried again.
    pub(super) async fn undo_modes(&mut self) {
        for row in std::mem::take(&mut self.modes) {
            if let Err(error) = self.resume(&row).await {
                let why = chain(&error);
                tracing::warn!(error = %why, "changed MIG mode remains");
                let hint = "it is tried again with each look at the hardware";
                self.degrade("interrupted work", why, hint);
                self.open_work.push(row);
            }
        }
    }

    /// Gives a GPU its mode back, as long as nobody has found a use for the new one.
    pub(super) async fn resume_mode(
        &mut self,
        number: i64,
        gpu: &str,
        enabled: bool,
    ) -> Result<(), HostError> {
        let pci: PciAddress = gpu.parse()?;
        let gpu = self.look_at(pci).await?.clone();
        let mut rows = self.leases.values();
        let leased = rows.any(|row| row.lease.subjects.iter().any(|one| moved::is_on(one, &gpu)));
        let is_used = leased || !gpu.instances.is_empty() || !gpu.processes.is_empty();
        if !is_used && gpu.mig_mode.is_on() != enabled {
            let step = Step::SetMigMode {
                gpu: pci,
                enabled,
                allow_reset: false,
            };
            self.run_steps(&[step], None).await?;
            tracing::info!(gpu.pci = %pci, "MIG mode taken back");
        }
        self.write(|store| store.end_work(number))
    }
}
