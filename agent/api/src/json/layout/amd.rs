//! The modes of AMD GPUs, as people write them.

use kerf_types::AmdWish;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::convert::{ConvertError, parse};

/// The modes of an AMD GPU. One that is left out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmdModes {
    /// How its XCCs are grouped: spx, dpx, tpx, qpx or cpx, in lower or upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([sdtqcSDTQC][pP][xX])$"))]
    pub compute: Option<String>,
    /// Into how many NUMA domains its memory is divided: nps1, nps2, nps4 or nps8. A change takes hold when the driver
    /// is loaded anew, and changes all GPUs of a hive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([nN][pP][sS][1248])$"))]
    pub memory: Option<String>,
}

impl From<AmdWish> for AmdModes {
    fn from(wish: AmdWish) -> Self {
        let text = |mode: &dyn std::fmt::Display| mode.to_string().to_lowercase();
        Self {
            compute: wish.compute.map(|mode| text(&mode)),
            memory: wish.memory.map(|mode| text(&mode)),
        }
    }
}

impl TryFrom<AmdModes> for AmdWish {
    type Error = ConvertError;

    fn try_from(modes: AmdModes) -> Result<Self, ConvertError> {
        let AmdModes { compute, memory } = modes;
        Ok(Self {
            compute: compute.map(|text| parse("compute", &text)).transpose()?,
            memory: memory.map(|text| parse("memory", &text)).transpose()?,
        })
    }
}
