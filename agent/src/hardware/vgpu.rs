//! vGPUs of the host: files of the kernel, for which no library is loaded.

use kerf_api::partitioner::v1 as wire;
use kerf_types::{PciAddress, Step, VgpuGpu};

use super::pool::Scope;
use super::{Hardware, HardwareError, unexpected};

impl Hardware {
    /// The vGPUs of one GPU as they are now.
    pub async fn observe_vgpu(&self, pci: PciAddress) -> Result<VgpuGpu, HardwareError> {
        let address = pci.to_string();
        let call = wire::request::Call::ObserveVgpu(wire::ObserveVgpu { pci: address });
        let operation = format!("observing vGPUs of {pci}");
        let outcome = self
            .call(Scope::Vgpu(pci), &operation, call, self.deadlines.call)
            .await?;
        read(&operation, outcome)
    }

    /// Carries out a step of vGPUs; returns those of its GPU as they are after it.
    pub async fn apply_vgpu(&self, step: &Step) -> Result<VgpuGpu, HardwareError> {
        let call = wire::request::Call::Apply(wire::Apply {
            step: Some(kerf_api::v1::Step::from(step)),
        });
        let operation = step.to_string();
        let scope = Scope::Vgpu(step.gpu());
        let outcome = self
            .call(scope, &operation, call, self.deadlines.step)
            .await?;
        read(&operation, outcome)
    }
}

fn read(operation: &str, outcome: wire::response::Outcome) -> Result<VgpuGpu, HardwareError> {
    let wire::response::Outcome::VgpuGpu(gpu) = outcome else {
        return Err(unexpected(operation, &outcome));
    };
    VgpuGpu::try_from(gpu).map_err(|error| HardwareError::Protocol {
        operation: operation.to_owned(),
        why: error.to_string(),
    })
}
