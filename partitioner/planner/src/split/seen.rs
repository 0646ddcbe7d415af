//! An index from what is still to be placed to the entry of a layer that has it: open addressing with a
//! fixed hash, since the order of what is found must be the same in every run.

/// Slots at first; they double when half of them are taken.
const SLOTS: usize = 64;

/// Indices of entries by key. The keys themselves stand in the entries.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Index of an entry plus one; 0 is free.
    slots: Vec<u32>,
    taken: usize,
}

impl Seen {
    /// The index of the entry with `key`, or the slot in which a new one is to be noted.
    pub fn find(&mut self, key: u128, key_of: impl Fn(u32) -> Option<u128>) -> Result<u32, usize> {
        if self.taken * 2 >= self.slots.len() {
            self.grow(&key_of);
        }
        let mask = self.slots.len() - 1;
        let mut at = hash(key) & mask;
        loop {
            match self.slots.get(at).copied().unwrap_or(0).checked_sub(1) {
                None => return Err(at),
                Some(index) if key_of(index) == Some(key) => return Ok(index),
                Some(_) => at = (at + 1) & mask,
            }
        }
    }

    /// Notes a new entry in the slot that [`Seen::find`] gave.
    pub fn note(&mut self, slot: usize, index: u32) {
        if let Some(free) = self.slots.get_mut(slot) {
            *free = index + 1;
            self.taken += 1;
        }
    }

    fn grow(&mut self, key_of: impl Fn(u32) -> Option<u128>) {
        let size = (self.slots.len() * 2).max(SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        for noted in old.into_iter().filter(|noted| *noted > 0) {
            let mut at = key_of(noted - 1).map_or(0, hash) & (size - 1);
            while self.slots.get(at).is_some_and(|taken| *taken > 0) {
                at = (at + 1) & (size - 1);
            }
            if let Some(slot) = self.slots.get_mut(at) {
                *slot = noted;
            }
        }
    }
}

/// Multiplication by an odd constant (2^64 over the golden ratio) spreads the small counts of a key.
fn hash(key: u128) -> usize {
    let high = u64::try_from(key >> 64).unwrap_or(0);
    let low = u64::try_from(key & u128::from(u64::MAX)).unwrap_or(0);
    let mixed = (low ^ high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from((mixed ^ (mixed >> 32)) >> 8).unwrap_or(0)
}
