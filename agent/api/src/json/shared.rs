//! The shared devices of a host, and who has which place on them: a part of `kerf slices`.

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::sharing::Sharing;
use serde::Serialize;

use super::layout::SharingDocument;
use crate::convert::{At, ConvertError, parse, required};
use crate::v1;

/// A GPU that is shared, or whose slices are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedGpu {
    /// NVML index.
    pub index: u32,
    /// Address.
    pub pci: String,
    /// UUID.
    pub uuid: String,
    /// How.
    pub sharing: SharingDocument,
    /// `mps` or `time-slice`: what a lease on it is worth.
    pub isolation: String,
    /// The GPU as a whole, or each of its slices.
    pub devices: Vec<SharedDevice>,
}

/// One shared device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedDevice {
    /// Name of the slice; null for the GPU as a whole.
    pub slice: Option<String>,
    /// Its UUID.
    pub uuid: String,
    /// `ready`, or why no place is given now.
    pub state: String,
    /// Process of its MPS daemon.
    pub daemon_pid: Option<u32>,
    /// Processes of its MPS clients, as its daemon has said last; null where it does not say.
    pub clients: Option<Vec<u32>>,
    /// How the server of its MPS daemon is: `ACTIVE`, `INITIALIZING` or `FAULT`; null without a server.
    pub server: Option<String>,
    /// The places that are given.
    pub taken: Vec<TakenShare>,
}

/// A place that is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenShare {
    /// Which, counted from 0.
    pub index: u32,
    /// The lease.
    pub lease: String,
    /// Who has it.
    pub holder: String,
}

/// A place on a shared device, as a lease tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeasedShare {
    /// `mps` or `time-slice`.
    pub mode: String,
    /// Which, counted from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl TryFrom<&v1::SharedGpu> for SharedGpu {
    type Error = ConvertError;

    fn try_from(gpu: &v1::SharedGpu) -> Result<Self, ConvertError> {
        let sharing = required("sharing", gpu.sharing.clone())?;
        let sharing = Sharing::try_from(sharing).at("sharing")?;
        Ok(Self {
            index: gpu.index,
            pci: gpu.pci.clone(),
            uuid: gpu.uuid.clone(),
            sharing: sharing.into(),
            isolation: sharing.mode().isolation().to_string(),
            devices: gpu.devices.iter().map(Into::into).collect(),
        })
    }
}

impl From<&v1::SharedDevice> for SharedDevice {
    fn from(device: &v1::SharedDevice) -> Self {
        Self {
            slice: Some(device.slice.clone()).filter(|name| !name.is_empty()),
            uuid: device.uuid.clone(),
            state: device.state.clone(),
            daemon_pid: device.daemon_pid,
            clients: device.clients.clone().map(|clients| clients.pids),
            server: Some(device.server.clone()).filter(|server| !server.is_empty()),
            taken: device.taken.iter().map(Into::into).collect(),
        }
    }
}

impl From<&v1::TakenShare> for TakenShare {
    fn from(taken: &v1::TakenShare) -> Self {
        Self {
            index: taken.index,
            lease: taken.lease.clone(),
            holder: taken.holder.clone(),
        }
    }
}

impl From<v1::Share> for LeasedShare {
    fn from(share: v1::Share) -> Self {
        Self {
            mode: share.mode,
            index: share.index,
            of: share.of,
        }
    }
}

/// How each GPU of a host is shared, by address.
pub fn sharing_by_gpu(
    response: &v1::ListSlicesResponse,
) -> Result<BTreeMap<PciAddress, Sharing>, ConvertError> {
    let one = |(index, gpu): (usize, &v1::SharedGpu)| {
        let sharing = required("sharing", gpu.sharing.clone())?;
        let sharing = Sharing::try_from(sharing).at("sharing");
        let sharing = sharing.at(&format!("shared[{index}]"))?;
        Ok((
            parse("pci", &gpu.pci).at(&format!("shared[{index}]"))?,
            sharing,
        ))
    };
    response.shared.iter().enumerate().map(one).collect()
}
