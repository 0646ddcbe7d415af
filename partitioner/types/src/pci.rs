//! PCI addresses.

use std::fmt;
use std::str::FromStr;

use crate::ParseError;

/// A PCI function's address, `domain:bus:device.function`.
///
/// Domains have 32 bits: VMD and some clouds use more than four hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// PCI domain (segment).
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Device number, 0 to 31.
    pub device: u8,
    /// Function number, 0 to 7.
    pub function: u8,
}

impl FromStr for PciAddress {
    type Err = ParseError;

    /// Reads `0000:1b:00.0`, NVML's `00000000:1B:00.0`, and `1b:00.0` (domain 0).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text)
            .ok_or_else(|| ParseError::new("a PCI address", text, "write it as 0000:1b:00.0"))
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts = rest.rsplit(':');
    let device = hex(parts.next()?, 2)?;
    let bus = hex(parts.next()?, 2)?;
    let domain = parts.next().map_or(Some(0), |digits| hex(digits, 8))?;
    let function = hex(function, 1)?;
    if parts.next().is_some() || device > 31 || function > 7 {
        return None;
    }
    Some(PciAddress {
        domain,
        bus: u8::try_from(bus).ok()?,
        device: u8::try_from(device).ok()?,
        function: u8::try_from(function).ok()?,
    })
}

fn hex(digits: &str, most: usize) -> Option<u32> {
    let clean = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits.is_empty() || digits.len() > most || !clean {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

impl fmt::Display for PciAddress {
    /// Writes it as sysfs does: lower case, at least four digits of domain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}
