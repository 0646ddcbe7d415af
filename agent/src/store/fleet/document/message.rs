//! What keepers of a job say to each other, as the document that travels: the register's own rows are in it, so it has
//! their form.

use kerf_register::{Body, Message};
use kerf_scheduler::core::{KeeperMessage, Kept, LEAD_JOBS};
use kerf_types::peer::Term;
use kerf_types::{JobId, Moment};
use serde::{Deserialize, Serialize};

use super::parts::parse;
use super::register::{AcceptedDocument, BallotDocument, ReplicaDocument, read_replica, replica};
use super::{from_text, to_text};

/// Longest document in bytes: less than a call may have. A description may have 4 MiB and stands in it as a text in a text.
pub const KEEPER_LIMIT: usize = 7 << 20;

#[derive(Serialize, Deserialize)]
struct KeeperDocument {
    said: SaidDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SaidDocument {
    Register(Box<RegisterMessageDocument>),
    Lead(TermsDocument),
    Heed(TermsDocument),
    Cancel { job: String },
}

#[derive(Serialize, Deserialize)]
struct TermsDocument {
    sent_ms: u64,
    /// Jobs, each with its term.
    jobs: Vec<(String, u32)>,
}

#[derive(Serialize, Deserialize)]
struct RegisterMessageDocument {
    job: String,
    root: ReplicaDocument,
    from: ReplicaDocument,
    to: ReplicaDocument,
    generation: u32,
    body: BodyDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum BodyDocument {
    Prepare {
        ballot: BallotDocument,
        ticket: Option<u64>,
    },
    Promise {
        ballot: BallotDocument,
        accepted: Option<AcceptedDocument>,
    },
    Accept {
        /// The ballot is in it.
        accept: AcceptedDocument,
        ticket: Option<u64>,
    },
    Accepted {
        ballot: BallotDocument,
    },
    Nack {
        ballot: BallotDocument,
        promised: BallotDocument,
        forced: Option<AcceptedDocument>,
    },
    Unknown {
        ballot: BallotDocument,
        ticket: u64,
    },
    Gone,
    Retired {
        last: AcceptedDocument,
        by_all: bool,
    },
    RetiredKnown,
}

/// The document of what is said to another keeper. Nobody is an admin of another host, so that is not sent.
pub fn keeper_text(message: &KeeperMessage) -> String {
    let said = match message {
        KeeperMessage::Register(message) => SaidDocument::Register(Box::new((&**message).into())),
        KeeperMessage::Lead { sent, jobs } => SaidDocument::Lead(TermsDocument::new(*sent, jobs)),
        KeeperMessage::Heed { sent, jobs } => SaidDocument::Heed(TermsDocument::new(*sent, jobs)),
        KeeperMessage::Cancel { job } => SaidDocument::Cancel {
            job: job.to_string(),
        },
    };
    // Strings, numbers and lists always have a JSON form.
    to_text(KeeperDocument { said }).unwrap_or_default()
}

/// Reads such a document; the error says what is wrong with it.
pub fn read_keeper(text: &str) -> Result<KeeperMessage, String> {
    if text.len() > KEEPER_LIMIT {
        return Err(format!(
            "{} bytes, at most {KEEPER_LIMIT} are allowed",
            text.len()
        ));
    }
    let document: KeeperDocument = from_text(text)?;
    Ok(match document.said {
        SaidDocument::Register(message) => KeeperMessage::Register(Box::new(message.read()?)),
        SaidDocument::Lead(terms) => {
            let (sent, jobs) = terms.read()?;
            KeeperMessage::Lead { sent, jobs }
        }
        SaidDocument::Heed(terms) => {
            let (sent, jobs) = terms.read()?;
            KeeperMessage::Heed { sent, jobs }
        }
        SaidDocument::Cancel { job } => KeeperMessage::Cancel { job: parse(&job)? },
    })
}

impl TermsDocument {
    fn new(sent: Moment, jobs: &[(JobId, Term)]) -> Self {
        let jobs = jobs.iter().map(|(job, term)| (job.to_string(), term.0));
        Self {
            sent_ms: sent.0,
            jobs: jobs.collect(),
        }
    }

    fn read(self) -> Result<(Moment, Vec<(JobId, Term)>), String> {
        let count = self.jobs.len();
        if count > LEAD_JOBS {
            return Err(format!("{count} jobs, at most {LEAD_JOBS} are allowed"));
        }
        let jobs = self.jobs.into_iter();
        let jobs = jobs.map(|(job, term)| Ok((parse::<JobId>(&job)?, Term(term))));
        Ok((Moment(self.sent_ms), jobs.collect::<Result<_, String>>()?))
    }
}

impl From<&Message<JobId, Kept>> for RegisterMessageDocument {
    fn from(message: &Message<JobId, Kept>) -> Self {
        Self {
            job: message.key.to_string(),
            root: replica(&message.root),
            from: replica(&message.from),
            to: replica(&message.to),
            generation: message.generation,
            body: (&message.body).into(),
        }
    }
}

impl RegisterMessageDocument {
    fn read(self) -> Result<Message<JobId, Kept>, String> {
        let key = parse(&self.job)?;
        Ok(Message {
            key,
            root: read_replica(self.root)?,
            from: read_replica(self.from)?,
            to: read_replica(self.to)?,
            generation: self.generation,
            body: self.body.read(key)?,
        })
    }
}

impl From<&Body<Kept>> for BodyDocument {
    fn from(body: &Body<Kept>) -> Self {
        match body {
            Body::Prepare { ballot, ticket } => Self::Prepare {
                ballot: ballot.into(),
                ticket: *ticket,
            },
            Body::Promise { ballot, accepted } => Self::Promise {
                ballot: ballot.into(),
                accepted: accepted.as_deref().map(AcceptedDocument::sent),
            },
            Body::Accept {
                ballot,
                state,
                ticket,
            } => Self::Accept {
                accept: AcceptedDocument::sent(&kerf_register::Accepted {
                    ballot: *ballot,
                    state: (**state).clone(),
                }),
                ticket: *ticket,
            },
            Body::Accepted { ballot } => Self::Accepted {
                ballot: ballot.into(),
            },
            Body::Nack {
                ballot,
                promised,
                forced,
            } => Self::Nack {
                ballot: ballot.into(),
                promised: promised.into(),
                forced: forced.as_deref().map(AcceptedDocument::sent),
            },
            Body::Unknown { ballot, ticket } => Self::Unknown {
                ballot: ballot.into(),
                ticket: *ticket,
            },
            Body::Gone => Self::Gone,
            Body::Retired { last, by_all } => Self::Retired {
                last: AcceptedDocument::sent(last),
                by_all: *by_all,
            },
            Body::RetiredKnown => Self::RetiredKnown,
        }
    }
}

impl BodyDocument {
    fn read(self, job: JobId) -> Result<Body<Kept>, String> {
        let boxed = |accepted: AcceptedDocument| accepted.read(job).map(Box::new);
        Ok(match self {
            Self::Prepare { ballot, ticket } => Body::Prepare {
                ballot: ballot.read()?,
                ticket,
            },
            Self::Promise { ballot, accepted } => Body::Promise {
                ballot: ballot.read()?,
                accepted: accepted.map(boxed).transpose()?,
            },
            Self::Accept { accept, ticket } => {
                let accepted = accept.read(job)?;
                Body::Accept {
                    ballot: accepted.ballot,
                    state: Box::new(accepted.state),
                    ticket,
                }
            }
            Self::Accepted { ballot } => Body::Accepted {
                ballot: ballot.read()?,
            },
            Self::Nack {
                ballot,
                promised,
                forced,
            } => Body::Nack {
                ballot: ballot.read()?,
                promised: promised.read()?,
                forced: forced.map(boxed).transpose()?,
            },
            Self::Unknown { ballot, ticket } => Body::Unknown {
                ballot: ballot.read()?,
                ticket,
            },
            Self::Gone => Body::Gone,
            Self::Retired { last, by_all } => Body::Retired {
                last: boxed(last)?,
                by_all,
            },
            Self::RetiredKnown => Body::RetiredKnown,
        })
    }
}
