//! Leases as the API shows them. There is no way back: a lease is made by its owner alone and read from its
//! store, never from a message.

use kerf_types::LeasedDevice;
use kerf_types::lease::{Lease, Subject};
use kerf_types::profile::cdi_name;

use crate::v1;
use crate::v1::lease_subject::{self, LeasedGpu, LeasedSlice};

impl From<&Lease> for v1::Lease {
    fn from(lease: &Lease) -> Self {
        Self {
            id: lease.id.to_string(),
            fence: lease.fence.0,
            state: lease.state.as_str().to_owned(),
            holder: lease.holder.to_string(),
            container: lease.container.as_ref().map(ToString::to_string),
            subjects: lease
                .subjects
                .iter()
                .map(Into::into)
                .chain(lease.devices.iter().map(Into::into))
                .collect(),
            on_demand: lease.on_demand,
            attached: lease.attached,
            created_ms: lease.created.0,
            expires_ms: lease.expires.map(|expires| expires.0),
            init_pid: lease.init.as_ref().map(|init| init.pid),
            cdi_name: cdi_name("lease", &lease.id.to_string()),
            imex_channel: lease.imex,
            isolated: lease.isolated,
            cpus: None,
            mems: None,
            nearest_nics: lease.nearest_nics.clone(),
            nearest_nvme: lease.nearest_nvme.clone(),
        }
    }
}

impl From<&Subject> for v1::LeaseSubject {
    fn from(subject: &Subject) -> Self {
        let share = subject.share().map(Into::into);
        let isolation = subject.isolation().to_string();
        let subject = match subject {
            Subject::Slice {
                slice,
                profile,
                parent,
                uuid,
                share: _,
            } => lease_subject::Subject::Slice(LeasedSlice {
                id: slice.to_string(),
                profile: profile.to_string(),
                parent_uuid: parent.to_string(),
                uuid: uuid.to_string(),
            }),
            Subject::Gpu {
                gpu,
                uuid,
                share: _,
            } => lease_subject::Subject::Gpu(LeasedGpu {
                pci: gpu.to_string(),
                uuid: uuid.to_string(),
            }),
        };
        Self {
            subject: Some(subject),
            share,
            isolation,
        }
    }
}

impl From<&LeasedDevice> for v1::LeaseSubject {
    fn from(device: &LeasedDevice) -> Self {
        let subject = lease_subject::LeasedDevice {
            kind: device.kind.to_string(),
            name: device.name.to_string(),
            pci: device.pci.map(|pci| pci.to_string()),
        };
        Self {
            subject: Some(lease_subject::Subject::Device(subject)),
            share: None,
            isolation: device
                .kind
                .isolation()
                .map_or_else(String::new, |isolation| isolation.to_string()),
        }
    }
}
