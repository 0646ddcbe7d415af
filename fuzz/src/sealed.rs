//! Datagrams of strangers, and keyrings.

use kerf_membership::wire::{Header, MAX_DATAGRAM, Message};
use kerf_membership::{ClusterId, Sealer};
use kerf_seal::{AeadSealer, Key, Keyring, KeyringHandle, OVERHEAD};

/// The key that the datagrams of the seeds are sealed with, and their fleet. Nobody can make a new one by chance.
const KEY: [u8; 32] = [1; 32];
const CLUSTER: ClusterId = ClusterId(7);

/// A datagram is refused with nothing left of it, or it is one of the key's: then it opens once, and its body is a
/// message that is written as it was read, or none.
pub fn sealed_datagram(bytes: &[u8]) {
    let keyring = Keyring::new(Key::new(KEY));
    let mut sealer = AeadSealer::new(KeyringHandle::new(keyring));
    let Ok((header, head, sealed)) = Header::split(bytes) else {
        return;
    };
    let mut written = Vec::new();
    header.write(&mut written);
    assert_eq!(written, head, "a header is written as it was read");
    let mut body = Vec::new();
    if sealer.open(&header, head, sealed, &mut body).is_err() {
        assert!(body.is_empty(), "something is left of what does not open");
        return;
    }
    assert_eq!(body.len() + OVERHEAD, sealed.len());
    assert_eq!(header.cluster, CLUSTER, "another fleet's opens");
    let mut again = Vec::new();
    let replayed = sealer.open(&header, head, sealed, &mut again);
    assert!(replayed.is_err() && again.is_empty(), "it opens twice");
    if let Ok(message) = Message::read(&body) {
        let mut read = Vec::new();
        message.write(&mut read);
        assert_eq!(read, body, "a message is written as it was read");
    }
    assert!(bytes.len() <= MAX_DATAGRAM, "the seeds are no longer");
}

/// A keyring reads back as it was read, or is refused in words that tell none of its keys.
pub fn keyring(bytes: &[u8]) {
    match Keyring::from_bytes(bytes) {
        Ok(keyring) => {
            let written = keyring.to_bytes();
            let read = Keyring::from_bytes(&written);
            assert!(read.is_ok_and(|read| read == keyring), "it reads back");
            assert!(keyring.get(keyring.primary()).is_some());
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.is_empty() && text.len() < 200, "{text}");
        }
    }
}
