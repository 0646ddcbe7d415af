//! What a client may use at most, as the commands and the environment spell it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Tenths of a percent of the SMs, up to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(u32);

/// Memory in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mib(pub u64);

/// Limits of clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Active thread percentage.
    pub threads: Percent,
    /// Pinned device memory, by device. A device that is not there has no limit.
    pub memory: BTreeMap<String, Mib>,
}

impl Percent {
    /// Whole percent, rounded up.
    pub fn whole(self) -> u32 {
        self.0.div_ceil(10)
    }
}

impl Default for Percent {
    fn default() -> Self {
        Self(1_000)
    }
}

impl FromStr for Percent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(tenths) {
            return Err(());
        }
        let whole: u32 = whole.parse().map_err(|_| ())?;
        let tenth = tenths.get(..1).ok_or(())?.parse::<u32>().map_err(|_| ())?;
        let tenths = whole.checked_mul(10).ok_or(())? + tenth;
        (1..=1_000)
            .contains(&tenths)
            .then_some(Self(tenths))
            .ok_or(())
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

impl FromStr for Mib {
    type Err = ();

    /// An integer followed by `G` or `M`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, unit) = match (text.strip_suffix('G'), text.strip_suffix('M')) {
            (Some(digits), _) => (digits, 1 << 10),
            (_, Some(digits)) => (digits, 1),
            _ => return Err(()),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        let count: u64 = digits.parse().map_err(|_| ())?;
        count.checked_mul(unit).map(Self).ok_or(())
    }
}

impl fmt::Display for Mib {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            mib if mib.is_multiple_of(1 << 10) => write!(f, "{}G", mib >> 10),
            mib => write!(f, "{mib}M"),
        }
    }
}
