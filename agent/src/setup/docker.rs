//! Docker: `runtimes` in daemon.json.
//!
//! JSON takes no comments, so what kerf added is told by its form: a member whose program is kerf-runtime, and, where
//! there was no `runtimes`, that object in a form with blanks inside its braces ([`Added::wrapped`]) which the other ways
//! to add never give.

use std::path::Path;

use serde_json::Value;

use super::json::{Member, Object};
use super::{Action, Edit, Outcome, SetupError, Wish};

/// The daemon's file.
pub const PATH: &str = "/etc/docker/daemon.json";

const RUNTIMES: &str = "runtimes";

/// The change; `now` is what stands in the file.
pub fn plan(path: &Path, now: Option<&str>, wish: &Wish) -> Result<Outcome, SetupError> {
    let edit = |after: Option<String>| Edit {
        path: path.to_owned(),
        before: now.map(str::to_owned),
        after,
    };
    let added = Added {
        member: member(wish),
    };
    let text = match now {
        None if wish.action == Action::Remove => return Ok(Outcome::default()),
        None => return Ok(Outcome::of([edit(Some(added.whole()))], Vec::new()).set_up(true)),
        Some(text) => text,
    };
    let file = File::read(path, text)?;
    let found = file.handler(wish)?;
    let is_ours = found
        .as_ref()
        .is_some_and(|found| found.program == wish.program);
    let after = match (wish.action, found) {
        (Action::Add, Some(found)) if !is_ours => {
            return Err(SetupError::Conflict {
                path: path.to_owned(),
                line: found.line,
                handler: wish.handler.to_string(),
                found: found.program,
            });
        }
        (Action::Add, None) => Some(file.with(&added)),
        (Action::Remove, Some(_)) if text == added.whole() => None,
        (Action::Remove, Some(found)) if is_ours => Some(file.without(&found.member, &added)),
        _ => Some(text.to_owned()),
    };
    let is_set_up = match &after {
        Some(text) => File::read(path, text)?.starts(&wish.program),
        None => false,
    };
    Ok(Outcome::of([edit(after)], Vec::new()).set_up(is_set_up))
}

/// `"kerf": {"path": "/usr/bin/kerf-runtime"}`
fn member(wish: &Wish) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let (name, program) = (quoted(wish.handler.as_str()), quoted(&wish.program));
    format!("{name}: {{\"path\": {program}}}")
}

/// What kerf adds.
struct Added {
    member: String,
}

impl Added {
    /// The object of runtimes where there was none.
    fn wrapped(&self) -> String {
        format!("{{ {} }}", self.member)
    }

    /// The same as a member of the file.
    fn runtimes(&self) -> String {
        format!("\"{RUNTIMES}\": {}", self.wrapped())
    }

    /// The file where there was none.
    fn whole(&self) -> String {
        format!("{{\n    {}\n}}\n", self.runtimes())
    }
}

/// A handler that is there.
struct Found {
    member: Member,
    program: String,
    line: usize,
}

/// The file, its object and, in it, that of the runtimes.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
    root: Object,
    runtimes: Option<(Member, Object)>,
}

impl<'a> File<'a> {
    /// Reads the text, which must be JSON and have each key that counts once.
    fn read(path: &'a Path, text: &'a str) -> Result<Self, SetupError> {
        serde_json::from_str::<Value>(text).map_err(|source| SetupError::Json {
            path: path.to_owned(),
            source,
        })?;
        let wrong = |key: &str, expected| SetupError::Kind {
            path: path.to_owned(),
            key: key.to_owned(),
            expected,
        };
        let root = Object::at(text, 0).ok_or_else(|| wrong("the whole of it", "an object"))?;
        let named: Vec<Member> = root.named(text, RUNTIMES).cloned().collect();
        let runtimes = match named.as_slice() {
            [] => None,
            [member] => {
                let object = Object::at(text, member.value.start);
                let object = object.ok_or_else(|| wrong(RUNTIMES, "an object"))?;
                Some((member.clone(), object))
            }
            _ => return Err(wrong(RUNTIMES, "there once alone")),
        };
        Ok(Self {
            path,
            text,
            root,
            runtimes,
        })
    }

    fn handler(&self, wish: &Wish) -> Result<Option<Found>, SetupError> {
        let Some((_, object)) = &self.runtimes else {
            return Ok(None);
        };
        let mut named = object.named(self.text, wish.handler.as_str());
        let Some(member) = named.next() else {
            return Ok(None);
        };
        if named.next().is_some() {
            return Err(SetupError::Kind {
                path: self.path.to_owned(),
                key: format!("{RUNTIMES}.{}", wish.handler),
                expected: "there once alone",
            });
        }
        let value = self.text.get(member.value.clone()).unwrap_or_default();
        let parsed: Value = serde_json::from_str(value).unwrap_or_default();
        let program = parsed.get("path").and_then(Value::as_str);
        let before = self.text.get(..member.key.start).unwrap_or_default();
        Ok(Some(Found {
            member: member.clone(),
            program: program.unwrap_or(value).to_owned(),
            line: before.matches('\n').count() + 1,
        }))
    }

    /// Whether one of the runtimes is this program.
    fn starts(&self, program: &str) -> bool {
        let members = self.runtimes.iter().flat_map(|(_, object)| &object.members);
        let mut values = members.filter_map(|member| self.text.get(member.value.clone()));
        values.any(|value| {
            let value: Value = serde_json::from_str(value).unwrap_or_default();
            value.get("path").and_then(Value::as_str) == Some(program)
        })
    }

    fn with(&self, added: &Added) -> String {
        match &self.runtimes {
            Some((_, object)) => object.with_first(self.text, &added.member),
            None => self.root.with_first(self.text, &added.runtimes()),
        }
    }

    fn without(&self, member: &Member, added: &Added) -> String {
        match &self.runtimes {
            Some((whole, object)) => {
                let is_wrapped = self.text.get(object.place.clone()) == Some(&added.wrapped());
                match is_wrapped {
                    true => self.root.without(self.text, whole),
                    false => object.without(self.text, member),
                }
            }
            None => self.text.to_owned(),
        }
    }
}
