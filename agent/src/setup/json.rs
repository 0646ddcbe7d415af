//! Where the members of JSON objects lie in a text, so that one can be added or taken away and every other byte stays.
//!
//! The text has been read as JSON before: what is not JSON is not looked for here, and gives no members.

use std::ops::Range;

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its key, with its quotes.
    pub key: Range<usize>,
    /// Its value.
    pub value: Range<usize>,
}

/// An object's place, from brace to brace, and its members in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its place.
    pub place: Range<usize>,
    /// Its members.
    pub members: Vec<Member>,
}

impl Object {
    /// The object that begins at or behind a place, where one does.
    pub fn at(text: &str, place: usize) -> Option<Self> {
        let mut scan = Scan {
            bytes: text.as_bytes(),
            at: place,
        };
        scan.blanks();
        let start = scan.at;
        scan.take(b'{')?;
        let mut members = Vec::new();
        loop {
            scan.blanks();
            match scan.peek()? {
                b'}' => {
                    let place = start..scan.at + 1;
                    return Some(Self { place, members });
                }
                b',' => scan.at += 1,
                _ => {
                    let key = scan.value()?;
                    scan.blanks();
                    scan.take(b':')?;
                    scan.blanks();
                    let value = scan.value()?;
                    members.push(Member { key, value });
                }
            }
        }
    }

    /// The members of a name; more than one where somebody wrote it twice.
    pub fn named<'a>(&'a self, text: &'a str, name: &'a str) -> impl Iterator<Item = &'a Member> {
        let is_it = move |member: &&Member| {
            let key = text.get(member.key.clone()).unwrap_or_default();
            serde_json::from_str::<String>(key).is_ok_and(|key| key == name)
        };
        self.members.iter().filter(is_it)
    }

    /// The text with a member as the first of the object. Blanks are as before the member that was first.
    pub fn with_first(&self, text: &str, member: &str) -> String {
        let behind_brace = self.place.start + 1;
        let mut text = text.to_owned();
        match self.members.first() {
            Some(first) => {
                let blanks = text.get(behind_brace..first.key.start).unwrap_or_default();
                let member = format!("{blanks}{member},");
                text.insert_str(behind_brace, &member);
            }
            None => text.insert_str(behind_brace, member),
        }
        text
    }

    /// The text without a member of the object, and without the comma that it needed.
    pub fn without(&self, text: &str, member: &Member) -> String {
        let at = self.members.iter().position(|one| one == member);
        let before = at.and_then(|at| self.members.get(at.checked_sub(1)?));
        let behind = at.and_then(|at| self.members.get(at + 1));
        let gone = match (before, behind) {
            (Some(before), _) => before.value.end..member.value.end,
            (None, Some(behind)) => {
                let between = text.get(member.value.end..behind.key.start);
                let comma = between.and_then(|text| text.find(',')).unwrap_or_default();
                self.place.start + 1..member.value.end + comma + 1
            }
            (None, None) => member.key.start..member.value.end,
        };
        let mut text = text.to_owned();
        text.replace_range(gone, "");
        text
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The place of the value that begins here.
    fn value(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ if depth == 0 => {
                    let ends =
                        |byte: u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                    while self.peek().is_some_and(|byte| !ends(byte)) {
                        self.at += 1;
                    }
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return (self.at > start).then_some(start..self.at);
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(()),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
    }
}
