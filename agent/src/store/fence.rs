//! Fences: numbers that only grow, over restarts and over power cuts as well.
//!
//! Owns how far they are reserved. A block of them is reserved by a write that is on the disk before one of them is given
//! out; after a start they go on beyond the block, whatever of it was used. How far leases have used them is written with
//! each: by it a restored backup is noticed ([`super::epoch`]).

use kerf_types::Fence;
use rusqlite::Connection;

use super::{Store, StoreError, read_meta, write_meta};

/// Fences that one flush of the disk reserves.
const BLOCK: u64 = 256;

/// The last that a lease has.
const USED: &str = "fence";

/// Up to where they are reserved.
const RESERVED: &str = "fences_reserved";

/// Where the fences are.
#[derive(Debug)]
pub(super) struct Fences {
    /// The last that was given out, or that may have been.
    last: u64,
    /// The last that may be given out.
    reserved: u64,
    /// Whether this kerfd has given one out.
    is_used: bool,
}

impl Fences {
    /// Reads how far an earlier kerfd may have come. One of a release that reserved none wrote each of them down.
    pub fn read(connection: &Connection) -> Result<Self, StoreError> {
        let used = read_meta(connection, USED)?.unwrap_or(0);
        let reserved = read_meta(connection, RESERVED)?.unwrap_or(0).max(used);
        Ok(Self {
            last: reserved,
            reserved,
            is_used: false,
        })
    }
}

impl Store {
    /// The next fence; it is used up even when the grant fails.
    pub fn next_fence(&mut self) -> Result<Fence, StoreError> {
        if !self.has_fence() {
            self.reserve_fences()?;
        }
        let next = self.fences.last + 1;
        self.fences.last = next;
        self.fences.is_used = true;
        Ok(Fence::new(self.epoch, next))
    }

    /// Writes down that a lease has this one.
    pub(super) fn note_fence(&mut self, fence: Fence) -> Result<(), StoreError> {
        write_meta(&self.connection, USED, fence.counter())
    }

    /// Whether the next one is reserved: one that is not costs a flush.
    pub fn has_fence(&self) -> bool {
        self.fences.last < self.fences.reserved
    }

    /// Whether so few are left that more should be reserved before a launch has to wait for it.
    pub fn is_short_of_fences(&self) -> bool {
        self.fences.is_used && self.fences.reserved - self.fences.last < BLOCK / 2
    }

    /// Reserves a block, on the disk.
    pub fn reserve_fences(&mut self) -> Result<(), StoreError> {
        let reserved = self.fences.last + BLOCK;
        write_meta(&self.connection, RESERVED, reserved)?;
        self.fences.reserved = reserved;
        Ok(())
    }
}
