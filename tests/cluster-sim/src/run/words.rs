//! Events in a few words each, for a trace.

use kerf_scheduler::core::KeeperMessage;
use kerf_types::peer::{PeerMessage, Tag};

use super::engine::{Event, Happens};
use crate::member::Packet;

/// The last digits of a job, its attempt and the member.
pub fn tag(tag: &Tag) -> String {
    let job = tag.job.to_string();
    let short = job.get(32..).unwrap_or_default();
    format!("{short}.{}.{}", tag.attempt, tag.member)
}

fn keeper(message: &KeeperMessage) -> String {
    match message {
        KeeperMessage::Register(message) => format!("register {message:?}"),
        KeeperMessage::Lead { job, term, .. } => format!("lead {job} {term:?}"),
        KeeperMessage::Heed { job, term, .. } => format!("heed {job} {term:?}"),
        KeeperMessage::Cancel { job } => format!("cancel {job}"),
    }
}

/// One event.
pub fn of(event: &Event) -> String {
    match event {
        Event::Submit(job) => format!("--  submit {job}"),
        Event::Cancel(job) => format!("--  cancel {job}"),
        Event::Deliver(
            to,
            from,
            PeerMessage {
                tag: about, body, ..
            },
        ) => {
            format!("h{to} <h{from} {} {}", body.as_str(), tag(about))
        }
        Event::Keeper(to, from, message) => format!("h{to} <h{from} {}", keeper(message)),
        Event::Packet(to, from, packet) => match packet {
            Packet::Datagram(bytes) => format!("h{to} <h{from} gossip {} B", bytes.len()),
            Packet::Ask(_, bytes) => format!("h{to} <h{from} pull {} B", bytes.len()),
            Packet::Answer(_, bytes) => format!("h{to} <h{from} pulled {} B", bytes.len()),
        },
        Event::Kerfd(host, life, happens) => format!("h{host} #{life} {}", happening(happens)),
        Event::End(host, about, _, code) => format!("h{host} ends {} {code:?}", tag(about)),
        Event::Guard(host, about, _) => format!("h{host} guard {}", tag(about)),
        Event::Fault(fault) => format!("--  fault {fault:?}"),
        Event::Look => "--  look".to_owned(),
    }
}

fn happening(happens: &Happens) -> String {
    match happens {
        Happens::Written => "written".to_owned(),
        Happens::Do(about) => format!("do {}", tag(about)),
        Happens::Answer(about, event) => {
            let event = format!("{event:?}");
            let word = event.split([' ', '(', '{']).next().unwrap_or_default();
            format!("answer {} {word}", tag(about))
        }
        Happens::Launch(about) => format!("launch {}", tag(about)),
        Happens::Tidy(about, exit) => format!("tidy {} {:?}", tag(about), exit.code),
        Happens::Wake => "wake".to_owned(),
        Happens::Tend => "tend".to_owned(),
        Happens::Learn(of, record) => format!("learn h{of} {}", record.version.revision),
        Happens::Gossip => "gossip".to_owned(),
        Happens::PullFailed(peer) => format!("pull of h{peer} failed"),
    }
}
