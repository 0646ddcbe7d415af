//! Sealing and opening, as the membership core asks for it.
//!
//! # What a stranger's datagram costs
//! The cheap refusals come first: no such key, seen before, an earlier life. Then the tag is computed, with one
//! derivation of a sub-key if the sender was not heard before. Nothing is kept of a datagram that does not open,
//! and nothing of its body is looked at.

use std::sync::Arc;

use kerf_membership::wire::Header;
use kerf_membership::{ClusterId, Incarnation, OpenError, SealError, Sealer};
use kerf_types::HostId;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::key::SubKey;
use crate::replay::{KNOWN, SENDERS, Senders};
use crate::{KeyId, Keyring, KeyringHandle};

/// Bytes of key id and counter.
const PREFIX: usize = 4 + 8;

/// Bytes of the tag.
const TAG: usize = 16;

/// Bytes that sealing adds to a body.
pub const OVERHEAD: usize = PREFIX + TAG;

/// Seals with the primary of a keyring, opens with any of its keys.
///
/// One for each life of the process: a second one for the same incarnation would count from 1 again.
#[derive(Debug)]
pub struct AeadSealer {
    handle: KeyringHandle,
    changes: u64,
    keyring: Arc<Keyring>,
    own: Option<Own>,
    /// The nonces that were used, by all keys together.
    counter: u64,
    senders: Senders,
}

/// The sub-key that seals.
#[derive(Debug)]
struct Own {
    key: KeyId,
    cluster: ClusterId,
    host: HostId,
    incarnation: Incarnation,
    sub: SubKey,
}

impl Own {
    fn is_of(&self, key: KeyId, sender: &Header) -> bool {
        let mine = (self.key, self.cluster, self.host, self.incarnation);
        mine == (key, sender.cluster, sender.sender, sender.life.incarnation)
    }
}

impl AeadSealer {
    /// A sealer that follows this handle, for a life that has sealed nothing yet.
    pub fn new(handle: KeyringHandle) -> Self {
        Self::with_limits(handle, SENDERS, KNOWN)
    }

    pub(crate) fn with_limits(handle: KeyringHandle, senders: usize, known: usize) -> Self {
        Self {
            changes: handle.changes(),
            keyring: handle.get(),
            handle,
            own: None,
            counter: 0,
            senders: Senders::new(senders, known),
        }
    }

    #[cfg(test)]
    pub(crate) fn set_counter(&mut self, counter: u64) {
        self.counter = counter;
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        self.senders.sizes()
    }

    /// Takes the keyring that is in force now.
    fn follow(&mut self) {
        let changes = self.handle.changes();
        if changes == self.changes {
            return;
        }
        self.changes = changes;
        self.keyring = self.handle.get();
        self.own = None;
        let keyring = &self.keyring;
        self.senders.retain_keys(|id| keyring.get(id).is_some());
    }

    /// The sub-key that seals for this sender.
    fn own_key(&mut self, sender: &Header) -> Option<&Own> {
        let key = self.keyring.get(self.keyring.primary())?;
        if !self
            .own
            .as_ref()
            .is_some_and(|own| own.is_of(key.id(), sender))
        {
            self.own = Some(Own {
                key: key.id(),
                cluster: sender.cluster,
                host: sender.sender,
                incarnation: sender.life.incarnation,
                sub: key.sub_key(sender),
            });
        }
        self.own.as_ref()
    }
}

impl Sealer for AeadSealer {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn seal(
        &mut self,
        sender: &Header,
        header: &[u8],
        body: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        self.follow();
        let counter = self.counter.checked_add(1).ok_or(SealError::Exhausted)?;
        self.counter = counter;
        let own = self.own_key(sender).ok_or(SealError::NoKey)?;
        let aead = aead(&own.sub).ok_or(SealError::NoKey)?;
        let start = out.len();
        out.extend_from_slice(&own.key.0.to_be_bytes());
        out.extend_from_slice(&counter.to_be_bytes());
        out.extend_from_slice(body);
        let text = out.get_mut(start + PREFIX..).unwrap_or_default();
        let sealed = aead.seal_in_place_separate_tag(nonce(counter), Aad::from(header), text);
        match sealed {
            Ok(tag) => out.extend_from_slice(tag.as_ref()),
            Err(_) => {
                out.truncate(start);
                return Err(SealError::NoKey);
            }
        }
        Ok(())
    }

    fn open(
        &mut self,
        sender: &Header,
        header: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        self.follow();
        let (id, counter, text) = split(sealed)?;
        let key = self.keyring.get(id).ok_or(OpenError::UnknownKey)?;
        let (host, incarnation) = (sender.sender, sender.life.incarnation.0);
        self.senders.check(host, incarnation, counter)?;
        let kept = self.senders.sub_key(host, incarnation, id);
        let sub = kept.unwrap_or_else(|| key.sub_key(sender));
        let start = out.len();
        out.extend_from_slice(text);
        let copy = out.get_mut(start..).unwrap_or_default();
        let aead = aead(&sub).ok_or(OpenError::Forged)?;
        let opened = aead.open_in_place(nonce(counter), Aad::from(header), copy);
        let Ok(length) = opened.map(|body| body.len()) else {
            out.truncate(start);
            return Err(OpenError::Forged);
        };
        out.truncate(start + length);
        self.senders.accept(host, incarnation, counter, id, sub);
        Ok(())
    }
}

/// Key id, counter, and what is encrypted with its tag.
fn split(sealed: &[u8]) -> Result<(KeyId, u64, &[u8]), OpenError> {
    let (id, rest) = sealed.split_first_chunk().ok_or(OpenError::Truncated)?;
    let (counter, text) = rest.split_first_chunk().ok_or(OpenError::Truncated)?;
    if text.len() < TAG {
        return Err(OpenError::Truncated);
    }
    let counter = u64::from_be_bytes(*counter);
    match counter {
        // Counters begin at 1.
        0 => Err(OpenError::Forged),
        _ => Ok((KeyId(u32::from_be_bytes(*id)), counter, text)),
    }
}

/// `None` for a key of another length than the algorithm's, which a sub-key never has.
fn aead(sub: &SubKey) -> Option<LessSafeKey> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, sub.as_slice()).ok()?;
    Some(LessSafeKey::new(key))
}

/// Four zeros and the counter, as in RFC 8439, section 2.3.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (byte, from) in bytes
        .iter_mut()
        .skip(NONCE_LEN - 8)
        .zip(counter.to_be_bytes())
    {
        *byte = from;
    }
    Nonce::assume_unique_for_key(bytes)
}
