//! Who may have a context on a GPU: any number of processes, or one, which may be an MPS server with its clients.

use kerf_api::partitioner::v1 as wire;
use kerf_types::PciAddress;

use super::{GpuKey, Hardware, HardwareError, Scope, unexpected};

impl Hardware {
    /// Lets one process have a GPU, which may be an MPS server with its clients, or again any number of them.
    pub async fn set_exclusive(
        &self,
        gpu: PciAddress,
        exclusive: bool,
    ) -> Result<(), HardwareError> {
        let mode = match exclusive {
            true => wire::ComputeMode::ExclusiveProcess,
            false => wire::ComputeMode::Default,
        };
        let pci = gpu.to_string();
        let call = wire::request::Call::SetComputeMode(wire::SetComputeMode {
            pci,
            mode: mode.into(),
        });
        let operation = format!("setting the compute mode of {gpu}");
        let scope = Scope::Gpu(GpuKey::Pci(gpu));
        let outcome = self
            .call(scope, &operation, call, self.deadlines.step)
            .await?;
        match &outcome {
            wire::response::Outcome::ComputeMode(now) if now.mode() == mode => Ok(()),
            other => Err(unexpected(&operation, other)),
        }
    }
}
