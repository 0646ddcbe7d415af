//! One connection to a runtime, from the plugin's word who it is to the runtime's that it goes down.

mod methods;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, VecDeque};

use prost::Message;

use crate::ttrpc::{self, Code, Frame};
use crate::{Container, Pod, Runtime, mux, wire};
use methods::{EVENTS, Method, PLUGIN_SERVICE};
use words::CONTAINERS;

pub use methods::Stage;
pub use words::{Call, CallId, Event, Reply, SessionError};

/// The name that this plugin registers under.
const NAME: &str = "kerf";
/// Its place among plugins: they are called in this order, of two figures.
const INDEX: &str = "10";

/// Calls that may wait for their answers. A runtime asks about one container after the other, so that a few wait; a
/// hundred times as many never do.
const CALLS: usize = 256;

/// What the answer to a call looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Synchronize,
    Create,
    Empty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Registering,
    Configuring,
    Synchronizing,
    Ready,
    Ended,
}

/// The state of one connection.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    /// Key of the annotation by which a container is kept at the start.
    kept: String,
    frames: mux::Reader,
    calls: ttrpc::Reader,
    answers: ttrpc::Reader,
    open: BTreeMap<CallId, Answer>,
    /// Number of the last call's stream; the next one has a larger one.
    last: u32,
    found: Vec<Container>,
    events: VecDeque<Event>,
    out: Vec<u8>,
}

/// Number of the stream of our only call.
const REGISTRATION: u32 = 1;

impl Session {
    /// One that has just been connected. Of the containers that the runtime has already, those with the annotation
    /// `kept` are told.
    pub fn new(kept: &str) -> Self {
        let mut session = Self {
            phase: Phase::Registering,
            kept: kept.to_owned(),
            frames: mux::Reader::default(),
            calls: ttrpc::Reader::default(),
            answers: ttrpc::Reader::default(),
            open: BTreeMap::new(),
            last: 0,
            found: Vec::new(),
            events: VecDeque::new(),
            out: Vec::new(),
        };
        let me = wire::RegisterPluginRequest {
            plugin_name: NAME.to_owned(),
            plugin_idx: INDEX.to_owned(),
        };
        let call = ttrpc::request(
            REGISTRATION,
            methods::RUNTIME_SERVICE,
            "RegisterPlugin",
            me.encode_to_vec(),
        );
        mux::write(mux::RUNTIME, &call, &mut session.out);
        session
    }

    /// Takes what the runtime sent. After an error the connection is of no use any more.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let mut pieces = Vec::new();
        // What came before a broken frame is taken all the same, wherever the pieces end.
        let cut = self.frames.push(bytes, &mut pieces);
        for (connection, piece) in pieces {
            let mut frames = Vec::new();
            let read = match connection {
                mux::PLUGIN => self.calls.push(piece, &mut frames),
                mux::RUNTIME => self.answers.push(piece, &mut frames),
                // Nobody listens there.
                _ => continue,
            };
            for frame in frames {
                self.take(connection, frame)?;
            }
            read?;
        }
        Ok(cut?)
    }

    /// The oldest event that was not taken yet.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is to be sent; empty where there is nothing.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Whether the runtime waits for no answer.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Answers a call; one that was answered before changes nothing.
    pub fn answer(&mut self, call: CallId, reply: Reply) {
        let Some(answer) = self.open.remove(&call) else {
            return;
        };
        let stream = call.0;
        match (reply, answer) {
            (Reply::Refuse(why), _) => self.fail(stream, Code::FailedPrecondition, &why),
            (Reply::Go(_), Answer::Synchronize) => {
                self.succeed(
                    stream,
                    wire::SynchronizeResponse { more: false }.encode_to_vec(),
                );
            }
            (Reply::Go(adjustment), Answer::Create) => {
                let adjust = wire::ContainerAdjustment::from(*adjustment);
                let adjust = Some(adjust).filter(|adjust| *adjust != Default::default());
                self.succeed(
                    stream,
                    wire::CreateContainerResponse { adjust }.encode_to_vec(),
                );
            }
            (Reply::Go(_), Answer::Empty) => self.succeed(stream, Vec::new()),
        }
    }

    fn succeed(&mut self, stream: u32, payload: Vec<u8>) {
        mux::write(mux::PLUGIN, &ttrpc::success(stream, payload), &mut self.out);
    }

    fn fail(&mut self, stream: u32, code: Code, why: &str) {
        mux::write(
            mux::PLUGIN,
            &ttrpc::failure(stream, code, why),
            &mut self.out,
        );
    }

    fn take(&mut self, connection: u32, frame: Frame) -> Result<(), SessionError> {
        match (connection, frame) {
            (
                mux::PLUGIN,
                Frame::Request {
                    stream,
                    service,
                    method,
                    payload,
                },
            ) => self.called(stream, (&service, &method), &payload),
            (
                mux::RUNTIME,
                Frame::Response {
                    stream: REGISTRATION,
                    outcome,
                },
            ) => {
                outcome.map_err(SessionError::Refused)?;
                if self.phase == Phase::Registering {
                    self.phase = Phase::Configuring;
                }
                Ok(())
            }
            // A call where none is served, or an answer to nothing.
            _ => Ok(()),
        }
    }

    fn called(
        &mut self,
        stream: u32,
        (service, method): (&str, &str),
        payload: &[u8],
    ) -> Result<(), SessionError> {
        let known = (service == PLUGIN_SERVICE).then(|| Method::of(method));
        let Some(known) = known.flatten() else {
            let why = format!("kerf serves no {service}/{method}");
            self.fail(stream, Code::Unimplemented, &why);
            return Ok(());
        };
        if stream.is_multiple_of(2) || stream <= self.last {
            self.fail(
                stream,
                Code::InvalidArgument,
                "the stream's number is not a new one",
            );
            return Ok(());
        }
        self.last = stream;
        if self.open.len() >= CALLS || self.events.len() >= CALLS {
            self.fail(stream, Code::ResourceExhausted, "too many calls wait");
            return Ok(());
        }
        match self.serve(stream, known, payload) {
            Ok(()) => Ok(()),
            Err(Trouble::Payload(error)) => {
                self.fail(stream, Code::InvalidArgument, &format!("{method}: {error}"));
                Ok(())
            }
            Err(Trouble::Early) => {
                let why = format!("{method} came before the plugin was told what there is");
                self.fail(stream, Code::FailedPrecondition, &why);
                Ok(())
            }
            Err(Trouble::Nobody) => {
                let why = format!("{method} is about no container");
                self.fail(stream, Code::InvalidArgument, &why);
                Ok(())
            }
            Err(Trouble::Session(error)) => Err(error),
        }
    }

    fn serve(&mut self, stream: u32, method: Method, payload: &[u8]) -> Result<(), Trouble> {
        match method {
            Method::Configure => self.configure(stream, payload),
            Method::Synchronize => self.synchronize(stream, payload),
            Method::Shutdown => {
                self.phase = Phase::Ended;
                self.events.push_back(Event::Shutdown);
                self.succeed(stream, Vec::new());
                Ok(())
            }
            Method::StateChange => {
                let change = wire::StateChangeEvent::decode(payload)?;
                let about = (change.pod, change.container);
                match Method::of_event(change.event) {
                    Some(method) => self.happened(stream, method, about),
                    None => {
                        self.succeed(stream, Vec::new());
                        Ok(())
                    }
                }
            }
            method => {
                let subject = wire::SubjectRequest::decode(payload)?;
                self.happened(stream, method, (subject.pod, subject.container))
            }
        }
    }

    fn configure(&mut self, stream: u32, payload: &[u8]) -> Result<(), Trouble> {
        let said = wire::ConfigureRequest::decode(payload)?;
        self.phase = Phase::Synchronizing;
        self.found.clear();
        let runtime = Runtime {
            name: said.runtime_name,
            version: said.runtime_version,
        };
        let limit = u64::try_from(said.request_timeout).ok();
        self.events.push_back(Event::Configured {
            runtime,
            request_timeout_ms: limit.filter(|limit| *limit != 0),
        });
        self.succeed(
            stream,
            wire::ConfigureResponse { events: EVENTS }.encode_to_vec(),
        );
        Ok(())
    }

    /// Takes one part of what there is; the call with the last one is the caller's to answer.
    fn synchronize(&mut self, stream: u32, payload: &[u8]) -> Result<(), Trouble> {
        if !matches!(self.phase, Phase::Synchronizing | Phase::Ready) {
            return Err(Trouble::Early);
        }
        let part = wire::SynchronizeRequest::decode(payload)?;
        for bytes in &part.containers {
            let container = Container::from(wire::Container::decode(bytes.as_slice())?);
            if container.annotations.contains_key(&self.kept) {
                self.found.push(container);
            }
        }
        if self.found.len() > CONTAINERS {
            return Err(Trouble::Session(SessionError::Crowded));
        }
        if part.more {
            self.succeed(
                stream,
                wire::SynchronizeResponse { more: true }.encode_to_vec(),
            );
            return Ok(());
        }
        self.phase = Phase::Ready;
        let found = std::mem::take(&mut self.found);
        self.ask(stream, Answer::Synchronize, Call::Synchronize(found));
        Ok(())
    }

    fn happened(
        &mut self,
        stream: u32,
        method: Method,
        (pod, container): (Option<wire::PodSandbox>, Option<wire::Container>),
    ) -> Result<(), Trouble> {
        if self.phase != Phase::Ready {
            return Err(Trouble::Early);
        }
        let pod = pod.map(Pod::from).unwrap_or_default();
        let container = container.map(Container::from);
        match (method, container) {
            (Method::Create, Some(container)) => {
                self.ask(
                    stream,
                    Answer::Create,
                    Call::Create(Box::new((pod, container))),
                );
            }
            (Method::Container(stage), Some(container)) => {
                let call = Call::Container(stage, Box::new((pod, container)));
                self.ask(stream, Answer::Empty, call);
            }
            (Method::PodRemoved, _) => {
                self.ask(stream, Answer::Empty, Call::PodRemoved(Box::new(pod)));
            }
            (Method::Create | Method::Container(_), None) => return Err(Trouble::Nobody),
            _ => self.succeed(stream, Vec::new()),
        }
        Ok(())
    }

    fn ask(&mut self, stream: u32, answer: Answer, call: Call) {
        let id = CallId(stream);
        self.open.insert(id, answer);
        self.events.push_back(Event::Call(id, call));
    }
}

/// Why a call is not served.
#[derive(Debug)]
enum Trouble {
    Payload(prost::DecodeError),
    Early,
    Nobody,
    Session(SessionError),
}

impl From<prost::DecodeError> for Trouble {
    fn from(error: prost::DecodeError) -> Self {
        Self::Payload(error)
    }
}
