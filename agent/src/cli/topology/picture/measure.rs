//! How wide words are before anyone draws them, and what of them fits. Pure: never a font file, which differs by
//! reader.

#[cfg(test)]
mod tests;

/// The ends of words that were cut.
const CUT: char = '…';

/// A way to write, as the drawing's style sheet has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Names: bold, 12 pixels.
    Name,
    /// Addresses: every character as wide as the others, 11 pixels.
    At,
    /// Other words: 10 pixels.
    Words,
}

impl Face {
    /// The class of the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::At => "at",
            Self::Words => "words",
        }
    }

    /// Thousandths of a pixel that a character takes at most.
    fn advance(self, one: char) -> u32 {
        match self {
            // Bold letters of DejaVu Sans are up to this much wider than the others, of one group below.
            Self::Name => 12 * em(one) * 116 / 100,
            Self::At if one.is_ascii() => 11 * 603,
            Self::At => 11 * em(one),
            Self::Words => 10 * em(one),
        }
    }
}

/// Thousandths of its height that a character is wide at most.
///
/// From the widths in DejaVu Sans, the widest face that browsers take for the sans-serif of a style sheet; Helvetica,
/// Arial and Liberation Sans are narrower in each group. Wrong the one way, words run over their box; the other way,
/// they are cut though there was room.
fn em(one: char) -> u32 {
    match one {
        'i' | 'j' | 'l' | '\'' => 300,
        ' ' | ',' | '.' | '/' | ':' | ';' | '\\' | '|' | '-' | 'I' | 'J' => 361,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '!' | '"' => 460,
        's' | 'z' | 'c' | 'L' | '*' | '_' | '`' | '?' => 558,
        'a' | 'e' | 'k' | 'o' | 'v' | 'x' | 'y' | 'F' | 'T' => 616,
        'w' | 'D' | 'G' | 'H' | 'N' | 'O' | 'Q' | 'U' => 838,
        '#' | '&' | '+' | '<' | '=' | '>' | '^' | '~' => 838,
        'm' | 'M' | 'W' | '%' | '@' | CUT => 1_000,
        'A'..='Z' => 700,
        ' '..='~' => 640,
        // Letters of Europe are as wide as two at most, and signs of the rest of the world somewhat more.
        '\u{a1}'..='\u{4ff}' => 1_560,
        _ => 2_100,
    }
}

/// Pixels that words take at most.
pub fn width(face: Face, text: &str) -> u32 {
    let thousandths = text.chars().map(|one| face.advance(one));
    thousandths.fold(0, u32::saturating_add).div_ceil(1_000)
}

/// The words, or their beginning and an ellipsis, within so many pixels.
pub fn shortened(face: Face, text: &str, room: u32) -> String {
    if width(face, text) <= room {
        return text.to_owned();
    }
    let mut cut = [0; 4];
    let room = room.saturating_sub(width(face, CUT.encode_utf8(&mut cut)));
    let (begin, _) = split(face, text, room);
    format!("{}{CUT}", begin.trim_end_matches([' ', ',']))
}

/// The words in at most so many lines within so many pixels, broken behind commas where there are some, else between
/// words; the last ends in an ellipsis where not all has its place.
pub fn wrapped(face: Face, text: &str, room: u32, lines: usize) -> Vec<String> {
    let mut wrapped = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && wrapped.len() < lines {
        if wrapped.len() + 1 == lines {
            wrapped.push(shortened(face, rest, room));
            break;
        }
        let (line, more) = line(face, rest, room);
        wrapped.push(line.to_owned());
        rest = more;
    }
    wrapped
}

/// The first line, without the comma at its end, and what is left.
fn line(face: Face, text: &str, room: u32) -> (&str, &str) {
    let (fits, over) = split(face, text, room);
    if over.is_empty() {
        return (text, over);
    }
    // The blank that stands behind the last word that fits is none of the line's.
    let end = if over.starts_with(' ') {
        fits.len() + 1
    } else {
        fits.len()
    };
    let (begin, _) = text.split_at(end);
    let comma = begin.rfind(", ").map(|at| at + 1);
    let blank = begin.rfind(' ').filter(|at| *at > 0);
    let (line, more) = text.split_at(comma.or(blank).unwrap_or(fits.len()));
    (line.trim_end_matches([' ', ',']), more.trim_start())
}

/// As many characters as fit, and the others. One at least goes into a line, else there is no end of lines.
fn split(face: Face, text: &str, room: u32) -> (&str, &str) {
    let mut taken = 0_u32;
    for (at, one) in text.char_indices() {
        taken = taken.saturating_add(face.advance(one));
        if at > 0 && taken > room.saturating_mul(1_000) {
            return text.split_at(at);
        }
    }
    (text, "")
}
