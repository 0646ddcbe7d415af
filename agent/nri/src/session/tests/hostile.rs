//! A runtime that plays by no book: bytes and payloads of any kind.

use proptest::prelude::*;

use super::*;

/// Methods of every kind.
const METHODS: [&str; 8] = [
    "Configure",
    "Synchronize",
    "StateChange",
    "CreateContainer",
    "StartContainer",
    "RemovePodSandbox",
    "Shutdown",
    "Other",
];

proptest! {
    /// Bytes of any kind, behind a beginning by the book, in pieces of any size.
    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), step in 1_usize..64) {
        let mut played = Played::ready();
        for part in bytes.chunks(step) {
            if played.session.input(part).is_err() {
                break;
            }
            while let Some(event) = played.session.next_event() {
                if let Event::Call(call, _) = event {
                    played.session.answer(call, Reply::Go(Box::default()));
                }
            }
        }
        prop_assert!(played.session.is_idle());
    }

    /// The same within calls of known methods, which are all answered.
    #[test]
    fn no_payload_is_without_an_answer(payload in proptest::collection::vec(any::<u8>(), 0..300), method in proptest::sample::select(&METHODS[..])) {
        let mut played = Played::ready();
        played.receive(mux::PLUGIN, &ttrpc::request(9, PLUGIN_SERVICE, method, payload));
        while let Some(event) = played.session.next_event() {
            if let Event::Call(call, _) = event {
                played.session.answer(call, Reply::Go(Box::default()));
            }
        }
        prop_assert_eq!(played.sent().len(), 1);
    }
}
