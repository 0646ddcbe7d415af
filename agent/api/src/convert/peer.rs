//! What hosts say to each other about a member of a job.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::gang::{GANG_LIMIT, Gang, GangHost};
use kerf_types::peer::{
    Attempt, Body, By, Exit, Grant, MemberAsk, PeerMessage, REASON_LIMIT, SpecHash, Tag, Term,
};
use kerf_types::{Ask, Bytes, Fence, HostId, HostRecord, Moment, ParseError, Timestamp, Turn};

use super::{At, ConvertError, Fault, each, number_error, parse, required, text};
use crate::json::job;
use crate::peer::v1;
use crate::peer::v1::peer_message::Body as Wire;

/// Most keepers that a message names: a register of seven in the middle of an exchange.
const KEEPERS_MOST: usize = 14;

impl From<&Tag> for v1::Tag {
    fn from(tag: &Tag) -> Self {
        Self {
            job: tag.job.to_string(),
            attempt: tag.attempt.0,
            member: tag.member,
        }
    }
}

impl TryFrom<v1::Tag> for Tag {
    type Error = ConvertError;

    fn try_from(tag: v1::Tag) -> Result<Self, ConvertError> {
        if tag.attempt == 0 {
            return Err(number_error("attempt", 0, "an attempt, counted from 1"));
        }
        Ok(Self {
            job: parse("job", &tag.job)?,
            attempt: Attempt(tag.attempt),
            member: tag.member,
        })
    }
}

impl From<&Grant> for v1::Grant {
    fn from(grant: &Grant) -> Self {
        Self {
            lease: grant.lease.to_string(),
            fence: grant.fence.0,
        }
    }
}

impl TryFrom<v1::Grant> for Grant {
    type Error = ConvertError;

    fn try_from(grant: v1::Grant) -> Result<Self, ConvertError> {
        Ok(Self {
            lease: parse("lease", &grant.lease)?,
            fence: Fence(grant.fence),
        })
    }
}

impl From<&Turn> for v1::Turn {
    fn from(turn: &Turn) -> Self {
        Self {
            submitted_ms: turn.submitted.0,
            priority: turn.priority,
            waits: turn.waits,
        }
    }
}

impl From<v1::Turn> for Turn {
    fn from(turn: v1::Turn) -> Self {
        Self {
            submitted: Timestamp(turn.submitted_ms),
            priority: turn.priority,
            waits: turn.waits,
        }
    }
}

impl From<&Exit> for v1::Exit {
    fn from(exit: &Exit) -> Self {
        Self {
            code: exit.code,
            reason: cut(&exit.reason),
            timed_out: exit.timed_out,
        }
    }
}

impl TryFrom<v1::Exit> for Exit {
    type Error = ConvertError;

    fn try_from(exit: v1::Exit) -> Result<Self, ConvertError> {
        Ok(Self {
            code: exit.code,
            timed_out: exit.timed_out,
            reason: text("reason", exit.reason, REASON_LIMIT)?,
        })
    }
}

impl From<&PeerMessage> for v1::PeerMessage {
    fn from(message: &PeerMessage) -> Self {
        Self {
            tag: Some((&message.tag).into()),
            term: message.term.0,
            body: Some(write_body(&message.body)),
        }
    }
}

fn write_body(body: &Body) -> Wire {
    match body {
        Body::Reserve {
            spec_hash,
            ask,
            ttl,
            master_port,
            turn,
            keepers,
        } => Wire::Reserve(v1::Reserve {
            spec_hash: spec_hash.0.to_vec(),
            accelerator: ask.accelerator.as_ref().map(ToString::to_string),
            cpu_milli: ask.cpu_milli,
            memory_bytes: ask.memory.map(|memory| memory.0),
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            host_network: ask.host_network,
            master_port: master_port.map(Into::into),
            turn: turn.as_ref().map(Into::into),
            keepers: keepers.iter().map(ToString::to_string).collect(),
        }),
        Body::Waiting { behind, reason } => Wire::Waiting(v1::Waiting {
            behind: behind.map(|job| job.to_string()),
            reason: cut(reason),
        }),
        Body::Wound { by } => Wire::Wound(v1::Wound { by: by.to_string() }),
        Body::Reserved(grant) => Wire::Reserved(grant.into()),
        Body::Refused { reason, record } => Wire::Refused(v1::Refused {
            reason: cut(reason),
            record: record.as_deref().map(Into::into),
        }),
        Body::Confirm(grant) => Wire::Confirm(grant.into()),
        Body::Confirmed => Wire::Confirmed(v1::Empty {}),
        Body::Start {
            spec_hash,
            spec,
            by,
            gang,
        } => Wire::Start(v1::Start {
            spec_hash: spec_hash.0.to_vec(),
            spec: job::canonical_json(spec),
            uid: by.uid,
            gid: by.gid,
            gang: gang.as_deref().map(Into::into),
        }),
        Body::Started => Wire::Started(v1::Empty {}),
        Body::StartRefused { reason, lasting } => Wire::StartRefused(v1::StartRefused {
            reason: cut(reason),
            lasting: *lasting,
        }),
        Body::Release => Wire::Release(v1::Empty {}),
        Body::Released => Wire::Released(v1::Empty {}),
        Body::Alive { sent } => Wire::Alive(v1::Clock { sent_ms: sent.0 }),
        Body::Keep { sent } => Wire::Keep(v1::Clock { sent_ms: sent.0 }),
        Body::Query => Wire::Query(v1::Empty {}),
        Body::Keepers(hosts) => Wire::Keepers(v1::Keepers {
            hosts: hosts.iter().map(ToString::to_string).collect(),
        }),
        Body::Ended(exit) => Wire::Ended(exit.into()),
    }
}

impl TryFrom<v1::PeerMessage> for PeerMessage {
    type Error = ConvertError;

    fn try_from(message: v1::PeerMessage) -> Result<Self, ConvertError> {
        Ok(Self {
            tag: Tag::try_from(required("tag", message.tag)?).at("tag")?,
            term: Term(message.term),
            body: read_body(required("body", message.body)?)?,
        })
    }
}

fn read_body(body: Wire) -> Result<Body, ConvertError> {
    Ok(match body {
        Wire::Reserve(reserve) => read_reserve(reserve).at("reserve")?,
        Wire::Waiting(waiting) => {
            let behind = waiting.behind.map(|job| parse("waiting.behind", &job));
            Body::Waiting {
                behind: behind.transpose()?,
                reason: text("waiting.reason", waiting.reason, REASON_LIMIT)?,
            }
        }
        Wire::Wound(wound) => Body::Wound {
            by: parse("wound.by", &wound.by)?,
        },
        Wire::Reserved(grant) => Body::Reserved(Grant::try_from(grant).at("reserved")?),
        Wire::Refused(refused) => {
            let record = refused.record.map(HostRecord::try_from).transpose();
            Body::Refused {
                reason: text("refused.reason", refused.reason, REASON_LIMIT)?,
                record: record.at("refused.record")?.map(Box::new),
            }
        }
        Wire::Confirm(grant) => Body::Confirm(Grant::try_from(grant).at("confirm")?),
        Wire::Confirmed(v1::Empty {}) => Body::Confirmed,
        Wire::Start(start) => read_start(&start).at("start")?,
        Wire::Started(v1::Empty {}) => Body::Started,
        Wire::StartRefused(refused) => Body::StartRefused {
            reason: text("start_refused.reason", refused.reason, REASON_LIMIT)?,
            lasting: refused.lasting,
        },
        Wire::Release(v1::Empty {}) => Body::Release,
        Wire::Released(v1::Empty {}) => Body::Released,
        Wire::Alive(clock) => Body::Alive {
            sent: Moment(clock.sent_ms),
        },
        Wire::Keep(clock) => Body::Keep {
            sent: Moment(clock.sent_ms),
        },
        Wire::Query(v1::Empty {}) => Body::Query,
        Wire::Keeper(_) => {
            let why = "it is for another keeper of a job, and not about a member";
            return Err(ConvertError::new("keeper", Fault::Conflict { why }));
        }
        Wire::Keepers(keepers) => Body::Keepers(read_keepers(&keepers.hosts).at("keepers")?),
        Wire::Ended(exit) => Body::Ended(Exit::try_from(exit).at("ended")?),
    })
}

fn read_reserve(reserve: v1::Reserve) -> Result<Body, ConvertError> {
    let accelerator = reserve
        .accelerator
        .map(|ask| parse::<Ask>("accelerator", &ask));
    Ok(Body::Reserve {
        spec_hash: spec_hash(&reserve.spec_hash)?,
        ask: MemberAsk {
            accelerator: accelerator.transpose()?,
            cpu_milli: reserve.cpu_milli,
            memory: reserve.memory_bytes.map(Bytes),
            host_network: reserve.host_network,
        },
        ttl: Duration::from_millis(reserve.ttl_ms),
        master_port: reserve.master_port.map(port).transpose()?,
        turn: reserve.turn.map(Into::into),
        keepers: read_keepers(&reserve.keepers)?,
    })
}

/// Hosts that keep a job: not more than a register can have.
fn read_keepers(hosts: &[String]) -> Result<Vec<HostId>, ConvertError> {
    if hosts.len() > KEEPERS_MOST {
        return Err(number_error("hosts", hosts.len(), "at most 14 hosts"));
    }
    let read = |host: &String| parse::<HostId>("hosts", host);
    hosts.iter().map(read).collect()
}

/// Reads a job's description and checks that it is the one that was promised.
fn read_start(start: &v1::Start) -> Result<Body, ConvertError> {
    let hash = spec_hash(&start.spec_hash)?;
    let spec = job::parse(&start.spec).map_err(|error| {
        let hint = "a canonical kerf.v1.JobSpec document";
        ConvertError::new(
            "spec",
            Fault::Text(ParseError::new("a job", &error.to_string(), hint)),
        )
    })?;
    if job::spec_hash(&spec) != hash.0 {
        let why = "it is not the description whose hash was given";
        return Err(ConvertError::new("spec", Fault::Conflict { why }));
    }
    let gang = start.gang.clone().map(|gang| read_gang(gang, spec.members));
    Ok(Body::Start {
        spec_hash: hash,
        gang: gang.transpose().at("gang")?.map(Arc::new),
        spec: Arc::new(spec),
        by: By {
            uid: start.uid,
            gid: start.gid,
            admin: false,
        },
    })
}

impl From<&Gang> for v1::Gang {
    fn from(gang: &Gang) -> Self {
        let host = |host: &GangHost| v1::GangHost {
            address: host.address.clone(),
            members: host.members,
        };
        Self {
            hosts: gang.hosts().iter().map(host).collect(),
            master_port: gang.master_port().into(),
        }
    }
}

/// Reads where the members of a job are, of which there have to be so many.
fn read_gang(gang: v1::Gang, members: u32) -> Result<Gang, ConvertError> {
    let limit = usize::try_from(GANG_LIMIT).unwrap_or(usize::MAX);
    let hosts = each("hosts", gang.hosts, limit, |host: v1::GangHost| {
        Ok::<_, ConvertError>(GangHost {
            address: host.address,
            members: host.members,
        })
    })?;
    let gang = Gang::try_new(hosts, port(gang.master_port)?).map_err(|error| {
        let hint = "hosts with their members, whose addresses are one word each";
        ConvertError::new(
            "hosts",
            Fault::Text(ParseError::new("a gang", &error.to_string(), hint)),
        )
    })?;
    if gang.size() != members {
        let why = "it has another number of members than the job";
        return Err(ConvertError::new("hosts", Fault::Conflict { why }));
    }
    Ok(gang)
}

fn port(number: u32) -> Result<u16, ConvertError> {
    let port = u16::try_from(number).ok().filter(|port| *port != 0);
    port.ok_or_else(|| number_error("master_port", number, "a port from 1 to 65535"))
}

fn spec_hash(bytes: &[u8]) -> Result<SpecHash, ConvertError> {
    let found = || format!("{} bytes", bytes.len());
    bytes
        .try_into()
        .map(SpecHash)
        .map_err(|_| number_error("spec_hash", found(), "a hash of 32"))
}

/// A reason as it may travel: what is too long loses its end and not the message.
fn cut(reason: &str) -> String {
    reason
        .chars()
        .scan(0, |bytes, one| {
            *bytes += one.len_utf8();
            (*bytes <= REASON_LIMIT).then_some(one)
        })
        .collect()
}
