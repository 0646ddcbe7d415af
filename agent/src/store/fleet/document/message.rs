//! What keepers of a job say to each other, as the document that travels: the register's own rows are in it, so it has
//! their form.

use kerf_register::{Body, Message};
use kerf_scheduler::core::{KeeperMessage, Kept};
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
    job: String,
    said: SaidDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SaidDocument {
    Register(Box<RegisterMessageDocument>),
    Lead { term: u32, sent_ms: u64 },
    Heed { term: u32, sent_ms: u64 },
    Cancel,
}

#[derive(Serialize, Deserialize)]
struct RegisterMessageDocument {
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
    let (job, said) = match message {
        KeeperMessage::Register(message) => {
            let document = RegisterMessageDocument::from(&**message);
            (message.key, SaidDocument::Register(Box::new(document)))
        }
        KeeperMessage::Lead { job, term, sent } => {
            let (term, sent_ms) = (term.0, sent.0);
            (*job, SaidDocument::Lead { term, sent_ms })
        }
        KeeperMessage::Heed { job, term, sent } => {
            let (term, sent_ms) = (term.0, sent.0);
            (*job, SaidDocument::Heed { term, sent_ms })
        }
        KeeperMessage::Cancel { job } => (*job, SaidDocument::Cancel),
    };
    let job = job.to_string();
    // Strings, numbers and lists always have a JSON form.
    to_text(KeeperDocument { job, said }).unwrap_or_default()
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
    let job: JobId = parse(&document.job)?;
    Ok(match document.said {
        SaidDocument::Register(message) => KeeperMessage::Register(Box::new(message.read(job)?)),
        SaidDocument::Lead { term, sent_ms } => {
            let (term, sent) = (Term(term), Moment(sent_ms));
            KeeperMessage::Lead { job, term, sent }
        }
        SaidDocument::Heed { term, sent_ms } => {
            let (term, sent) = (Term(term), Moment(sent_ms));
            KeeperMessage::Heed { job, term, sent }
        }
        SaidDocument::Cancel => KeeperMessage::Cancel { job },
    })
}

impl From<&Message<JobId, Kept>> for RegisterMessageDocument {
    fn from(message: &Message<JobId, Kept>) -> Self {
        Self {
            root: replica(&message.root),
            from: replica(&message.from),
            to: replica(&message.to),
            generation: message.generation,
            body: (&message.body).into(),
        }
    }
}

impl RegisterMessageDocument {
    fn read(self, key: JobId) -> Result<Message<JobId, Kept>, String> {
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
