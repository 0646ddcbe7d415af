//! A TOML text with its places: what a key holds, on which line it stands, and how a change looks.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item};

use super::marks::Change;
use super::{Edit, LinkEdit, SetupError};

/// A text that was read as TOML.
#[derive(Debug)]
pub struct Toml<'a> {
    /// As it stands.
    pub text: &'a str,
    document: Document<&'a str>,
}

impl<'a> Toml<'a> {
    /// Reads a text.
    pub fn parse(path: &Path, text: &'a str) -> Result<Self, SetupError> {
        let document = read(text).map_err(|source| {
            let at = source.span().map_or(0, |span| span.start);
            SetupError::Toml {
                path: path.to_owned(),
                line: line_number(text, at),
                source,
            }
        })?;
        Ok(Self { text, document })
    }

    /// What stands under these keys.
    pub fn get(&self, keys: &[&str]) -> Option<&Item> {
        let mut item = self.document.as_item();
        for key in keys {
            item = item.get(*key)?;
        }
        Some(item)
    }

    /// The name of each entry of a table.
    pub fn names(&self, keys: &[&str]) -> Vec<&str> {
        let table = self.get(keys).and_then(Item::as_table_like);
        let entries = table.into_iter().flat_map(|table| table.iter());
        entries.map(|(name, _)| name).collect()
    }

    /// A text under these keys.
    pub fn text_at(&self, keys: &[&str]) -> Option<&str> {
        self.get(keys)?.as_str()
    }

    /// A yes or no under these keys.
    pub fn bool_at(&self, keys: &[&str]) -> Option<bool> {
        self.get(keys)?.as_bool()
    }

    /// The line on which something begins, counted from 1; 1 where no place is known.
    pub fn line_of(&self, item: &Item) -> usize {
        line_number(self.text, item.span().map_or(0, |span| span.start))
    }

    /// A new line for a table that has a `[header]` of its own: behind that, and a step further in.
    pub fn line_below(&self, keys: &[&str], line: &str) -> Option<Change> {
        let table = self.get(keys)?.as_table()?;
        if table.is_implicit() || table.is_dotted() {
            return None;
        }
        let header = line_at(self.text, table.span()?.start);
        let text = self.text.get(header.clone())?;
        let blanks = text.get(..text.len() - text.trim_start().len())?;
        Some(Change::Line {
            behind: header.end,
            line: format!("{blanks}  {line}"),
        })
    }

    /// The line of a value that stands on one line with its key, and the value's place.
    pub fn single_line(&self, keys: &[&str]) -> Option<(Range<usize>, Range<usize>)> {
        let (last, above) = keys.split_last()?;
        // What stands in braces shares its line with others.
        self.get(above)?.as_table()?;
        let span = self.get(keys)?.as_value()?.span()?;
        let line = line_at(self.text, span.start);
        let before = self.text.get(line.start..span.start)?.trim_start();
        let is_alone = before.trim_start_matches(['"', '\'']).starts_with(last);
        (span.end <= line.end && is_alone).then_some((line, span))
    }
}

/// Whether a text is TOML.
pub fn read(text: &str) -> Result<Document<&str>, Box<toml_edit::TomlError>> {
    Document::parse(text).map_err(Box::new)
}

/// The line around a place, without its line break.
fn line_at(text: &str, at: usize) -> Range<usize> {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |found| found + 1);
    let rest = text.get(start..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    start..start + line.len()
}

fn line_number(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// A text as a TOML string.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A change as a unified diff, as `patch` takes it.
pub fn diff(edit: &Edit) -> String {
    let path = edit.path.display().to_string();
    let name = |side: &Option<String>| match side {
        Some(_) => path.clone(),
        None => "/dev/null".to_owned(),
    };
    let before = edit.before.as_deref().unwrap_or_default();
    let after = edit.after.as_deref().unwrap_or_default();
    similar::TextDiff::from_lines(before, after)
        .unified_diff()
        .header(&name(&edit.before), &name(&edit.after))
        .to_string()
}

/// The change of a link, as git writes it and `patch` takes it: the content of a link is where it leads.
pub fn link_diff(edit: &LinkEdit) -> String {
    let path = edit.path.display().to_string();
    let inner = path.trim_start_matches('/');
    let name = |side: &Option<PathBuf>, letter: &str| match side {
        Some(_) => format!("{letter}/{inner}"),
        None => "/dev/null".to_owned(),
    };
    let text = |side: &Option<PathBuf>| side.as_ref().map(|to| to.display().to_string());
    let (before, after) = (text(&edit.before), text(&edit.after));
    let mode = match (&before, &after) {
        (None, _) => "new file mode 120000\n",
        (_, None) => "deleted file mode 120000\n",
        _ => "old mode 120000\nnew mode 120000\n",
    };
    let lines = similar::TextDiff::from_lines(
        before.as_deref().unwrap_or_default(),
        after.as_deref().unwrap_or_default(),
    )
    .unified_diff()
    .header(&name(&edit.before, "a"), &name(&edit.after, "b"))
    .to_string();
    format!("diff --git a/{inner} b/{inner}\n{mode}{lines}")
}
