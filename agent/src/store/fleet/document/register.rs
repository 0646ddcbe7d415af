//! A replica of the register of a job that several hosts keep.

use std::collections::BTreeSet;

use kerf_register::{Accepted, Ballot, Config, Forced, Replica, State, Step};
use kerf_scheduler::core::{Kept, RegisterRow};
use kerf_types::JobId;
use kerf_types::peer::Term;
use serde::{Deserialize, Serialize};

use super::job::{DecisionDocument, JobDocument};
use super::parts::parse;

/// Host and store epoch.
pub(super) type ReplicaDocument = (String, u64);

#[derive(Serialize, Deserialize)]
pub(super) struct RegisterDocument {
    epoch: u64,
    root: ReplicaDocument,
    promised: BallotDocument,
    accepted: Option<AcceptedDocument>,
    is_over: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct BallotDocument {
    era: u32,
    round: u64,
    proposer: ReplicaDocument,
    step: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct AcceptedDocument {
    ballot: BallotDocument,
    version: u64,
    origin: BallotDocument,
    is_retired: bool,
    config: ConfigDocument,
    value: KeptDocument,
}

#[derive(Serialize, Deserialize)]
struct ConfigDocument {
    generation: u32,
    set: Vec<ReplicaDocument>,
    /// `settled`, `invited` or `joint`.
    step: String,
    next: Vec<ReplicaDocument>,
    former: Vec<ReplicaDocument>,
    forced: Vec<ForcedDocument>,
}

#[derive(Serialize, Deserialize)]
struct ForcedDocument {
    by: ReplicaDocument,
    generation: u32,
    given_up: Vec<ReplicaDocument>,
}

#[derive(Serialize, Deserialize)]
struct KeptDocument {
    job: JobDocument,
    decision: DecisionDocument,
    term: u32,
    coordinator: String,
}

pub(super) fn replica(replica: &Replica) -> ReplicaDocument {
    (replica.host.to_string(), replica.epoch)
}

fn replicas<'a>(all: impl IntoIterator<Item = &'a Replica>) -> Vec<ReplicaDocument> {
    all.into_iter().map(replica).collect()
}

pub(super) fn read_replica((host, epoch): ReplicaDocument) -> Result<Replica, String> {
    Ok(Replica {
        host: parse(&host)?,
        epoch,
    })
}

fn read_replicas<T: FromIterator<Replica>>(all: Vec<ReplicaDocument>) -> Result<T, String> {
    all.into_iter().map(read_replica).collect()
}

impl From<&Ballot> for BallotDocument {
    fn from(ballot: &Ballot) -> Self {
        Self {
            era: ballot.era,
            round: ballot.round,
            proposer: replica(&ballot.proposer),
            step: ballot.step,
        }
    }
}

impl BallotDocument {
    pub fn read(self) -> Result<Ballot, String> {
        Ok(Ballot {
            era: self.era,
            round: self.round,
            proposer: read_replica(self.proposer)?,
            step: self.step,
        })
    }
}

impl From<&Config> for ConfigDocument {
    fn from(config: &Config) -> Self {
        let (step, next) = match &config.step {
            Step::Settled => ("settled", &[] as &[Replica]),
            Step::Invited(next) => ("invited", next.as_slice()),
            Step::Joint(next) => ("joint", next.as_slice()),
        };
        let forced = |forced: &Forced| ForcedDocument {
            by: replica(&forced.by),
            generation: forced.generation,
            given_up: replicas(&forced.given_up),
        };
        Self {
            generation: config.generation,
            set: replicas(&config.set),
            step: step.to_owned(),
            next: replicas(next),
            former: replicas(&config.former),
            forced: config.forced.iter().map(forced).collect(),
        }
    }
}

impl ConfigDocument {
    fn read(self) -> Result<Config, String> {
        let next: Vec<Replica> = read_replicas(self.next)?;
        let forced = |forced: ForcedDocument| -> Result<Forced, String> {
            Ok(Forced {
                by: read_replica(forced.by)?,
                generation: forced.generation,
                given_up: read_replicas(forced.given_up)?,
            })
        };
        Ok(Config {
            generation: self.generation,
            set: read_replicas(self.set)?,
            step: match self.step.as_str() {
                "settled" => Step::Settled,
                "invited" => Step::Invited(next),
                "joint" => Step::Joint(next),
                other => return Err(format!("{other:?} is no step of an exchange")),
            },
            former: read_replicas::<BTreeSet<Replica>>(self.former)?,
            forced: self
                .forced
                .into_iter()
                .map(forced)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Kept> for KeptDocument {
    fn from(kept: &Kept) -> Self {
        Self {
            job: JobDocument::from(&kept.row),
            decision: DecisionDocument::from(&kept.decision),
            term: kept.term.0,
            coordinator: kept.coordinator.to_string(),
        }
    }
}

impl From<&Accepted<Kept>> for AcceptedDocument {
    fn from(accepted: &Accepted<Kept>) -> Self {
        Self {
            ballot: (&accepted.ballot).into(),
            version: accepted.state.version,
            origin: (&accepted.state.origin).into(),
            is_retired: accepted.state.is_retired,
            config: (&accepted.state.config).into(),
            value: (&accepted.state.value).into(),
        }
    }
}

impl AcceptedDocument {
    /// As it is said to another host, of which nobody here is an admin.
    pub fn sent(accepted: &Accepted<Kept>) -> Self {
        let mut sent = Self::from(accepted);
        sent.value.job.is_sent();
        sent
    }

    pub fn read(self, job: JobId) -> Result<Accepted<Kept>, String> {
        let value = self.value;
        Ok(Accepted {
            ballot: self.ballot.read()?,
            state: State {
                value: Kept {
                    row: value.job.read(job)?,
                    decision: value.decision.read()?,
                    term: Term(value.term),
                    coordinator: parse(&value.coordinator)?,
                },
                version: self.version,
                origin: self.origin.read()?,
                config: self.config.read()?,
                is_retired: self.is_retired,
            },
        })
    }
}

impl From<&RegisterRow> for RegisterDocument {
    fn from(row: &RegisterRow) -> Self {
        Self {
            epoch: row.epoch,
            root: replica(&row.root),
            promised: (&row.promised).into(),
            accepted: row.accepted.as_ref().map(Into::into),
            is_over: row.is_over,
        }
    }
}

impl RegisterDocument {
    pub fn read(self, job: JobId) -> Result<RegisterRow, String> {
        let accepted = self.accepted.map(|accepted| accepted.read(job));
        Ok(RegisterRow {
            epoch: self.epoch,
            root: read_replica(self.root)?,
            promised: self.promised.read()?,
            accepted: accepted.transpose()?,
            is_over: self.is_over,
        })
    }
}
