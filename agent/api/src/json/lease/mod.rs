//! `kerf lease`: grants, and who has them.

#[cfg(test)]
mod tests;

use kerf_types::Fence;
use serde::Serialize;

use super::{LeasedShare, schema_tag, time};
use crate::convert::{At, ConvertError, required};
use crate::v1;
use crate::v1::lease_subject::Subject;

schema_tag!(LeasesSchema, "kerf.v1.Leases");
schema_tag!(LeaseSchema, "kerf.v1.Lease");

/// The leases of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leases {
    /// Names this document.
    pub schema: LeasesSchema,
    /// The leases.
    pub leases: Vec<LeaseEntry>,
}

/// One lease as a document of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lease {
    /// Names this document.
    pub schema: LeaseSchema,
    /// The lease.
    #[serde(flatten)]
    pub lease: LeaseEntry,
}

/// What a lease says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseEntry {
    /// Its id.
    pub id: String,
    /// `reserved`, `active`, `releasing` or `released`.
    pub state: String,
    /// For whom it was made.
    pub holder: String,
    /// The container that has it.
    pub container: Option<String>,
    /// First process of that container.
    pub init_pid: Option<u32>,
    /// What it gives.
    pub subjects: Vec<LeaseSubject>,
    /// Whether its slices were cut for it and go with it.
    pub on_demand: bool,
    /// Whether it was put into a container that ran already; left out where it was not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub attached: bool,
    /// When it was made.
    pub created_at: String,
    /// When a reservation ends by itself.
    pub expires_at: Option<String>,
    /// Its fence.
    pub fence: FenceParts,
    /// Its CDI name.
    pub cdi_name: String,
    /// RDMA interfaces nearest to its accelerators by the host's topology; given are those among its subjects.
    pub nearest_nics: Vec<String>,
    /// NVMe controllers, the same.
    pub nearest_nvme: Vec<String>,
    /// The IMEX channel that goes with it; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imex_channel: Option<u32>,
    /// Whether the kernel keeps the bare process that has it from every other accelerator; left out for containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
    /// Processors nearest to its accelerators, as a list; only where one lease is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
    /// Memory nodes, the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mems: Option<String>,
}

/// A fence in its two parts. As one number it would exceed what a JSON number keeps exactly (2^53).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FenceParts {
    /// The store epoch.
    pub epoch: u64,
    /// Number of the grant in it.
    pub counter: u64,
}

/// One thing that a lease gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LeaseSubject {
    /// A slice.
    Slice {
        /// Stable name of its place.
        id: String,
        /// Its profile.
        profile: String,
        /// UUID of its MIG device.
        uuid: String,
        /// UUID of its GPU.
        gpu_uuid: String,
        /// The place on it; left out for the slice as a whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        share: Option<LeasedShare>,
        /// `hardware`, `compute` (memory is shared with the other parts of the instance) or `mps`.
        isolation: String,
    },
    /// A whole GPU.
    Gpu {
        /// Its address.
        pci: String,
        /// Its UUID.
        uuid: String,
        /// The place on it; left out for the GPU as a whole.
        #[serde(skip_serializing_if = "Option::is_none")]
        share: Option<LeasedShare>,
        /// `device`, `mps` or `time-slice`.
        isolation: String,
    },
    /// A device of another maker, or a part of one.
    Device {
        /// What it is: `amd-gpu`, `amd-partition`, `intel-gpu`, `gaudi`, `neuron`, `tpu`, `vgpu`, `nic`.
        device: String,
        /// Its name.
        name: String,
        /// The PCI function that it is, or lies on; null where the kernel does not say.
        pci: Option<String>,
        /// `device`, or `compute` for a part; empty for what is nobody's own.
        isolation: String,
    },
}

impl TryFrom<&v1::ListLeasesResponse> for Leases {
    type Error = ConvertError;

    fn try_from(response: &v1::ListLeasesResponse) -> Result<Self, ConvertError> {
        let one = |(index, lease)| LeaseEntry::try_from(lease).at(&format!("leases[{index}]"));
        let leases = response
            .leases
            .iter()
            .enumerate()
            .map(one)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            schema: LeasesSchema::V1,
            leases,
        })
    }
}

impl TryFrom<&v1::Lease> for Lease {
    type Error = ConvertError;

    fn try_from(lease: &v1::Lease) -> Result<Self, ConvertError> {
        Ok(Self {
            schema: LeaseSchema::V1,
            lease: lease.try_into()?,
        })
    }
}

impl TryFrom<&v1::Lease> for LeaseEntry {
    type Error = ConvertError;

    fn try_from(lease: &v1::Lease) -> Result<Self, ConvertError> {
        let one =
            |(index, subject)| LeaseSubject::try_from(subject).at(&format!("subjects[{index}]"));
        Ok(Self {
            id: lease.id.clone(),
            state: lease.state.clone(),
            holder: lease.holder.clone(),
            container: lease.container.clone(),
            init_pid: lease.init_pid,
            subjects: lease
                .subjects
                .iter()
                .enumerate()
                .map(one)
                .collect::<Result<_, _>>()?,
            on_demand: lease.on_demand,
            attached: lease.attached,
            created_at: time(lease.created_ms),
            expires_at: lease.expires_ms.map(time),
            fence: FenceParts {
                epoch: lease.fence >> Fence::COUNTER_BITS,
                counter: lease.fence & ((1 << Fence::COUNTER_BITS) - 1),
            },
            cdi_name: lease.cdi_name.clone(),
            nearest_nics: lease.nearest_nics.clone(),
            nearest_nvme: lease.nearest_nvme.clone(),
            imex_channel: lease.imex_channel,
            isolated: lease.isolated,
            cpus: lease.cpus.clone(),
            mems: lease.mems.clone(),
        })
    }
}

impl TryFrom<&v1::LeaseSubject> for LeaseSubject {
    type Error = ConvertError;

    fn try_from(subject: &v1::LeaseSubject) -> Result<Self, ConvertError> {
        let share = subject.share.clone().map(Into::into);
        let isolation = subject.isolation.clone();
        Ok(match required("subject", subject.subject.clone())? {
            Subject::Slice(slice) => Self::Slice {
                id: slice.id,
                profile: slice.profile,
                uuid: slice.uuid,
                gpu_uuid: slice.parent_uuid,
                share,
                isolation,
            },
            Subject::Gpu(gpu) => Self::Gpu {
                pci: gpu.pci,
                uuid: gpu.uuid,
                share,
                isolation,
            },
            Subject::Device(device) => Self::Device {
                device: device.kind,
                name: device.name,
                pci: device.pci,
                isolation,
            },
        })
    }
}
