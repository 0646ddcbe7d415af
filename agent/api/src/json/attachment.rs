//! `kerf device attach`: a lease in a container that ran already.

use serde::Serialize;

use super::lease::LeaseEntry;
use super::schema_tag;
use crate::convert::{At, ConvertError, required};
use crate::v1;

schema_tag!(DeviceAttachmentSchema, "kerf.v1.DeviceAttachment");

/// What a running container was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceAttachment {
    /// Names this document.
    pub schema: DeviceAttachmentSchema,
    /// The lease.
    pub lease: LeaseEntry,
    /// `KEY=value` entries to start processes with in there; none that runs gets them.
    pub env: Vec<String>,
    /// Its device nodes, by their paths in the container.
    pub nodes: Vec<String>,
    /// What a container that is started with a lease gets besides, and this one does not.
    pub notes: Vec<String>,
}

impl TryFrom<&v1::AttachDeviceResponse> for DeviceAttachment {
    type Error = ConvertError;

    fn try_from(response: &v1::AttachDeviceResponse) -> Result<Self, ConvertError> {
        let lease = required("lease", response.lease.as_ref())?;
        Ok(Self {
            schema: DeviceAttachmentSchema::V1,
            lease: LeaseEntry::try_from(lease).at("lease")?,
            env: response.env.clone(),
            nodes: response.nodes.clone(),
            notes: response.notes.clone(),
        })
    }
}
