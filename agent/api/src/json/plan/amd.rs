//! What happens to an AMD GPU: its modes now, those that are wanted, and those that wait for its driver.

use kerf_types::AmdWish;
use serde::Serialize;

use super::{Step, steps};
use crate::convert::{At, ConvertError};
use crate::json::layout::AmdModes;
use crate::v1;

/// What happens to one AMD GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AmdPlan {
    /// Its place among the host's AMD GPUs in order of their addresses.
    pub index: u32,
    /// Address.
    pub pci: String,
    /// Its modes; one that it does not have is left out.
    pub from: AmdModes,
    /// What is wanted of it; a mode that is left out stays.
    pub to: AmdModes,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// The modes that it gets when the driver is loaded anew.
    pub after_reload: AmdModes,
}

impl AmdPlan {
    /// Whether it is not as it is wanted.
    pub fn differs(&self) -> bool {
        let lacks = |from: &Option<String>, to: &Option<String>| to.is_some() && from != to;
        lacks(&self.from.compute, &self.to.compute) || lacks(&self.from.memory, &self.to.memory)
    }
}

impl TryFrom<&v1::AmdPlan> for AmdPlan {
    type Error = ConvertError;

    fn try_from(gpu: &v1::AmdPlan) -> Result<Self, ConvertError> {
        let modes = |field: &str, modes: &Option<v1::AmdModes>| {
            let wish = AmdWish::try_from(modes.clone().unwrap_or_default()).at(field)?;
            Ok(AmdModes::from(wish))
        };
        Ok(Self {
            index: gpu.index,
            pci: gpu.pci.clone(),
            from: modes("from", &gpu.from)?,
            to: modes("to", &gpu.to)?,
            steps: steps(&gpu.steps)?,
            after_reload: modes("after_reload", &gpu.after_reload)?,
        })
    }
}
