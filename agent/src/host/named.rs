//! Devices that somebody names: which one is meant, and that nothing stands in the way of a lease.

use kerf_types::lease::{SliceState, Subject};

use super::{Host, HostError, moved};

impl Host {
    /// The slice of that name, free for a new lease.
    pub(super) fn named_slice(&self, name: &str) -> Result<Subject, HostError> {
        let slices = self.slices();
        let slice = slices
            .iter()
            .find(|slice| {
                slice.id.to_string() == name
                    || slice
                        .device()
                        .is_some_and(|(_, uuid)| uuid.as_str() == name)
            })
            .ok_or_else(|| HostError::NotFound {
                what: "slice",
                name: name.to_owned(),
            })?;
        self.refuse_if_held(slice.id.gpu)?;
        self.refuse_vgpus(slice.id.gpu)?;
        self.refuse_if_shared(slice.id.gpu, format!("slice {}", slice.id))?;
        if slice.state != SliceState::Free {
            let holder = slice.lease.as_ref().map(|lease| lease.holder.to_string());
            return Err(HostError::Busy {
                what: format!("slice {}", slice.id),
                state: slice.state.as_str().to_owned(),
                by: holder.or_else(|| slice.reason.clone()),
            });
        }
        self.slice_subject(slice.id)
    }

    /// Every GPU that has a name of its own, all of them free.
    pub(super) fn every_gpu(&self) -> Result<Vec<Subject>, HostError> {
        let gpus = self.inventory.gpus.iter();
        let whole = gpus.filter(|gpu| {
            !gpu.mig_mode.is_on() && gpu.health.is_ok() && self.shared.of(gpu.pci).is_none()
        });
        let subjects: Result<Vec<Subject>, HostError> = whole
            .map(|gpu| self.named_gpu(&gpu.pci.to_string()))
            .collect();
        let subjects = subjects?;
        if subjects.is_empty() {
            return Err(HostError::NotFound {
                what: "GPU that is not cut",
                name: "all".to_owned(),
            });
        }
        Ok(subjects)
    }

    /// The GPU of that address, UUID or index, free for a new lease as a whole.
    pub(super) fn named_gpu(&self, name: &str) -> Result<Subject, HostError> {
        let gpu = self
            .inventory
            .gpus
            .iter()
            .find(|gpu| {
                gpu.pci.to_string() == name
                    || gpu.uuid.as_str() == name
                    || gpu.index.to_string() == name
            })
            .ok_or_else(|| HostError::NotFound {
                what: "GPU",
                name: name.to_owned(),
            })?;
        self.refuse_if_held(gpu.pci)?;
        self.refuse_vgpus(gpu.pci)?;
        self.refuse_if_shared(gpu.pci, format!("GPU {} ({})", gpu.index, gpu.pci))?;
        let busy = |state: &str, by: Option<String>| HostError::Busy {
            what: format!("GPU {} ({})", gpu.index, gpu.pci),
            state: state.to_owned(),
            by,
        };
        let leases = self.leases.values().map(|row| &row.lease);
        let on_it = leases.into_iter().find(|lease| {
            lease
                .subjects
                .iter()
                .any(|subject| moved::is_on(subject, gpu))
        });
        if let Some(lease) = on_it {
            return Err(busy("leased", Some(lease.holder.to_string())));
        }
        if !gpu.health.is_ok() {
            return Err(busy("not well", None));
        }
        if gpu.mig_mode.is_on() {
            return Err(busy("in MIG mode", None));
        }
        if let Some(process) = gpu.processes.first() {
            return Err(busy("in use", Some(format!("process {}", process.pid))));
        }
        Ok(Subject::Gpu {
            gpu: gpu.pci,
            uuid: gpu.uuid.clone(),
            share: None,
        })
    }
}
