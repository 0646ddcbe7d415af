//! PCIe links: speeds and widths as the kernel writes them (drivers/pci/pci-sysfs.c, drivers/pci/probe.c).
//!
//! Owns the reading of these four files; an idle device lowers its speed, so both now and most are read.

use kerf_types::map::{LinkSpeed, PciLink};

use super::Folder;

/// A function's link; `None` where it has none.
pub fn of_function(folder: &Folder<'_, '_>) -> Option<PciLink> {
    let now = folder.text("current_link_speed");
    let most = folder.text("max_link_speed");
    // A function has all four files or none of them, so of most functions no more than two are asked for.
    let told = most.as_ref().or(now.as_ref())?;
    let is_old_spelling = told.ends_with("GT/s");
    let link = PciLink {
        speed: now.and_then(|now| speed(folder, "current_link_speed", &now)),
        width: width(folder, "current_link_width"),
        max_speed: most.and_then(|most| speed(folder, "max_link_speed", &most)),
        max_width: width(folder, "max_link_width"),
        is_old_spelling,
    };
    // A function inside the root complex has the files, and "Unknown" in them.
    let nothing = PciLink {
        is_old_spelling,
        ..PciLink::default()
    };
    Some(link).filter(|link| *link != nothing)
}

fn speed(folder: &Folder<'_, '_>, name: &str, text: &str) -> Option<LinkSpeed> {
    if text.starts_with("Unknown") {
        return None;
    }
    parse_speed(text).or_else(|| folder.unlike(name, text, "a speed in GT/s"))
}

/// Reads `32.0 GT/s PCIe` and `8 GT/s`, as old kernels have it.
pub fn parse_speed(text: &str) -> Option<LinkSpeed> {
    let (number, unit) = text.split_once(' ')?;
    if !matches!(unit, "GT/s" | "GT/s PCIe") {
        return None;
    }
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_clean = |digits: &str| {
        (1..=3).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    if !is_clean(whole) || !is_clean(part) {
        return None;
    }
    let (whole, thousandths): (u32, u32) =
        (whole.parse().ok()?, format!("{part:0<3}").parse().ok()?);
    Some(LinkSpeed(whole * 1_000 + thousandths)).filter(|speed| speed.0 > 0)
}

/// Lanes; the kernel writes 0 where there is no link now, and 255 where it does not know.
fn width(folder: &Folder<'_, '_>, name: &str) -> Option<u32> {
    let width: u8 = folder.number(name)?;
    Some(u32::from(width)).filter(|lanes| !matches!(lanes, 0 | 255))
}
