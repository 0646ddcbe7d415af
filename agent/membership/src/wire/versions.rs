//! The second word of anti-entropy: what the sender knows of the buckets that differ.

use kerf_types::HostId;

use super::parts::{self, MIN_KNOWN};
use super::{Known, Malformed, Reader, Write};

/// All that the sender knows of one bucket, or of a part of it when the whole does not fit.
///
/// Within the bounds a host that is not listed is unknown to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The bucket, below 64.
    pub bucket: u8,
    /// First and last host id of a part; `None` for the whole bucket.
    pub part: Option<(HostId, HostId)>,
    /// Sorted by host id.
    pub known: Vec<Known>,
}

impl Span {
    /// Whether the span speaks of this host, which lies in its bucket.
    pub fn covers(&self, host: HostId) -> bool {
        self.part
            .is_none_or(|(first, last)| (first..=last).contains(&host))
    }

    pub(super) fn write(&self, out: &mut impl Write) {
        out.put_u8(self.bucket);
        out.put_u8(u8::from(self.part.is_some()));
        if let Some((first, last)) = self.part {
            parts::put_host(out, first);
            parts::put_host(out, last);
        }
        parts::put_list(out, &self.known, parts::put_known);
    }

    fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let bucket = reader.u8()?;
        let part = match reader.u8()? {
            0 => None,
            1 => Some((parts::host(reader)?, parts::host(reader)?)),
            _ => return Err(Malformed::Tag),
        };
        if usize::from(bucket) >= crate::digest::BUCKETS {
            return Err(Malformed::Tag);
        }
        let known = parts::list(reader, MIN_KNOWN, parts::known)?;
        let span = Self {
            bucket,
            part,
            known,
        };
        if span.is_in_order() {
            Ok(span)
        } else {
            Err(Malformed::Order)
        }
    }

    fn is_in_order(&self) -> bool {
        let hosts = || self.known.iter().map(|known| known.host);
        let inside =
            |host| self.covers(host) && crate::digest::bucket_of(host) == usize::from(self.bucket);
        hosts().is_sorted_by(|a, b| a < b) && hosts().all(inside)
    }
}

/// Some spans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// At most one for each bucket.
    pub spans: Vec<Span>,
}

impl Versions {
    pub(super) fn write(&self, out: &mut impl Write) {
        out.put_u8(u8::try_from(self.spans.len()).unwrap_or(u8::MAX));
        for span in &self.spans {
            span.write(out);
        }
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Malformed> {
        let count = usize::from(reader.u8()?);
        if count > crate::digest::BUCKETS {
            return Err(Malformed::Count);
        }
        let mut spans = Vec::new();
        for _ in 0..count {
            spans.push(Span::read(reader)?);
        }
        Ok(Self { spans })
    }
}
