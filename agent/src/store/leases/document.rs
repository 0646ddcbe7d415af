//! The document of a lease: the text in the store and in the run folder, with conversions both ways.

use std::path::PathBuf;

use kerf_types::lease::{Holder, InitProcess, Lease, Subject};
use kerf_types::{
    ContainerRef, Fence, LeasedDevice, ParseError, Placement, Share, SliceId, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::attachment::AttachmentDocument;
use super::process::ProcessDocument;
use super::{LeaseRow, PendingLaunch};
use crate::process::BootMoment;
use crate::process::attach::Attachment;
use crate::process::cgroup::Cgroup;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document {
    id: String,
    fence: u64,
    state: String,
    subjects: Vec<SubjectDocument>,
    /// Devices of other makers. Apart, so that a kerfd that knows none reads the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    devices: Vec<DeviceDocument>,
    holder: HolderDocument,
    container: Option<(String, String)>,
    init: Option<ProcessDocument>,
    pending: Option<PendingDocument>,
    /// `start:size` by GPU address, of the slices that were cut for this lease and are whole GPU instances.
    #[serde(default)]
    cut: Vec<(String, String)>,
    /// Names of those that are parts of one. Apart, so that a kerfd that knows no parts reads the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cut_parts: Vec<String>,
    /// The IMEX channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    imex: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    isolated: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nearest_nics: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nearest_nvme: Vec<String>,
    created_ms: u64,
    expires_ms: Option<u64>,
    #[serde(default)]
    wanted: String,
    #[serde(default)]
    by: Option<u32>,
    #[serde(default)]
    until: Option<(String, u64)>,
    #[serde(default)]
    cgroup: Option<(PathBuf, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attachment: Option<AttachmentDocument>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    nameless: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SubjectDocument {
    Slice {
        gpu: String,
        placement: String,
        /// `start:size` in the GPU instance, for a part of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compute: Option<String>,
        profile: String,
        parent: String,
        uuid: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<ShareDocument>,
    },
    Gpu {
        gpu: String,
        uuid: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        share: Option<ShareDocument>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct DeviceDocument {
    kind: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pci: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    board: Option<String>,
}

/// A place on a shared device.
#[derive(Debug, Serialize, Deserialize)]
struct ShareDocument {
    mode: String,
    index: u32,
    of: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HolderDocument {
    Container { namespace: String, id: String },
    Job { id: String },
    User { uid: u32 },
    Pod { sandbox: String, uid: String },
}

#[derive(Debug, Serialize, Deserialize)]
struct PendingDocument {
    runtime: ProcessDocument,
    pid_file: Option<PathBuf>,
}

impl From<&LeaseRow> for Document {
    fn from(row: &LeaseRow) -> Self {
        let lease = &row.lease;
        Self {
            id: lease.id.to_string(),
            fence: lease.fence.0,
            state: lease.state.as_str().to_owned(),
            subjects: lease.subjects.iter().map(SubjectDocument::from).collect(),
            devices: lease.devices.iter().map(DeviceDocument::from).collect(),
            holder: HolderDocument::from(&lease.holder),
            container: lease
                .container
                .as_ref()
                .map(|c| (c.namespace.clone(), c.id.clone())),
            init: lease.init.as_ref().map(ProcessDocument::from),
            pending: row.pending.as_ref().map(|pending| PendingDocument {
                runtime: ProcessDocument::from(&pending.runtime),
                pid_file: pending.pid_file.clone(),
            }),
            cut: whole_cuts(row).collect(),
            cut_parts: part_cuts(row).collect(),
            imex: lease.imex,
            isolated: lease.isolated,
            nearest_nics: lease.nearest_nics.clone(),
            nearest_nvme: lease.nearest_nvme.clone(),
            created_ms: lease.created.0,
            expires_ms: lease.expires.map(|time| time.0),
            wanted: row.wanted.clone(),
            by: row.by,
            until: row
                .until
                .as_ref()
                .map(|until| (until.boot_id.clone(), until.ms)),
            cgroup: row
                .cgroup
                .as_ref()
                .map(|cgroup| (cgroup.folder.clone(), cgroup.inode)),
            attachment: row.attachment.as_ref().map(Into::into),
            nameless: row.is_nameless,
        }
    }
}

fn whole_cuts(row: &LeaseRow) -> impl Iterator<Item = (String, String)> {
    let whole = row.cut.iter().filter(|slice| slice.compute.is_none());
    whole.map(|slice| (slice.gpu.to_string(), slice.placement.to_string()))
}

fn part_cuts(row: &LeaseRow) -> impl Iterator<Item = String> {
    let parts = row.cut.iter().filter(|slice| slice.compute.is_some());
    parts.map(ToString::to_string)
}

fn read_cuts(document: &Document) -> Result<Vec<SliceId>, ParseError> {
    let whole = document.cut.iter().map(|(gpu, placement)| {
        Ok(SliceId {
            gpu: gpu.parse()?,
            placement: placement.parse()?,
            compute: None,
        })
    });
    let parts = document.cut_parts.iter().map(|name| name.parse());
    whole.chain(parts).collect()
}

impl TryFrom<Document> for LeaseRow {
    type Error = ParseError;

    fn try_from(document: Document) -> Result<Self, ParseError> {
        let cut = read_cuts(&document)?;
        let subjects: Result<Vec<_>, _> = document
            .subjects
            .into_iter()
            .map(Subject::try_from)
            .collect();
        let devices: Result<Vec<_>, _> = document
            .devices
            .into_iter()
            .map(LeasedDevice::try_from)
            .collect();
        let container = document
            .container
            .map(|(namespace, id)| ContainerRef::try_new(&namespace, &id))
            .transpose()?;
        let lease = Lease {
            id: document.id.parse()?,
            fence: Fence(document.fence),
            subjects: subjects?,
            devices: devices?,
            holder: Holder::try_from(document.holder)?,
            state: document.state.parse()?,
            container,
            init: document.init.map(InitProcess::from),
            on_demand: !cut.is_empty(),
            attached: document.attachment.is_some(),
            imex: document.imex,
            isolated: document.isolated,
            nearest_nics: document.nearest_nics,
            nearest_nvme: document.nearest_nvme,
            created: Timestamp(document.created_ms),
            expires: document.expires_ms.map(Timestamp),
        };
        let pending = document.pending.map(|pending| PendingLaunch {
            runtime: InitProcess::from(pending.runtime),
            pid_file: pending.pid_file,
        });
        let until = document
            .until
            .map(|(boot_id, ms)| BootMoment { boot_id, ms });
        Ok(Self {
            lease,
            pending,
            cut,
            wanted: document.wanted,
            by: document.by,
            until,
            cgroup: document
                .cgroup
                .map(|(folder, inode)| Cgroup { folder, inode }),
            attachment: document.attachment.map(Attachment::from),
            is_nameless: document.nameless,
        })
    }
}

impl From<&LeasedDevice> for DeviceDocument {
    fn from(device: &LeasedDevice) -> Self {
        Self {
            kind: device.kind.to_string(),
            name: device.name.to_string(),
            pci: device.pci.map(|pci| pci.to_string()),
            board: device.board.clone(),
        }
    }
}

impl TryFrom<DeviceDocument> for LeasedDevice {
    type Error = ParseError;

    fn try_from(document: DeviceDocument) -> Result<Self, ParseError> {
        Ok(Self {
            kind: document.kind.parse()?,
            name: document.name.parse()?,
            pci: document.pci.map(|pci| pci.parse()).transpose()?,
            board: document.board,
        })
    }
}

impl From<&Subject> for SubjectDocument {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Slice {
                slice,
                profile,
                parent,
                uuid,
                share,
            } => Self::Slice {
                gpu: slice.gpu.to_string(),
                placement: slice.placement.to_string(),
                compute: slice.compute.map(|part| part.to_string()),
                profile: profile.to_string(),
                parent: parent.to_string(),
                uuid: uuid.to_string(),
                share: share.map(Into::into),
            },
            Subject::Gpu { gpu, uuid, share } => Self::Gpu {
                gpu: gpu.to_string(),
                uuid: uuid.to_string(),
                share: share.map(Into::into),
            },
        }
    }
}

impl TryFrom<SubjectDocument> for Subject {
    type Error = ParseError;

    fn try_from(document: SubjectDocument) -> Result<Self, ParseError> {
        Ok(match document {
            SubjectDocument::Slice {
                gpu,
                placement,
                compute,
                profile,
                parent,
                uuid,
                share,
            } => Self::Slice {
                slice: SliceId {
                    gpu: gpu.parse()?,
                    placement: placement.parse::<Placement>()?,
                    compute: compute.map(|part| part.parse()).transpose()?,
                },
                profile: profile.parse()?,
                parent: parent.parse()?,
                uuid: uuid.parse()?,
                share: share.map(Share::try_from).transpose()?,
            },
            SubjectDocument::Gpu { gpu, uuid, share } => Self::Gpu {
                gpu: gpu.parse()?,
                uuid: uuid.parse()?,
                share: share.map(Share::try_from).transpose()?,
            },
        })
    }
}

impl From<Share> for ShareDocument {
    fn from(share: Share) -> Self {
        Self {
            mode: share.mode.to_string(),
            index: share.index,
            of: share.of,
        }
    }
}

impl TryFrom<ShareDocument> for Share {
    type Error = ParseError;

    fn try_from(document: ShareDocument) -> Result<Self, ParseError> {
        Ok(Self {
            mode: document.mode.parse()?,
            index: document.index,
            of: document.of,
        })
    }
}

impl From<&Holder> for HolderDocument {
    fn from(holder: &Holder) -> Self {
        match holder {
            Holder::Container(container) => Self::Container {
                namespace: container.namespace.clone(),
                id: container.id.clone(),
            },
            Holder::Job(id) => Self::Job { id: id.to_string() },
            Holder::User { uid } => Self::User { uid: *uid },
            Holder::Pod { sandbox, uid } => Self::Pod {
                sandbox: sandbox.clone(),
                uid: uid.clone(),
            },
        }
    }
}

impl TryFrom<HolderDocument> for Holder {
    type Error = ParseError;

    fn try_from(document: HolderDocument) -> Result<Self, ParseError> {
        Ok(match document {
            HolderDocument::Container { namespace, id } => {
                Self::Container(ContainerRef::try_new(&namespace, &id)?)
            }
            HolderDocument::Job { id } => Self::Job(id.parse()?),
            HolderDocument::User { uid } => Self::User { uid },
            HolderDocument::Pod { sandbox, uid } => Self::Pod { sandbox, uid },
        })
    }
}
