//! Hard filters: what must be true of a host before it is scored, in one fixed order, each with a reason that
//! names the constraint and the facts.
//!
//! 1. there at all, and heard of lately; 2. takes new work; 3. the network, labels and affinity; 4. the ask is possible
//!    here; 5. CPU and memory; 6. health; 7. room now; 8. has not refused this job a moment ago.

use std::fmt;
use std::time::Duration;

use kerf_planner::NoRoom;
use kerf_types::Bytes;
use kerf_types::host_record::Admission;
use kerf_types::job::{JobSpec, Network, Selector};

use crate::fleet::{FleetHost, Liveness};
use crate::model::HostModel;

/// Why a host does not get a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Membership says that it does not answer.
    #[error("it is down")]
    Down,
    /// It has left the fleet.
    #[error("it has left the fleet")]
    Left,
    /// Its record is too old to be believed.
    #[error("nothing was heard of it for {} s", age.as_secs())]
    Stale {
        /// How old.
        age: Duration,
    },
    /// An operator has closed it.
    #[error("it is cordoned")]
    Cordoned,
    /// It is being emptied.
    #[error("it is draining")]
    Draining,
    /// It lacks a label.
    #[error("the job wants hosts with {wanted}, here is {found}")]
    Labels {
        /// What is wanted.
        wanted: String,
        /// What the host has under that key.
        found: String,
    },
    /// It has a label that the job avoids.
    #[error("the job avoids hosts with {unwanted}, here is {found}")]
    AvoidedLabels {
        /// What is avoided.
        unwanted: String,
        /// What the host has.
        found: String,
    },
    /// No job that this one wants to be next to is there.
    #[error("the job wants to be next to jobs with {wanted}, none is here")]
    NoNeighbour {
        /// What is wanted.
        wanted: String,
    },
    /// A job that this one avoids is there.
    #[error("the job avoids hosts with jobs of {unwanted}, one is here")]
    Neighbour {
        /// What is avoided.
        unwanted: String,
    },
    /// It keeps its network to itself.
    #[error("the job wants the host's network, which jobs do not get there (launch.host_network)")]
    Network,
    /// Terminals are served by the host that the job was submitted to.
    #[error("the job has a terminal, which only the host that it was submitted to serves")]
    Terminal,
    /// The host could not serve the ask even if it were empty and well.
    #[error("impossible here: {0}")]
    Impossible(Box<NoRoom>),
    /// Too little CPU is free.
    #[error("{wanted} thousandths of a CPU wanted, {free} of {total} are free")]
    Cpu {
        /// Wanted.
        wanted: u64,
        /// Free.
        free: u64,
        /// All.
        total: u64,
    },
    /// Too little memory is free.
    #[error("{wanted} of memory wanted, {free} of {total} are free")]
    Memory {
        /// Wanted.
        wanted: Bytes,
        /// Free.
        free: Bytes,
        /// All.
        total: Bytes,
    },
    /// It would have room if its sick GPUs were well.
    #[error("no room for {ask} while GPUs are sick: {}", gpus.join("; "))]
    Health {
        /// The ask.
        ask: String,
        /// The sick GPUs.
        gpus: Vec<String>,
    },
    /// A slice would have to be cut, and that is not done here.
    #[error("no free slice serves {ask}, and cutting on demand is off there")]
    CuttingOff {
        /// The ask.
        ask: String,
    },
    /// The planner finds no room.
    #[error(transparent)]
    NoRoom(Box<NoRoom>),
    /// The owner said no, or nothing, a moment ago.
    #[error("asked {} s ago: {reason}", ago.as_secs())]
    SaidNo {
        /// How long ago.
        ago: Duration,
        /// What it said.
        reason: String,
    },
}

impl Refusal {
    /// Whether waiting can help without anybody changing the host.
    pub fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::Impossible(_)
                | Self::Labels { .. }
                | Self::AvoidedLabels { .. }
                | Self::Network
                | Self::Terminal
        )
    }
}

/// Filters 1 and 2. The host itself is never stale to itself.
pub(crate) fn is_there(
    host: &FleetHost,
    age: Duration,
    stale_after: Duration,
) -> Result<(), Refusal> {
    match host.liveness {
        Liveness::Down => return Err(Refusal::Down),
        Liveness::Left => return Err(Refusal::Left),
        Liveness::Alive if age > stale_after => return Err(Refusal::Stale { age }),
        Liveness::Alive => {}
    }
    match host.model.record().admission {
        Admission::Open => Ok(()),
        Admission::Cordoned => Err(Refusal::Cordoned),
        Admission::Draining => Err(Refusal::Draining),
    }
}

/// Filter 3. `alone` waives the wish for neighbours that are members of this very job, for the first of them.
pub(crate) fn is_wanted(model: &HostModel, spec: &JobSpec, alone: bool) -> Result<(), Refusal> {
    if spec.network == Some(Network::Host) && !model.record().host_network {
        return Err(Refusal::Network);
    }
    let labels = &model.record().labels;
    let found = |selector: &Selector| match labels.get(&selector.key) {
        Some(value) => format!("{}={value}", selector.key),
        None => format!("no label {}", selector.key),
    };
    let has = |selector: &Selector| {
        let value = labels.get(&selector.key);
        value.is_some_and(|value| matches(selector, value))
    };
    let has_job = |selector: &Selector| {
        let mut labels = model.job_labels();
        labels.any(|(key, value)| *key == selector.key && matches(selector, value))
    };
    let affinity = &spec.affinity;
    if let Some(selector) = affinity.hosts.iter().find(|one| !has(one)) {
        return Err(Refusal::Labels {
            wanted: Words(selector).to_string(),
            found: found(selector),
        });
    }
    if let Some(selector) = affinity.not_hosts.iter().find(|one| has(one)) {
        return Err(Refusal::AvoidedLabels {
            unwanted: Words(selector).to_string(),
            found: found(selector),
        });
    }
    let waived = |selector: &Selector| alone && is_own(selector, spec);
    let lonely = |selector: &&Selector| !has_job(selector) && !waived(selector);
    if let Some(selector) = affinity.jobs.iter().find(lonely) {
        return Err(Refusal::NoNeighbour {
            wanted: Words(selector).to_string(),
        });
    }
    if let Some(selector) = affinity.not_jobs.iter().find(|one| has_job(one)) {
        return Err(Refusal::Neighbour {
            unwanted: Words(selector).to_string(),
        });
    }
    Ok(())
}

/// Filter 5.
pub(crate) fn has_amounts(model: &HostModel, spec: &JobSpec) -> Result<(), Refusal> {
    let record = model.record();
    if let Some(wanted) = spec.cpu_milli
        && wanted > model.cpu_milli_free()
    {
        return Err(Refusal::Cpu {
            wanted,
            free: model.cpu_milli_free(),
            total: record.cpu_milli.total,
        });
    }
    if let Some(wanted) = spec.memory
        && wanted.0 > model.memory_free()
    {
        return Err(Refusal::Memory {
            wanted,
            free: Bytes(model.memory_free()),
            total: Bytes(record.memory_bytes.total),
        });
    }
    Ok(())
}

/// Whether a job would be its own neighbour.
pub(crate) fn is_own(selector: &Selector, spec: &JobSpec) -> bool {
    let own = spec.labels.get(&selector.key);
    own.is_some_and(|value| matches(selector, value))
}

fn matches(selector: &Selector, value: &String) -> bool {
    selector.values.is_empty() || selector.values.contains(value)
}

/// A selector in words.
struct Words<'a>(&'a Selector);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Selector { key, values } = self.0;
        match values.as_slice() {
            [] => write!(f, "label {key}"),
            [only] => write!(f, "{key}={only}"),
            values => write!(f, "{key} in [{}]", values.join(", ")),
        }
    }
}
