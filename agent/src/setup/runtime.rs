//! `/etc/kerf/kerf-runtime.toml`: which runtime does the work below kerf-runtime. Made where it is not there, so that it
//! is written down which one is meant; one that somebody else wrote is checked and left. Beside it goes a link to the
//! same program ([`link`]).
//!
//! Several engines may use them. The file's first line names those that kerf setup has set up, so that both go with the
//! last.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kerf_runtime::settings::Settings;

use super::link::{self, Linked};
use super::text::quoted;
use super::{Action, Edit, Engine, Outcome, SetupError};

/// The file.
pub const PATH: &str = "/etc/kerf/kerf-runtime.toml";

/// How its first line begins where kerf made it; the engines follow.
const FIRST: &str = "# Written by kerf setup for: ";

/// Runtimes in the order in which an engine is given them: what it starts by itself comes first.
pub fn candidates(engine: Engine) -> [&'static str; 2] {
    match engine {
        Engine::Containerd | Engine::Docker => ["runc", "crun"],
        Engine::Podman | Engine::Crio => ["crun", "runc"],
    }
}

/// What the machine has of it.
#[derive(Debug)]
pub struct Now<'a> {
    /// The text of the file.
    pub text: Option<&'a str>,
    /// The link beside it.
    pub link: link::Found,
}

/// The change. `find` gives the absolute path of the first of these programs that is installed, each a name or a path.
pub fn plan(
    path: &Path,
    now: &Now<'_>,
    engine: Engine,
    find: &dyn Fn(&[&str]) -> Option<String>,
    action: Action,
) -> Result<Outcome, SetupError> {
    let ours = now.text.and_then(Ours::read);
    match (action, now.text, ours) {
        (Action::Remove, _, None) => Ok(Outcome::default()),
        (Action::Remove, _, Some(ours)) => Ok(without(path, now, engine, ours, find)),
        (Action::Add, Some(text), ours) => {
            let refused = |error| SetupError::Runtime(Box::new(error));
            let settings = Settings::parse(path, text).map_err(refused)?;
            let Some(mut ours) = ours else {
                return Ok(Outcome::of([], beside_foreign(path, now)));
            };
            let below = below(&settings, find);
            let linked = link::add(path, &now.link, ours.has_link, below.as_deref())?;
            ours.engines.insert(engine.as_str());
            ours.has_link = linked.is_ours;
            Ok(of(path, now, Some(ours.written()), linked))
        }
        (Action::Add, None, _) if now.link != link::Found::Nothing => {
            // The link names the runtime already, and is somebody else's.
            let linked = link::add(path, &now.link, false, None)?;
            Ok(of(path, now, None, linked))
        }
        (Action::Add, None, _) => {
            let candidates = candidates(engine);
            let Some(below) = find(&candidates) else {
                let [first, second] = candidates;
                let note = format!(
                    "neither {first} nor {second} is installed, so {} is not written: kerf-runtime needs one of them",
                    path.display()
                );
                return Ok(Outcome::of([], vec![note]));
            };
            let linked = link::add(path, &now.link, false, Some(Path::new(&below)))?;
            let ours = Ours {
                engines: BTreeSet::from([engine.as_str()]),
                has_link: linked.is_ours,
                body: &format!("runtime = {}\n", quoted(&below)),
            };
            Ok(of(path, now, Some(ours.written()), linked))
        }
    }
}

/// What is left when an engine goes.
fn without(
    path: &Path,
    now: &Now<'_>,
    engine: Engine,
    mut ours: Ours<'_>,
    find: &dyn Fn(&[&str]) -> Option<String>,
) -> Outcome {
    ours.engines.remove(engine.as_str());
    if !ours.engines.is_empty() {
        return of(path, now, Some(ours.written()), Linked::default());
    }
    // What somebody has added to the file is theirs; what cannot be read names nothing.
    let settings = Settings::parse(path, ours.body).unwrap_or_default();
    let below = below(&settings, find);
    let edit = link::remove(path, &now.link, ours.has_link, below.as_deref());
    let linked = Linked {
        edit,
        ..Linked::default()
    };
    let rest = (!ours.is_plain()).then(|| ours.body.to_owned());
    of(path, now, rest, linked)
}

/// The program that the settings mean, as [`Settings::find_runtime`] finds it.
fn below(settings: &Settings, find: &dyn Fn(&[&str]) -> Option<String>) -> Option<PathBuf> {
    let name = settings.runtime.as_deref().unwrap_or(Path::new("runc"));
    match name.is_absolute() {
        true => Some(name.to_owned()),
        false => find(&[name.to_str()?]).map(PathBuf::from),
    }
}

/// A file of somebody else's has no room for the mark of a link.
fn beside_foreign(path: &Path, now: &Now<'_>) -> Vec<String> {
    let note = || {
        format!(
            "{} is not kerf setup's, and so {} is not made: a link of yours to the runtime that the file names spares every other verb the reading",
            path.display(),
            link::beside(path).display()
        )
    };
    (now.link == link::Found::Nothing)
        .then(note)
        .into_iter()
        .collect()
}

fn of(path: &Path, now: &Now<'_>, after: Option<String>, linked: Linked) -> Outcome {
    let edit = Edit {
        path: path.to_owned(),
        before: now.text.map(str::to_owned),
        after,
    };
    Outcome {
        link: linked.edit,
        ..Outcome::of([edit], Vec::from_iter(linked.note))
    }
}

/// The file as kerf writes it.
struct Ours<'a> {
    engines: BTreeSet<&'a str>,
    /// Whether the link beside it is kerf's.
    has_link: bool,
    /// What follows.
    body: &'a str,
}

impl<'a> Ours<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (first, below) = text.split_once('\n')?;
        let engines = first.strip_prefix(FIRST)?.split(", ");
        let body = below.strip_prefix(link::MARK);
        Some(Self {
            engines: engines.filter(|word| !word.is_empty()).collect(),
            has_link: body.is_some(),
            body: body.unwrap_or(below),
        })
    }

    /// Whether nobody has added to it.
    fn is_plain(&self) -> bool {
        self.body.starts_with("runtime = ") && self.body.lines().count() == 1
    }

    fn written(&self) -> String {
        let engines: Vec<&str> = self.engines.iter().copied().collect();
        let mark = if self.has_link { link::MARK } else { "" };
        format!("{FIRST}{}\n{mark}{}", engines.join(", "), self.body)
    }
}
