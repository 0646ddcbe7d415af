//! What was seen of each sender, so that nothing is taken twice.
//!
//! # What holds
//! - Of one life of one sender, no counter is taken twice, in whatever order they come. One that is more than
//!   [`WINDOW`] behind the highest is refused unseen.
//! - Once a later life was heard, nothing of an earlier one is taken.
//! - Memory is bounded. Of the sender that was silent for longest only a mark stays: its life, and the highest
//!   counter. When it is heard again, what is not above the mark is refused, so a replay does not get through; what
//!   was late is lost, as any datagram may be. When there are as many marks as may be, a new sender is refused and
//!   everybody who is known goes on. Only a holder of the key can bring it to that, by inventing hosts.
//! - Nothing is remembered over a restart of this host. What is replayed then meets the membership's own rules:
//!   SWIM's messages name the receiver's life, which is another one, and a record's stamp says which is newer.

use std::collections::BTreeMap;

use kerf_membership::OpenError;
use kerf_types::HostId;

use crate::KeyId;
use crate::key::SubKey;

/// How far behind the highest a counter may be. A sender counts all its datagrams, also those to others; at a
/// hundred a second this is ten seconds, and a network that holds one back for longer has lost it.
pub(crate) const WINDOW: u64 = 1_024;

const WORD: u64 = 64;

/// One word more than the window has, since it begins and ends within words.
const WORDS: usize = 17;
const _: () = assert!(WINDOW / WORD + 1 == 17, "WORDS follows from the window");

/// Senders that are remembered in full, about 300 bytes each.
pub(crate) const SENDERS: usize = 16 * 1_024;

/// Senders that are remembered at all.
pub(crate) const KNOWN: usize = 4 * SENDERS;

/// The counters of one life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    highest: u64,
    seen: [u64; WORDS],
}

impl Window {
    /// Nothing was seen.
    pub fn new() -> Self {
        Self {
            highest: 0,
            seen: [0; WORDS],
        }
    }

    /// Everything up to `highest` was seen, or must be taken to have been.
    pub fn after(highest: u64) -> Self {
        Self {
            highest,
            seen: [u64::MAX; WORDS],
        }
    }

    pub fn check(&self, counter: u64) -> Result<(), OpenError> {
        if counter > self.highest {
            return Ok(());
        }
        if self.highest - counter >= WINDOW {
            return Err(OpenError::TooOld);
        }
        let word = self.seen.get(place(counter)).copied();
        match word.is_none_or(|word| word & bit(counter) != 0) {
            true => Err(OpenError::Replayed),
            false => Ok(()),
        }
    }

    /// Notes a counter that was checked.
    pub fn accept(&mut self, counter: u64) {
        if counter > self.highest {
            let (old, new) = (self.highest / WORD, counter / WORD);
            for word in (old + 1..=new).rev().take(self.seen.len()) {
                if let Some(seen) = self.seen.get_mut(place(word * WORD)) {
                    *seen = 0;
                }
            }
            // The rest of the word of the highest was never set, unless everything was taken as seen.
            self.clear_above(self.highest);
            self.highest = counter;
        }
        if let Some(seen) = self.seen.get_mut(place(counter)) {
            *seen |= bit(counter);
        }
    }

    /// Clears what stands above a counter in its word.
    fn clear_above(&mut self, counter: u64) {
        let up_to = bit(counter) | (bit(counter) - 1);
        if let Some(seen) = self.seen.get_mut(place(counter)) {
            *seen &= up_to;
        }
    }
}

fn place(counter: u64) -> usize {
    usize::try_from(counter / WORD % 17).unwrap_or(0)
}

fn bit(counter: u64) -> u64 {
    1 << (counter % WORD)
}

/// One sender.
#[derive(Debug)]
struct Sender {
    incarnation: u64,
    window: Window,
    /// Sub-keys of this life, one for each key that it sealed with.
    sub_keys: Vec<(KeyId, SubKey)>,
    /// When it was last heard, in datagrams.
    heard: u64,
}

/// What stays of a sender that was silent for long.
#[derive(Debug, Clone, Copy)]
struct Mark {
    incarnation: u64,
    highest: u64,
}

/// All senders.
#[derive(Debug)]
pub(crate) struct Senders {
    senders: BTreeMap<HostId, Sender>,
    marks: BTreeMap<HostId, Mark>,
    most: usize,
    most_known: usize,
    heard: u64,
}

impl Senders {
    pub fn new(most: usize, most_known: usize) -> Self {
        Self {
            senders: BTreeMap::new(),
            marks: BTreeMap::new(),
            most: most.max(1),
            most_known,
            heard: 0,
        }
    }

    /// Whether a datagram may be taken, if it is genuine. Changes nothing: whoever asks may be anybody.
    pub fn check(&self, host: HostId, incarnation: u64, counter: u64) -> Result<(), OpenError> {
        let (life, window) = if let Some(sender) = self.senders.get(&host) {
            (sender.incarnation, sender.window.check(counter))
        } else if let Some(mark) = self.marks.get(&host) {
            let above = counter > mark.highest;
            let window = above.then_some(()).ok_or(OpenError::TooOld);
            (mark.incarnation, window)
        } else if self.senders.len() + self.marks.len() >= self.most_known {
            return Err(OpenError::Full);
        } else {
            return Ok(());
        };
        match incarnation.cmp(&life) {
            std::cmp::Ordering::Less => Err(OpenError::EarlierLife),
            std::cmp::Ordering::Equal => window,
            std::cmp::Ordering::Greater => Ok(()),
        }
    }

    /// The sub-key of a sender in this life, if it is kept.
    pub fn sub_key(&self, host: HostId, incarnation: u64, key: KeyId) -> Option<SubKey> {
        let sender = self.senders.get(&host);
        let sender = sender.filter(|sender| sender.incarnation == incarnation)?;
        let mut kept = sender.sub_keys.iter();
        kept.find(|(id, _)| *id == key).map(|(_, sub)| sub.clone())
    }

    /// Notes a datagram that was checked and is genuine, and keeps the sub-key that opened it.
    pub fn accept(
        &mut self,
        host: HostId,
        incarnation: u64,
        counter: u64,
        key: KeyId,
        sub: SubKey,
    ) {
        if !self.senders.contains_key(&host) && self.senders.len() >= self.most {
            self.make_room();
        }
        self.heard += 1;
        let mark = self.marks.remove(&host);
        let sender = self.senders.entry(host).or_insert_with(|| Sender {
            incarnation: mark.map_or(incarnation, |mark| mark.incarnation),
            window: mark.map_or_else(Window::new, |mark| Window::after(mark.highest)),
            sub_keys: Vec::new(),
            heard: 0,
        });
        if sender.incarnation != incarnation {
            sender.incarnation = incarnation;
            sender.window = Window::new();
            sender.sub_keys.clear();
        }
        sender.heard = self.heard;
        sender.window.accept(counter);
        if !sender.sub_keys.iter().any(|(id, _)| *id == key) {
            sender.sub_keys.push((key, sub));
        }
    }

    /// Drops the sub-keys of keys that are gone.
    pub fn retain_keys(&mut self, is_there: impl Fn(KeyId) -> bool) {
        for sender in self.senders.values_mut() {
            sender.sub_keys.retain(|(id, _)| is_there(*id));
        }
    }

    /// Of a quarter of the senders, those that were silent for longest, only marks stay. A quarter at a time, so
    /// that the look over all of them is rare.
    fn make_room(&mut self) {
        let mut heard: Vec<u64> = self.senders.values().map(|sender| sender.heard).collect();
        let last = (heard.len() / 4).min(heard.len().saturating_sub(1));
        let (_, limit, _) = heard.select_nth_unstable(last);
        let limit = *limit;
        let marks = &mut self.marks;
        self.senders.retain(|host, sender| {
            let stays = sender.heard > limit;
            if !stays {
                let mark = Mark {
                    incarnation: sender.incarnation,
                    highest: sender.window.highest,
                };
                marks.insert(*host, mark);
            }
            stays
        });
    }

    #[cfg(test)]
    pub fn sizes(&self) -> (usize, usize) {
        (self.senders.len(), self.marks.len())
    }
}
