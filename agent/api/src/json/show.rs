//! How the tests of documents show them, and the values that they share.

use serde::Serialize;

/// A document as `-o json` prints it, but with every part that fits into a line on one line.
pub fn pretty(document: &impl Serialize) -> String {
    let json = serde_json::to_string_pretty(document).expect("documents write");
    let lines: Vec<&str> = json.lines().collect();
    let mut out = Vec::new();
    let mut next = 0;
    while let Some(line) = lines.get(next) {
        let part = part_of_line(&lines[next..]);
        let joined = part
            .iter()
            .map(|line| line.trim_start())
            .collect::<Vec<_>>()
            .join(" ");
        let indent = &line[..line.len() - line.trim_start().len()];
        if part.len() > 1 && indent.len() + joined.len() <= 96 {
            out.push(format!("{indent}{joined}"));
            next += part.len();
        } else {
            out.push((*line).to_owned());
            next += 1;
        }
    }
    out.join("\n")
}

/// The lines from an opening bracket at the end of the first line to the closing one.
fn part_of_line<'a>(lines: &'a [&'a str]) -> &'a [&'a str] {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some((first, rest)) = lines.split_first() else {
        return lines;
    };
    if !first.ends_with(['{', '[']) {
        return &lines[..1];
    }
    let end = rest.iter().position(|line| indent(line) <= indent(first));
    &lines[..end.map_or(1, |end| end + 2)]
}

/// A time.
pub const NOON: u64 = 1_795_521_600_000;

/// A text of one's own.
pub fn text(text: &str) -> String {
    text.to_owned()
}

/// The document of a message that is right.
pub fn message<T, M>(message: M) -> T
where
    T: TryFrom<M>,
    T::Error: std::fmt::Debug,
{
    T::try_from(message).expect("the message is right")
}
