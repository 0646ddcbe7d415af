//! Places on a GPU's grid of memory units.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;

/// A set of grid units, one bit each; a grid has at most 64 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnitMask(pub u64);

impl UnitMask {
    /// Whether both sets share a unit.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The units of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Number of units in the set.
    pub fn count(self) -> u32 {
        self.0.count_ones()
    }
}

/// A contiguous run of units: where a GPU instance lies. NVML writes it `start:size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placement {
    /// First unit.
    pub start: u8,
    /// Number of units.
    pub size: u8,
}

impl Placement {
    /// Most units that a grid can have.
    pub const GRID_LIMIT: u32 = 64;

    /// A placement within the 64 units that a grid can have; an empty one is none.
    pub fn try_new(start: u32, size: u32) -> Result<Self, ParseError> {
        let end = start.checked_add(size);
        match (u8::try_from(start), u8::try_from(size), end) {
            (Ok(start), Ok(size), Some(end)) if size > 0 && end <= Self::GRID_LIMIT => {
                Ok(Self { start, size })
            }
            _ => Err(ParseError::new(
                "a placement",
                &format!("{start}:{size}"),
                "start:size within 64 units, size at least 1",
            )),
        }
    }

    /// The units it covers.
    pub fn mask(self) -> UnitMask {
        let ones = if self.size >= 64 {
            u64::MAX
        } else {
            (1_u64 << self.size) - 1
        };
        UnitMask(ones.checked_shl(u32::from(self.start)).unwrap_or(0))
    }

    /// The unit after the last one.
    pub fn end(self) -> u8 {
        self.start.saturating_add(self.size)
    }
}

impl FromStr for Placement {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("a placement", text, "write it as start:size, like 4:4");
        let (start, size) = text.split_once(':').ok_or_else(error)?;
        Self::try_new(
            start.parse().map_err(|_| error())?,
            size.parse().map_err(|_| error())?,
        )
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.start, self.size)
    }
}

/// A place for one slice: of a whole GPU instance, or of a part in one. Written `4:4`, and `4:4/0:1` for a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The place of the GPU instance.
    pub placement: Placement,
    /// The place of the compute instance in it, in compute slices; `None` for a slice that is the whole.
    pub compute: Option<Placement>,
}

impl Spot {
    /// Whether two slices cannot lie there together. Parts of one GPU instance share its memory and no slice.
    pub fn overlaps(self, other: Self) -> bool {
        let share = |a: Placement, b: Placement| a.mask().overlaps(b.mask());
        share(self.placement, other.placement)
            && match (self.compute, other.compute) {
                (Some(a), Some(b)) if self.placement == other.placement => share(a, b),
                _ => true,
            }
    }
}

impl From<Placement> for Spot {
    fn from(placement: Placement) -> Self {
        Self {
            placement,
            compute: None,
        }
    }
}

impl FromStr for Spot {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (placement, compute) = match text.split_once('/') {
            None => (text, None),
            Some((placement, part)) => (placement, Some(part.parse()?)),
        };
        let placement = placement.parse()?;
        Ok(Self { placement, compute })
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.compute {
            None => self.placement.fmt(f),
            Some(part) => write!(f, "{}/{part}", self.placement),
        }
    }
}
