//! Bytes as hexadecimal digits in lower case: one spelling for each.

use zeroize::Zeroizing;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends the digits of these bytes.
pub(crate) fn put(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            let digit = DIGITS.get(usize::from(half)).copied().unwrap_or(b'0');
            out.push(char::from(digit));
        }
    }
}

/// The digits of these bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    put(bytes, &mut out);
    out
}

/// As many bytes as the array has, or `None` for anything but their digits.
pub(crate) fn read<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return None;
    }
    let mut bytes = Zeroizing::new([0; N]);
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        for digit in pair {
            *byte = (*byte << 4) | value(*digit)?;
        }
    }
    Some(bytes)
}

/// At most `limit` bytes, or `None` for anything but their digits.
pub(crate) fn read_some(text: &str, limit: usize) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(2) || text.len() > limit.saturating_mul(2) {
        return None;
    }
    let byte = |pair: &[u8]| {
        pair.iter()
            .try_fold(0, |sum, digit| Some((sum << 4) | value(*digit)?))
    };
    text.chunks_exact(2).map(byte).collect()
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
