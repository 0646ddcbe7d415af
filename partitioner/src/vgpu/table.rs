//! Texts of the driver: the table of types that can be made, and single numbers.

use kerf_types::VgpuTypeId;

use crate::systree;

/// Most types of one GPU; drivers know some tens.
const TYPE_LIMIT: usize = 1_024;
/// What stands where there is no number: `INVALID` of NVML.
const INVALID: u32 = u32::MAX;

/// `creatable_vgpu_types`: a header, then `1145  : NVIDIA L40S-1B` for each type. Nothing behind the header is a GPU
/// that is full. Names have spaces, so the first colon divides; lines without a number in front are no types.
pub fn types(text: &str) -> Vec<(VgpuTypeId, String)> {
    let mut found: Vec<(VgpuTypeId, String)> = Vec::new();
    for line in text.lines().take(TYPE_LIMIT) {
        let Some((number, title)) = line.split_once(':') else {
            continue;
        };
        let (Some(id), Some(title)) = (number_of(number), name(title)) else {
            continue;
        };
        let id = VgpuTypeId(id);
        if !found.iter().any(|(known, _)| *known == id) {
            found.push((id, title));
        }
    }
    found.sort();
    found
}

/// Whether that is such a table at all: a driver that has not come up yet prints nothing.
pub fn is_table(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.is_some_and(|line| line.contains(':'))
}

/// A name that may be shown on a terminal; `None` for an empty one.
pub fn name(text: &str) -> Option<String> {
    systree::label(text)
}

/// The number of a type: decimal, and no other spelling.
pub fn number_of(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// A number that may be none: empty, a word, or NVML's `INVALID`.
pub fn valid(text: &str) -> Option<u32> {
    number_of(text).filter(|number| *number != INVALID)
}
