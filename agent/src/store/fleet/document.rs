//! Rows of the scheduler's core as versioned JSON texts.

mod job;
mod member;
mod message;
mod parts;
mod register;

use std::collections::BTreeSet;

use kerf_scheduler::Saved;
use kerf_scheduler::core::{Decision, JobRow, MemberRow, Memory, RegisterRow};
use kerf_types::JobId;
use kerf_types::peer::{Attempt, Tag, Term};
use serde::{Deserialize, Serialize};

use job::{DecisionDocument, JobDocument};
use member::MemberDocument;
pub use message::{KEEPER_LIMIT, keeper_text, read_keeper};
use register::RegisterDocument;

/// Version of the documents. A later version of kerf reads this one.
const VERSION: u32 = 1;

/// Which table of the core a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Job,
    Decision,
    Member,
    Memory,
    Register,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Job,
        Self::Decision,
        Self::Member,
        Self::Memory,
        Self::Register,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Decision => "decision",
            Self::Member => "member",
            Self::Memory => "memory",
            Self::Register => "register",
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    Job(Box<JobRow>),
    Decision(JobId, Decision),
    Member(Box<MemberRow>),
    Memory(JobId, Memory),
    Register(JobId, Box<RegisterRow>),
}

impl Stored {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Job(_) => Kind::Job,
            Self::Decision(..) => Kind::Decision,
            Self::Member(_) => Kind::Member,
            Self::Memory(..) => Kind::Memory,
            Self::Register(..) => Kind::Register,
        }
    }

    pub fn key(&self) -> String {
        match self {
            Self::Job(row) => row.job.to_string(),
            Self::Decision(job, _) | Self::Memory(job, _) | Self::Register(job, _) => {
                job.to_string()
            }
            Self::Member(row) => tag_key(row.tag),
        }
    }

    pub fn text(&self) -> String {
        // Strings, numbers and lists always have a JSON form.
        let text = match self {
            Self::Job(row) => to_text(JobDocument::from(&**row)),
            Self::Decision(_, decision) => to_text(DecisionDocument::from(decision)),
            Self::Member(row) => to_text(MemberDocument::from(&**row)),
            Self::Memory(_, memory) => to_text(MemoryDocument {
                coordinator: memory.coordinator.to_string(),
                term: memory.term.0,
                keepers: memory.keepers.iter().map(ToString::to_string).collect(),
                highest: memory.highest.0,
                closed: memory.closed.clone(),
            }),
            Self::Register(_, row) => to_text(RegisterDocument::from(&**row)),
        };
        text.unwrap_or_default()
    }

    pub fn add_to(self, saved: &mut Saved) {
        match self {
            Self::Job(row) => drop(saved.jobs.insert(row.job, *row)),
            Self::Decision(job, decision) => drop(saved.decisions.insert(job, decision)),
            Self::Member(row) => drop(saved.members.insert(row.tag, *row)),
            Self::Memory(job, memory) => drop(saved.memories.insert(job, memory)),
            Self::Register(job, row) => drop(saved.registers.insert(job, *row)),
        }
    }
}

pub(super) fn tag_key(tag: Tag) -> String {
    format!("{}/{}/{}", tag.job, tag.attempt, tag.member)
}

fn read_tag(key: &str) -> Option<Tag> {
    let mut parts = key.split('/');
    let (job, attempt, member) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Tag {
        job: job.parse().ok()?,
        attempt: Attempt(attempt.parse().ok()?),
        member: member.parse().ok()?,
    })
}

/// Reads a row; the error says what is wrong with it.
pub(super) fn read(kind: &str, key: &str, text: &str) -> Result<Stored, String> {
    let known = Kind::ALL.into_iter().find(|one| one.as_str() == kind);
    let job = || key.parse::<JobId>().map_err(|error| error.to_string());
    match known.ok_or_else(|| format!("{kind:?} is no kind of row"))? {
        Kind::Job => {
            let document: JobDocument = from_text(text)?;
            Ok(Stored::Job(Box::new(document.read(job()?)?)))
        }
        Kind::Decision => {
            let document: DecisionDocument = from_text(text)?;
            Ok(Stored::Decision(job()?, document.read()?))
        }
        Kind::Member => {
            let tag = read_tag(key).ok_or_else(|| format!("{key:?} names no member"))?;
            let document: MemberDocument = from_text(text)?;
            Ok(Stored::Member(Box::new(document.read(tag)?)))
        }
        Kind::Memory => {
            let document: MemoryDocument = from_text(text)?;
            let memory = Memory {
                coordinator: document
                    .coordinator
                    .parse()
                    .map_err(|error: kerf_types::ParseError| error.to_string())?,
                term: Term(document.term),
                keepers: document
                    .keepers
                    .iter()
                    .map(|host| parts::parse(host))
                    .collect::<Result<_, _>>()?,
                highest: Attempt(document.highest),
                closed: document.closed,
            };
            Ok(Stored::Memory(job()?, memory))
        }
        Kind::Register => {
            let document: RegisterDocument = from_text(text)?;
            let job = job()?;
            Ok(Stored::Register(job, Box::new(document.read(job)?)))
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    version: u32,
    #[serde(flatten)]
    row: T,
}

fn to_text<T: Serialize>(row: T) -> serde_json::Result<String> {
    let version = VERSION;
    serde_json::to_string(&Versioned { version, row })
}

fn from_text<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    let read: Versioned<T> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if read.version == VERSION {
        return Ok(read.row);
    }
    Err(format!("its version is {}", read.version))
}

#[derive(Serialize, Deserialize)]
struct MemoryDocument {
    coordinator: String,
    #[serde(default)]
    term: u32,
    #[serde(default)]
    keepers: Vec<String>,
    highest: u32,
    closed: BTreeSet<u32>,
}
