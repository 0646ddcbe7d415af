//! A host that runs the membership core: the driver of the agent, without its sockets.

use std::net::SocketAddr;

use kerf_membership::wire::Header;
use kerf_membership::{
    Answer, Change, Config, Core, Faults, Identity, Input, Moment, NoFaults, OpenError, Output,
    SealError, Sealer, Wanted,
};
use kerf_types::{HostId, HostName};

use crate::node::{Carriage, Effect, Event, Node};

/// What travels: datagrams of gossip, and pulls in streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// Gossip.
    Datagram(Vec<u8>),
    /// The question of a pull, with the asking host's API.
    Ask(SocketAddr, Vec<u8>),
    /// The answer of a host.
    Answer(HostId, Vec<u8>),
}

/// What an observer hears of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A host's state changed in this host's view.
    Member(HostId, Change),
    /// A newer record of this host is known.
    Record(HostId),
    /// This host was gone for long and is forgotten.
    AgedOut(HostId),
    /// This host was forgotten since an operator said so.
    Removed(HostId),
    /// Hosts carry one name.
    NameClash(HostName, Vec<HostId>),
    /// An answer to a pull could not be read.
    BadAnswer,
}

/// The core with what its driver must know.
#[derive(Debug)]
pub struct MemberNode<F: Faults = NoFaults> {
    core: Core<F>,
    /// Peers that are being asked, by the address of their API.
    asked: Vec<(SocketAddr, HostId)>,
}

type Out = Vec<Effect<Packet, Note>>;

impl<F: Faults> MemberNode<F> {
    /// A host that has just been started.
    pub fn new(config: Config, me: Identity, seed: u64, now_ms: u64) -> Self {
        Self {
            core: Core::new(config, me, seed, Moment(now_ms)),
            asked: Vec::new(),
        }
    }

    /// The core.
    pub fn core(&self) -> &Core<F> {
        &self.core
    }

    /// Hands an input to the core and carries the outputs.
    pub fn input(&mut self, now_ms: u64, input: Input, out: &mut Out) {
        let mut outputs = Vec::new();
        self.core.step(Moment(now_ms), input, &mut outputs);
        for output in outputs {
            out.push(match output {
                Output::Send { to, bytes } => Effect::Send {
                    to,
                    message: Packet::Datagram(bytes),
                    carriage: Carriage::Datagram,
                },
                Output::Pull { from, api, wanted } => self.ask(from, api, &wanted),
                Output::Member { host, change } => Effect::Note(Note::Member(host, change)),
                Output::Record { host } => Effect::Note(Note::Record(host)),
                Output::AgedOut { host } => Effect::Note(Note::AgedOut(host)),
                Output::Removed { host } => Effect::Note(Note::Removed(host)),
                Output::NameClash { name, hosts } => Effect::Note(Note::NameClash(name, hosts)),
            });
        }
    }

    fn ask(&mut self, from: HostId, api: SocketAddr, wanted: &Wanted) -> Effect<Packet, Note> {
        self.asked.push((api, from));
        Effect::Send {
            to: api,
            message: Packet::Ask(self.core.me().api, wanted.to_bytes()),
            carriage: Carriage::Stream,
        }
    }

    fn answer(&self, to: SocketAddr, question: &[u8], out: &mut Out) {
        let Ok(wanted) = Wanted::from_bytes(question) else {
            return out.push(Effect::Note(Note::BadAnswer));
        };
        let answer = self.core.answer(&wanted).to_bytes();
        out.push(Effect::Send {
            to,
            message: Packet::Answer(self.core.me().host, answer),
            carriage: Carriage::Stream,
        });
    }

    fn failed(&mut self, now_ms: u64, api: SocketAddr, out: &mut Out) {
        if let Some(place) = self.asked.iter().position(|(asked, _)| *asked == api) {
            let (_, from) = self.asked.swap_remove(place);
            self.input(now_ms, Input::PullFailed { from }, out);
        }
    }
}

impl<F: Faults> Node for MemberNode<F> {
    type Message = Packet;
    type Note = Note;

    fn step(&mut self, now_ms: u64, event: Event<Packet>, out: &mut Out) {
        match event {
            Event::Message {
                from,
                message: Packet::Datagram(bytes),
            } => self.input(now_ms, Input::Datagram { from, bytes }, out),
            Event::Message {
                message: Packet::Ask(to, question),
                ..
            } => self.answer(to, &question, out),
            Event::Message {
                message: Packet::Answer(from, bytes),
                ..
            } => {
                self.asked.retain(|(_, host)| *host != from);
                match Answer::from_bytes(&bytes) {
                    Ok(answer) => self.input(now_ms, Input::Pulled { from, answer }, out),
                    Err(_) => out.push(Effect::Note(Note::BadAnswer)),
                }
            }
            Event::Undelivered {
                to,
                message: Packet::Ask(..),
            } => self.failed(now_ms, to, out),
            Event::Undelivered { .. } => {}
            Event::Wakeup => self.input(now_ms, Input::Wakeup, out),
        }
    }

    fn next_wakeup_ms(&self) -> Option<u64> {
        self.core.next_wakeup().map(|moment| moment.0)
    }

    fn bytes(message: &Packet) -> usize {
        match message {
            Packet::Datagram(bytes) | Packet::Ask(_, bytes) | Packet::Answer(_, bytes) => {
                bytes.len()
            }
        }
    }
}

/// A sealer for the simulation: eight bytes of a keyed hash over header and body, and zeros up to
/// [`SEAL_BYTES`]. It stands in for real sealing, so that datagrams by others are refused at the same place and
/// every byte of it is counted; it is no cryptography.
#[derive(Debug, Clone, Copy)]
pub struct KeyedSealer {
    /// Shared by the fleet.
    pub key: u64,
}

impl KeyedSealer {
    fn tag(self, header: &[u8], body: &[u8]) -> [u8; 8] {
        // FNV-1a with the key as part of its start.
        let start = 0xcbf2_9ce4_8422_2325 ^ self.key;
        let bytes = header.iter().chain(body);
        let hash = bytes.fold(start, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        (hash ^ self.key.rotate_left(32)).to_be_bytes()
    }
}

/// What sealing adds to a datagram here: one byte more than kerfd's, [`kerf_seal::OVERHEAD`].
pub const SEAL_BYTES: usize = kerf_seal::OVERHEAD + 1;

impl Sealer for KeyedSealer {
    fn overhead(&self) -> usize {
        SEAL_BYTES
    }

    fn seal(
        &mut self,
        _sender: &Header,
        header: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        out.extend_from_slice(body);
        out.extend_from_slice(&[0; SEAL_BYTES - 8]);
        out.extend_from_slice(&self.tag(header, body));
        Ok(())
    }

    fn open(
        &mut self,
        _sender: &Header,
        header: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let (rest, tag) = sealed.split_last_chunk::<8>().ok_or(OpenError::Truncated)?;
        let (body, zeros) = rest
            .split_last_chunk::<{ SEAL_BYTES - 8 }>()
            .ok_or(OpenError::Truncated)?;
        if *tag != self.tag(header, body) || *zeros != [0; SEAL_BYTES - 8] {
            return Err(OpenError::Forged);
        }
        out.extend_from_slice(body);
        Ok(())
    }
}
