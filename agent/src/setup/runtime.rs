//! `/etc/kerf/kerf-runtime.toml`: which runtime does the work below kerf-runtime. Made where it is not there, so that it
//! is written down which one is meant; one that somebody else wrote is checked and left.
//!
//! Several engines may use it. Its first line names those that kerf setup has set up, so that it goes with the last.

use std::collections::BTreeSet;
use std::path::Path;

use kerf_runtime::settings::Settings;

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

/// The change; `below` is the runtime's absolute path, where one was found.
pub fn plan(
    path: &Path,
    now: Option<&str>,
    engine: Engine,
    below: Option<&str>,
    action: Action,
) -> Result<Outcome, SetupError> {
    let edit = |after: Option<String>| {
        let edit = Edit {
            path: path.to_owned(),
            before: now.map(str::to_owned),
            after,
        };
        Outcome::of([edit], Vec::new())
    };
    let ours = now.and_then(split);
    match (action, now, ours) {
        (Action::Remove, _, None) => Ok(Outcome::default()),
        (Action::Remove, _, Some((mut engines, body))) => {
            engines.remove(engine.as_str());
            Ok(edit(match engines.is_empty() {
                false => Some(joined(&engines, body)),
                // What somebody added to it is theirs.
                true => (!is_plain(body)).then(|| body.to_owned()),
            }))
        }
        (Action::Add, Some(text), ours) => {
            // kerf-runtime would refuse every container.
            Settings::parse(path, text).map_err(|error| SetupError::Runtime(Box::new(error)))?;
            let Some((mut engines, body)) = ours else {
                return Ok(Outcome::default());
            };
            engines.insert(engine.as_str());
            Ok(edit(Some(joined(&engines, body))))
        }
        (Action::Add, None, _) => {
            let Some(below) = below else {
                let [first, second] = candidates(engine);
                let note = format!(
                    "neither {first} nor {second} is installed, so {} is not written: kerf-runtime needs one of them",
                    path.display()
                );
                return Ok(Outcome::of([], vec![note]));
            };
            let engines = BTreeSet::from([engine.as_str()]);
            Ok(edit(Some(joined(
                &engines,
                &format!("runtime = {}\n", quoted(below)),
            ))))
        }
    }
}

/// The engines in the first line, and what is below it.
fn split(text: &str) -> Option<(BTreeSet<&str>, &str)> {
    let (first, body) = text.split_once('\n')?;
    let engines = first.strip_prefix(FIRST)?.split(", ");
    Some((engines.filter(|word| !word.is_empty()).collect(), body))
}

/// Whether it is what kerf writes.
fn is_plain(body: &str) -> bool {
    body.starts_with("runtime = ") && body.lines().count() == 1
}

fn joined(engines: &BTreeSet<&str>, body: &str) -> String {
    let engines: Vec<&str> = engines.iter().copied().collect();
    format!("{FIRST}{}\n{body}", engines.join(", "))
}
