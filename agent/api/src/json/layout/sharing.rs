//! How devices are shared, as people write it: `{ mps: { clients: 4, memory: 18GiB } }`.

use std::fmt;

use kerf_types::sharing::Sharing;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::convert::{At, ConvertError, Fault, mps, parse, required, time_slice};

/// How each of the devices is shared: by one of these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sharing", extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SharingDocument {
    /// By MPS: each client has an address space of its own and limits by software; a fatal fault of one ends all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mps: Option<MpsDocument>,
    /// By time slices: no limit of memory, and no isolation of faults. Only without MIG.
    #[serde(
        default,
        rename = "time-slice",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_slice: Option<TimeSliceDocument>,
}

/// Sharing through an MPS control daemon.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Mps")]
pub struct MpsDocument {
    /// Leases at a time; a slice of a GPU serves fewer clients, in proportion.
    #[schemars(range(min = 1, max = 48))]
    pub clients: u32,
    /// Part of the multiprocessors' threads that each client may use at once, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub threads: Option<u32>,
    /// Device memory of each client, like 18GiB. An ask for memory is served only within it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9]+(TiB|GiB|MiB|KiB|TB|GB|MB|kB|B)?$"))]
    pub memory: Option<String>,
}

/// Sharing by time slices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TimeSlice")]
pub struct TimeSliceDocument {
    /// Leases at a time.
    #[schemars(range(min = 1, max = 64))]
    pub replicas: u32,
    /// How long a slice is: default, short, medium or long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(default|short|medium|long)$"))]
    pub interval: Option<String>,
}

impl SharingDocument {
    /// Leases at a time on each device.
    pub fn places(&self) -> u32 {
        let mps = self.mps.as_ref().map(|mps| mps.clients);
        let slices = self.time_slice.as_ref().map(|slice| slice.replicas);
        mps.or(slices).unwrap_or(0)
    }
}

impl fmt::Display for SharingDocument {
    /// For people; one that says nothing has no words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Sharing::try_from(self.clone()) {
            Ok(sharing) => sharing.fmt(f),
            Err(_) => Ok(()),
        }
    }
}

impl From<Sharing> for SharingDocument {
    fn from(sharing: Sharing) -> Self {
        match sharing {
            Sharing::Mps(mps) => Self {
                mps: Some(MpsDocument {
                    clients: mps.clients.get(),
                    threads: mps.threads,
                    memory: mps.memory.map(|memory| memory.exact().to_string()),
                }),
                time_slice: None,
            },
            Sharing::TimeSlice(slice) => Self {
                mps: None,
                time_slice: Some(TimeSliceDocument {
                    replicas: slice.replicas.get(),
                    interval: Some(slice.interval.to_string()),
                }),
            },
        }
    }
}

impl TryFrom<SharingDocument> for Sharing {
    type Error = ConvertError;

    fn try_from(document: SharingDocument) -> Result<Self, ConvertError> {
        match (document.mps, document.time_slice) {
            (Some(_), Some(_)) => {
                let why = "a device is shared in one way: by mps or by time-slice";
                Err(ConvertError::new("time-slice", Fault::Conflict { why }))
            }
            (Some(one), None) => {
                let memory = one.memory.map(|text| parse("memory", &text)).transpose();
                let read = memory.and_then(|memory| mps(one.clients, one.threads, memory));
                read.map(Self::Mps).at("mps")
            }
            (None, Some(one)) => {
                let interval = one.interval.as_deref().unwrap_or("default");
                let read = time_slice(one.replicas, interval);
                read.map(Self::TimeSlice).at("time-slice")
            }
            (None, None) => required("mps", None),
        }
    }
}
