//! What a plan does to the sharing of a GPU.

use kerf_types::sharing::Sharing;
use serde::Serialize;

use crate::convert::{At, ConvertError};
use crate::json::layout::SharingDocument;
use crate::v1;

/// A GPU on which a way of sharing ends or begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharingPlan {
    /// NVML index.
    pub index: u32,
    /// Address.
    pub pci: String,
    /// What ends; null where it was not shared.
    pub from: Option<SharingDocument>,
    /// What begins; null where it is to be shared no longer.
    pub to: Option<SharingDocument>,
}

impl TryFrom<&v1::SharingPlan> for SharingPlan {
    type Error = ConvertError;

    fn try_from(plan: &v1::SharingPlan) -> Result<Self, ConvertError> {
        let read = |field: &str, sharing: &Option<v1::Sharing>| {
            let sharing = sharing.clone().map(Sharing::try_from).transpose();
            Ok(sharing.at(field)?.map(SharingDocument::from))
        };
        Ok(Self {
            index: plan.index,
            pci: plan.pci.clone(),
            from: read("from", &plan.from)?,
            to: read("to", &plan.to)?,
        })
    }
}
