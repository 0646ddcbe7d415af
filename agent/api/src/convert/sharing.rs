//! How devices are shared, on the wire; and the one place that says which numbers a way of sharing may have.

use std::num::NonZeroU32;

use kerf_types::sharing::{MPS_CLIENT_LIMIT, Mps, REPLICA_LIMIT, Sharing, TimeSlice};
use kerf_types::{Bytes, Share};

use super::{At, ConvertError, Fault, number_error, parse, required};
use crate::v1;
use crate::v1::sharing::Mode;

/// One MiB: the tools of the driver take limits of memory in no finer unit.
const MIB: u64 = 1 << 20;

/// MPS with these numbers, where they mean something.
pub(crate) fn mps(
    clients: u32,
    threads: Option<u32>,
    memory: Option<Bytes>,
) -> Result<Mps, ConvertError> {
    let allowed = "a number of clients from 1 to 48";
    let clients = places("clients", clients, MPS_CLIENT_LIMIT, allowed)?;
    if let Some(part) = threads.filter(|part| !(1..=100).contains(part)) {
        return Err(number_error("threads", part, "a percentage from 1 to 100"));
    }
    let is_odd = |memory: &Bytes| memory.0 == 0 || !memory.0.is_multiple_of(MIB);
    if let Some(memory) = memory.filter(is_odd) {
        let allowed = "an amount of memory in whole MiB";
        return Err(number_error("memory", memory.exact(), allowed));
    }
    Ok(Mps {
        clients,
        threads,
        memory,
    })
}

/// Time slices with these numbers, where they mean something.
pub(crate) fn time_slice(replicas: u32, interval: &str) -> Result<TimeSlice, ConvertError> {
    let allowed = "a number of replicas from 1 to 64";
    Ok(TimeSlice {
        replicas: places("replicas", replicas, REPLICA_LIMIT, allowed)?,
        interval: parse("interval", interval)?,
    })
}

fn places(
    field: &str,
    count: u32,
    most: u32,
    allowed: &'static str,
) -> Result<NonZeroU32, ConvertError> {
    let count_is = NonZeroU32::new(count).filter(|count| count.get() <= most);
    count_is.ok_or_else(|| number_error(field, count, allowed))
}

/// What must hold of sharing within a rule.
pub(crate) fn check_sharing(
    sharing: Option<Sharing>,
    mig_enabled: bool,
    has_slices: bool,
) -> Result<(), ConvertError> {
    let why = match sharing {
        Some(Sharing::TimeSlice(_)) if mig_enabled => {
            "the driver has no time slices with MIG on: share by mps, or turn MIG off"
        }
        Some(_) if mig_enabled && !has_slices => {
            "with MIG on it is slices that are shared, and this rule has none"
        }
        _ => return Ok(()),
    };
    Err(ConvertError::new("sharing", Fault::Conflict { why }))
}

impl From<Sharing> for v1::Sharing {
    fn from(sharing: Sharing) -> Self {
        let mode = match sharing {
            Sharing::Mps(mps) => Mode::Mps(v1::sharing::Mps {
                clients: mps.clients.get(),
                threads: mps.threads,
                memory_bytes: mps.memory.map(|memory| memory.0),
            }),
            Sharing::TimeSlice(slice) => Mode::TimeSlice(v1::sharing::TimeSlice {
                replicas: slice.replicas.get(),
                interval: slice.interval.to_string(),
            }),
        };
        Self { mode: Some(mode) }
    }
}

impl TryFrom<v1::Sharing> for Sharing {
    type Error = ConvertError;

    fn try_from(sharing: v1::Sharing) -> Result<Self, ConvertError> {
        Ok(match required("mode", sharing.mode)? {
            Mode::Mps(one) => {
                let memory = one.memory_bytes.map(Bytes);
                Self::Mps(mps(one.clients, one.threads, memory).at("mps")?)
            }
            Mode::TimeSlice(one) => {
                let read = time_slice(one.replicas, &one.interval);
                Self::TimeSlice(read.at("time_slice")?)
            }
        })
    }
}

impl From<Share> for v1::Share {
    fn from(share: Share) -> Self {
        Self {
            mode: share.mode.to_string(),
            index: share.index,
            of: share.of,
        }
    }
}
