//! What a member of a job is told of the others: variables in the names that `torchrun` gives them, and a hosts file for
//! MPI.
//!
//! The names are those of torch.distributed's elastic launcher (`torch/distributed/run.py`, "Environment variables")
//! where what they say is true here: a member is one worker, a host one group of them, and there is one role.
//! `TORCHELASTIC_*` is not set: there is no elastic agent that a program could ask, and `TORCHELASTIC_USE_AGENT_STORE`
//! would keep rank 0 from opening the port. `NODE_RANK` is what Lightning reads for `GROUP_RANK`. A container sees its own
//! devices alone, numbered from 0, so `LOCAL_RANK` is not the number of one.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kerf_types::gang::Place;
use kerf_types::{Gang, JobId};

use super::error::LauncherError;
use crate::files::{self, Durability};

/// A folder of the container that is kerf's.
pub(super) const FOLDER: &str = "/run/kerf";

/// The file with the hosts in the container.
pub(super) const HOSTFILE: &str = "/run/kerf/hostfile";

/// Longest list of addresses in one variable: Linux takes 128 KiB for a string of the environment, with its name and
/// NUL (`MAX_ARG_STRLEN`). A longer one is in the hosts file alone.
const LIST_LIMIT: usize = (128 << 10) - 64;

/// One member among the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    gang: Arc<Gang>,
    place: Place,
}

impl Seat {
    /// The member of this rank; `None` where the gang has no such member.
    pub fn try_new(gang: Arc<Gang>, rank: u32) -> Option<Self> {
        let place = gang.place(rank)?;
        Some(Self { gang, place })
    }
}

/// What a container is told in its environment.
pub(super) fn variables(
    job: JobId,
    restarts: u32,
    seat: Option<&Seat>,
) -> Vec<(&'static str, String)> {
    let attempt = restarts.saturating_add(1);
    let mut told = vec![
        ("KERF_JOB_ID", job.to_string()),
        ("KERF_ATTEMPT", attempt.to_string()),
    ];
    let Some(Seat { gang, place }) = seat else {
        return told;
    };
    let (rank, size) = (place.rank.to_string(), gang.size().to_string());
    let (host, hosts) = (place.host.to_string(), gang.hosts().len().to_string());
    told.extend([
        ("RANK", rank.clone()),
        ("WORLD_SIZE", size.clone()),
        ("LOCAL_RANK", place.local_rank.to_string()),
        ("LOCAL_WORLD_SIZE", place.local_size.to_string()),
        ("GROUP_RANK", host.clone()),
        ("GROUP_WORLD_SIZE", hosts),
        ("ROLE_RANK", rank),
        ("ROLE_WORLD_SIZE", size),
        ("NODE_RANK", host),
        ("MASTER_ADDR", gang.master_address().to_owned()),
        ("MASTER_PORT", gang.master_port().to_string()),
        ("KERF_HOSTFILE", HOSTFILE.to_owned()),
        // Open MPI up to 4, Open MPI from 5 on (PRRTE), and MPICH and Intel MPI (Hydra).
        ("OMPI_MCA_orte_default_hostfile", HOSTFILE.to_owned()),
        ("PRTE_MCA_prte_default_hostfile", HOSTFILE.to_owned()),
        ("HYDRA_HOST_FILE", HOSTFILE.to_owned()),
    ]);
    let members: Vec<&str> = gang.addresses().collect();
    let members = members.join(",");
    if members.len() <= LIST_LIMIT {
        told.push(("KERF_MEMBERS", members));
    }
    told
}

/// The hosts in the order of ranks.
fn hostfile(gang: &Gang) -> String {
    let mut text = String::new();
    for host in gang.hosts() {
        // To a string, this does not fail.
        let written = writeln!(text, "{} slots={}", host.address, host.members);
        debug_assert!(written.is_ok());
    }
    text
}

/// The names of hosts as this host knows them, with that of the container itself: Gloo and MPI look up their own name to
/// learn where others reach them. An address that is a name has no place in such a file.
fn hosts(known: &str, seat: &Seat, name: &str) -> String {
    let own = usize::try_from(seat.place.host).ok();
    let own = own.and_then(|own| seat.gang.hosts().get(own));
    let address = own.and_then(|own| own.address.parse::<IpAddr>().ok());
    match address {
        Some(address) => format!("{}\n{address} {name}\n", known.trim_end()),
        None => known.to_owned(),
    }
}

/// Files of a container of a gang, on this host.
#[derive(Debug)]
pub(super) struct Files {
    /// [`HOSTFILE`].
    pub hostfile: PathBuf,
    /// `/etc/hosts`, where the network is the host's.
    pub hosts: PathBuf,
}

/// Writes the files of a container of this host name next to its logs; they go with them.
pub(super) fn write(
    folder: &Path,
    seat: Option<&Seat>,
    name: &str,
) -> Result<Option<Files>, LauncherError> {
    let Some(seat) = seat else {
        return Ok(None);
    };
    // A host may be without such a file.
    let known = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let files = Files {
        hostfile: folder.join("hostfile"),
        hosts: folder.join("hosts"),
    };
    for (path, text) in [
        (&files.hostfile, hostfile(&seat.gang)),
        (&files.hosts, hosts(&known, seat, name)),
    ] {
        // Over a name of its own: a container of an earlier attempt keeps what it has.
        files::replace(path, text.as_bytes(), Durability::Volatile)
            .map_err(LauncherError::io("write", path))?;
    }
    Ok(Some(files))
}

#[cfg(test)]
mod tests;
