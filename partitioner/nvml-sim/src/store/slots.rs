//! The layout of the state file: a header and two slots. A writer fills the slot that is not in
//! use and then turns the header to it, so a kill at any point leaves the old state or the new
//! one; a reader that sees the same header before and after has read a whole state. Owns these
//! bytes and nothing of what they mean.
//!
//! The rejected alternative is to replace the file by rename: it costs a few milliseconds on a
//! busy ext4, a reader must open the file anew after each change, and a file that is replaced
//! cannot be bind-mounted into a container.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// First bytes of the file, with the number of this layout.
const MAGIC: [u8; 8] = *b"kerfsim1";
/// Magic, sequence, slot, length, sum: 8 bytes each.
const HEADER_BYTES: usize = 40;
/// Where the first slot begins: a page behind the header.
const FIRST_SLOT: u64 = 4_096;
/// Room of a slot. The file is sparse; a state has some tens of kilobytes.
const SLOT_BYTES: u64 = 16 << 20;
/// How often a reader tries again when writers keep overtaking it. Each try needs two whole
/// changes to happen within one read of some kilobytes to fail.
const TRIES: u32 = 1_000;

/// Which state is the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Counts the changes.
    pub sequence: u64,
    /// 0 or 1.
    slot: u64,
    /// Bytes of the state.
    length: u64,
}

impl Header {
    fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        let fields = [self.sequence, self.slot, self.length, self.sum()];
        for (field, place) in fields.iter().zip(bytes[8..].chunks_exact_mut(8)) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let (magic, fields) = bytes.split_first_chunk::<8>()?;
        let mut fields = fields
            .chunks_exact(8)
            .map(|field| field.try_into().map(u64::from_le_bytes));
        let mut next = || fields.next()?.ok();
        let header = Self {
            sequence: next()?,
            slot: next()?,
            length: next()?,
        };
        let whole = *magic == MAGIC && next()? == header.sum();
        (whole && header.slot < 2 && header.length <= SLOT_BYTES).then_some(header)
    }

    fn sum(self) -> u64 {
        let Self {
            sequence,
            slot,
            length,
        } = self;
        crate::model::mix(crate::model::mix(crate::model::mix(sequence) ^ slot) ^ length)
    }

    fn offset(self) -> u64 {
        FIRST_SLOT + self.slot * SLOT_BYTES
    }
}

/// The current header; `None` when the file is not of this layout.
pub fn header(file: &File) -> io::Result<Option<Header>> {
    // A copy of forty bytes may, in theory, see half of a write: a second look settles it.
    for _ in 0..2 {
        let mut bytes = [0; HEADER_BYTES];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        if let Some(header) = Header::decode(&bytes) {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// The current state with its header.
pub fn read(file: &File) -> io::Result<Option<(Header, Vec<u8>)>> {
    for _ in 0..TRIES {
        let Some(before) = header(file)? else {
            return Ok(None);
        };
        let mut state = vec![0; usize::try_from(before.length).unwrap_or(0)];
        match file.read_exact_at(&mut state, before.offset()) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        if header(file)? == Some(before) {
            return Ok(Some((before, state)));
        }
    }
    Ok(None)
}

/// Makes `state` the current one, after `before`. The caller holds the lock.
pub fn write(file: &File, before: Option<Header>, state: &[u8]) -> io::Result<Header> {
    let length = u64::try_from(state.len()).unwrap_or(u64::MAX);
    if length > SLOT_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let next = match before {
        Some(before) => Header {
            sequence: before.sequence + 1,
            slot: 1 - before.slot,
            length,
        },
        None => Header {
            sequence: 0,
            slot: 0,
            length,
        },
    };
    file.write_all_at(state, next.offset())?;
    file.write_all_at(&next.encode(), 0)?;
    Ok(next)
}
