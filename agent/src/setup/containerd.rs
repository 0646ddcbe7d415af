//! containerd: a runtime handler of the CRI plugin, CDI and NRI in config.toml, or in a drop-in.
//!
//! What the versions do with a file (seen with `containerd config dump` of 1.6.20, 1.7.24 and 2.1.9; the merging of 2.x is the
//! project's pull request 9982, the folder that 2.2 imports 12323):
//! - `version` 1 (none) names plugins by a short name (`cri`), 2 and later by type (`io.containerd.grpc.v1.cri`), 3 and 4
//!   have parted the CRI plugin, and its runtimes are `io.containerd.cri.v1.runtime`'s. 2.x reads all of them.
//! - `imports`: 1.x takes a plugin's settings from one file alone, the last that has any. So a drop-in there would throw
//!   away the settings of config.toml, and kerf writes into config.toml itself; and one that another tool has dropped in
//!   is named, for its settings count. 2.x merges table by table, and there kerf drops in where config.toml imports it.
//! - In 1.x the first handler in a file replaces the built-in `runc`, without which the plugin does not start. Where no
//!   file has handlers, `runc` is written beside kerf's.

mod block;
mod imports;

use std::path::{Path, PathBuf};

use super::marks::{self, Change};
use super::text::Toml;
use super::{Action, Edit, Engine, Handlers, Outcome, SetupError, Source, Wish, dropin};
use block::Block;

use imports::is_read;
pub use imports::{imports, matches};

/// The main file.
pub const PATH: &str = "/etc/containerd/config.toml";

/// kerf's drop-in, in the folder that containerd 2.2 and later read by themselves.
pub const DROP_IN: &str = "/etc/containerd/conf.d/kerf.toml";

/// The folder of drop-ins.
const DROP_INS: &str = "/etc/containerd/conf.d/*.toml";

/// Folders in which containerd looks for CDI files by itself (its default of `cdi_spec_dirs`); kerf writes to the second.
const CDI_FOLDER: &str = "/var/run/cdi";

/// A file that is made has this version: all from 1.3 to 2.x read it.
const MADE_VERSION: i64 = 2;

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The main file's path.
    pub path: PathBuf,
    /// What stands in it.
    pub main: Option<String>,
    /// Files that it imports, in the order in which containerd reads them, without kerf's drop-in.
    pub imported: Vec<Source>,
    /// What stands in kerf's drop-in.
    pub drop_in: Option<String>,
    /// Whether the folder of drop-ins holds any of others.
    pub has_drop_ins: bool,
    /// containerd's version, major and minor, where it could be asked.
    pub version: Option<(u32, u32)>,
}

/// The change.
pub fn plan(files: &Files, wish: &Wish) -> Result<Outcome, SetupError> {
    let plan = Plan::new(files, wish.action)?;
    let handlers = wish.applied(plan.known.clone());
    let edit = |path: PathBuf, before: &Option<String>, after| Edit {
        path,
        before: before.clone(),
        after,
    };
    let edits = |main, drop_in| {
        [
            edit(files.path.clone(), &files.main, main),
            edit(DROP_IN.into(), &files.drop_in, drop_in),
        ]
    };
    if handlers.is_empty() {
        return Ok(Outcome::of(
            edits(plan.base.clone(), plan.foreign),
            Vec::new(),
        ));
    }
    let base = plan.base.as_deref();
    let main = Toml::parse(&files.path, base.unwrap_or_default())?;
    let version = match base {
        Some(_) => version_of(&files.path, &main)?,
        None => MADE_VERSION,
    };
    let mut imported = Vec::new();
    for source in &files.imported {
        imported.push((source, Toml::parse(&source.path, &source.text)?));
    }
    let block = Block {
        version,
        engine: files.version,
        main: &main,
        imported: &imported,
    };
    let mut notes = Vec::new();
    if wish.action == Action::Add {
        if let Some(note) = block.refuse(&files.path, wish)? {
            return Ok(Outcome::of([], vec![note]).set_up(true));
        }
        notes = block.notes();
    }
    let drops_in = version >= 3 && is_read(&files.path, &main, Path::new(DROP_IN));
    let (changes, body) = block.rendered(&handlers);
    if drops_in {
        let main = plan.changed(files, &changes, "")?;
        let body = format!("version = {version}\n{body}");
        let text = dropin::written(Engine::Containerd, &body);
        return Ok(Outcome::of(edits(Some(main), Some(text)), notes).set_up(true));
    }
    let head = if base.is_none() {
        made(files)
    } else {
        String::new()
    };
    let main = plan.changed(files, &changes, &(head + &body))?;
    readable(&files.path, &main)?;
    Ok(Outcome::of(edits(Some(main), plan.foreign), notes).set_up(true))
}

/// The beginning of a file that is made. One that comes to be where there was none must not end what drop-ins did.
fn made(files: &Files) -> String {
    let imports = match files.has_drop_ins {
        true => format!("imports = [\"{DROP_INS}\"]\n"),
        false => String::new(),
    };
    format!("version = {MADE_VERSION}\n{imports}")
}

/// The version that a file says; none is the first.
fn version_of(path: &Path, main: &Toml<'_>) -> Result<i64, SetupError> {
    let Some(item) = main.get(&["version"]) else {
        return Ok(1);
    };
    match item.as_integer() {
        Some(version @ 1..=4) => Ok(version),
        // containerd takes 0 for none.
        Some(0) => Ok(1),
        other => Err(SetupError::Version {
            path: path.to_owned(),
            version: other.map_or("no number".to_owned(), |version| version.to_string()),
        }),
    }
}

/// Tables in braces cannot be added to from behind: then the result is no TOML any more.
fn readable(path: &Path, text: &str) -> Result<(), SetupError> {
    let read = super::text::read(text).map(drop);
    read.map_err(|source| SetupError::Closed {
        path: path.to_owned(),
        source,
    })
}

/// What is kerf's of what there is.
struct Plan {
    /// The main file without it.
    base: Option<String>,
    /// The handlers.
    known: Handlers,
    /// The drop-in, where it is somebody else's.
    foreign: Option<String>,
}

impl Plan {
    fn new(files: &Files, action: Action) -> Result<Self, SetupError> {
        let mut known = Handlers::new();
        let mut base = files.main.clone();
        if let Some(text) = &files.main {
            let stripped = marks::strip(text).map_err(|source| marked(&files.path, source))?;
            known.extend(block::handlers(&files.path, &marks::blocks(text))?);
            base = match (stripped.is_new, stripped.text.as_str()) {
                (true, "") => None,
                // Somebody wrote into the file that kerf made, in the version that it had.
                (true, rest) => Some(format!("{}{rest}", made(files))),
                (false, _) => Some(stripped.text),
            };
        }
        let (ours, foreign) = match &files.drop_in {
            Some(text) if dropin::is_ours(text) => (Some(text), None),
            other => (None, other.clone()),
        };
        if foreign.is_some() && action == Action::Add {
            let path = DROP_IN.into();
            return Err(SetupError::Foreign { path });
        }
        if let Some(text) = ours {
            known.extend(block::handlers(Path::new(DROP_IN), text)?);
        }
        Ok(Self {
            base,
            known,
            foreign,
        })
    }

    fn changed(&self, files: &Files, changes: &[Change], body: &str) -> Result<String, SetupError> {
        let base = self.base.as_deref();
        marks::apply(base, changes, body).map_err(|source| marked(&files.path, source))
    }
}

fn marked(path: &Path, source: marks::MarksError) -> SetupError {
    SetupError::Marks {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
