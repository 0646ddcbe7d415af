//! What a container engine sends to the plugin: it is told the same however it comes in pieces, and each of its calls
//! is answered once, in frames that the engine can read.

use kerf_nri::{Event, Reply, Session, SessionError, mux, ttrpc};

/// Key of the annotation that the session keeps containers by.
const KEY: &str = "kerf.dev/lease";

/// What one session came to.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    events: Vec<Event>,
    sent: Vec<u8>,
    end: Option<SessionError>,
}

/// The stream of one connection, from its first byte.
pub fn nri_frames(bytes: &[u8]) {
    let whole = told(bytes, bytes.len().max(1));
    for step in [1, 7, 64] {
        assert_eq!(told(bytes, step), whole, "in pieces of {step} bytes");
    }
    let mut frames = mux::Reader::default();
    let (mut pieces, mut messages) = (Vec::new(), Vec::new());
    frames
        .push(&whole.sent, &mut pieces)
        .expect("no frame of ours is too long");
    let mut connections = [ttrpc::Reader::default(), ttrpc::Reader::default()];
    for (connection, piece) in pieces {
        assert!(piece.len() <= mux::CHUNK, "the engine's buffer is short");
        let reader = match connection {
            mux::PLUGIN => connections.first_mut(),
            mux::RUNTIME => connections.last_mut(),
            _ => None,
        };
        let reader = reader.expect("one of two connections");
        reader
            .push(piece, &mut messages)
            .expect("what we send can be read");
    }
    let calls = |frame: &&ttrpc::Frame| matches!(frame, ttrpc::Frame::Request { .. });
    assert_eq!(
        messages.iter().filter(calls).count(),
        1,
        "a plugin registers once, and calls for nothing else"
    );
}

/// Plays a session whose calls are answered when all has come; every second one is refused.
fn told(bytes: &[u8], step: usize) -> Told {
    let mut session = Session::new(KEY);
    let end = bytes
        .chunks(step)
        .find_map(|piece| session.input(piece).err());
    let events: Vec<Event> = std::iter::from_fn(|| session.next_event()).collect();
    for (number, event) in events.iter().enumerate() {
        if let Event::Call(call, _) = event {
            let reply = match number % 2 {
                0 => Reply::Go(Box::default()),
                _ => Reply::Refuse("there is no room".to_owned()),
            };
            session.answer(*call, reply);
        }
    }
    assert!(session.is_idle(), "a call came without an event");
    let sent = session.take_output();
    Told { events, sent, end }
}
