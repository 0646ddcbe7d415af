//! A GPU's place in the NVLink fabric, and its links to its processor.

use kerf_types::fabric::{C2cLink, Fabric, FabricHealth, FabricState, FabricSummary};

use super::{ConvertError, Fault};
use crate::v1;

impl From<&Fabric> for v1::Fabric {
    fn from(fabric: &Fabric) -> Self {
        let summary = fabric.health.and_then(|health| health.summary);
        Self {
            state: fabric.state.number(),
            status: fabric.status,
            cluster: fabric.cluster.map(|uuid| uuid.to_vec()),
            clique: fabric.clique,
            health_mask: fabric.health.map(|health| health.mask),
            health_summary: summary.map(FabricSummary::number),
        }
    }
}

impl TryFrom<v1::Fabric> for Fabric {
    type Error = ConvertError;

    fn try_from(fabric: v1::Fabric) -> Result<Self, ConvertError> {
        let summary = fabric.health_summary.and_then(FabricSummary::from_number);
        let cluster = fabric.cluster.map(<[u8; 16]>::try_from).transpose();
        let wrong = |found: Vec<u8>| {
            let found = format!("{} bytes", found.len());
            let allowed = "a UUID of 16 bytes";
            ConvertError::new("cluster", Fault::Number { found, allowed })
        };
        Ok(Self {
            state: FabricState::from_number(fabric.state),
            status: fabric.status,
            cluster: cluster.map_err(wrong)?,
            clique: fabric.clique,
            health: fabric
                .health_mask
                .map(|mask| FabricHealth { mask, summary }),
        })
    }
}

impl From<&C2cLink> for v1::C2cLink {
    fn from(link: &C2cLink) -> Self {
        let C2cLink { link, active, mbps } = *link;
        Self { link, active, mbps }
    }
}

impl From<v1::C2cLink> for C2cLink {
    fn from(link: v1::C2cLink) -> Self {
        let v1::C2cLink { link, active, mbps } = link;
        Self { link, active, mbps }
    }
}
