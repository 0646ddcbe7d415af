//! The mirror of Debian that the machine's apt uses, and the key that it trusts for it.
//!
//! apt itself says what its sources are; only the key must be read from the file that it names.

use std::process::Command;

use anyhow::{Context, Result};
use kerf_tests::process;

/// What apt is asked to print of each of its sources.
const FORMAT: &str = "$(ORIGIN)|$(COMPONENT)|$(RELEASE)|$(REPO_URI)|$(SOURCESENTRY)";

/// A mirror with every suite of Debian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    uri: String,
    /// The file with its keys, or the keys in the words of the source; none where apt trusts keys for everything.
    signed_by: Option<String>,
}

impl Mirror {
    /// The one that this machine uses for its main packages.
    ///
    /// # Errors
    /// When apt has none, or has never fetched its lists.
    pub fn of_this_machine() -> Result<Self> {
        let arguments = ["indextargets", "--format", FORMAT, "Created-By: Packages"];
        let targets = process::run(Command::new("apt-get").args(arguments))?;
        let (uri, entry) = chosen(&targets)
            .context("this machine's apt knows no mirror of Debian (apt-get update)")?;
        let text = std::fs::read_to_string(entry)
            .with_context(|| format!("cannot read the source {entry}"))?;
        Ok(Self {
            uri: uri.to_owned(),
            signed_by: signed_by(&text, uri),
        })
    }

    /// A source for one suite of it, as apt reads it.
    pub fn sources(&self, suite: &str) -> String {
        let uri = &self.uri;
        let mut text = format!("Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n");
        if let Some(keys) = &self.signed_by {
            text.push_str(&format!("Signed-By: {keys}\n"));
        }
        text
    }
}

/// The mirror and its file, of what apt printed. Updates and security have mirrors of their own at times, and those
/// do not hold every suite.
fn chosen(targets: &str) -> Option<(&str, &str)> {
    targets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split('|').collect();
        let [origin, component, release, uri, entry] = fields.as_slice() else {
            return None;
        };
        let is_main = *origin == "Debian" && *component == "main" && !release.contains('-');
        // The entry is a file and the number of a line or paragraph.
        let (file, _) = entry.rsplit_once(':')?;
        is_main.then_some((*uri, file))
    })
}

/// The keys that a file of sources names for a mirror: in its paragraphs, or in brackets on its lines.
fn signed_by(text: &str, uri: &str) -> Option<String> {
    let is_it = |word: &str| word.trim_end_matches('/') == uri.trim_end_matches('/');
    let mut paragraphs = text.split("\n\n");
    let paragraph = paragraphs.find(|paragraph| {
        let named = field(paragraph, "uris");
        named.is_some_and(|uris| uris.split_whitespace().any(is_it))
    });
    if let Some(paragraph) = paragraph {
        return field(paragraph, "signed-by");
    }
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("deb "));
    let line = lines.find(|line| line.split_whitespace().any(is_it))?;
    let (options, _) = line.split_once('[')?.1.split_once(']')?;
    let mut options = options.split_whitespace();
    options.find_map(|option| option.strip_prefix("signed-by=").map(str::to_owned))
}

/// A field of a paragraph with the lines that continue it; comments stand between them.
fn field(paragraph: &str, name: &str) -> Option<String> {
    let lines = paragraph.lines().filter(|line| !line.starts_with('#'));
    let mut lines = lines.skip_while(|line| {
        let key = line.split_once(':').map(|(key, _)| key.to_lowercase());
        key.as_deref() != Some(name)
    });
    let mut value = lines.next()?.split_once(':')?.1.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push('\n');
        value.push_str(line);
    }
    Some(value)
}

#[cfg(test)]
mod tests;
