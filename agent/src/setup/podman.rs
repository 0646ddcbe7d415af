//! podman: `[engine.runtimes]` in a file of containers.conf.d (containers.conf(5): files there are laid over
//! `/usr/share/containers/containers.conf` and `/etc/containers/containers.conf`, table by table).

use std::path::Path;

use toml_edit::Item;

use super::dropin::Form;
use super::text::{Toml, quoted};
use super::{Engine, Handlers, Outcome, SetupError, Source, Wish};

/// kerf's file.
pub const PATH: &str = "/etc/containers/containers.conf.d/50-kerf.conf";

/// The files beside it.
pub const OTHERS: [&str; 3] = [
    "/usr/share/containers/containers.conf",
    "/etc/containers/containers.conf",
    "/etc/containers/containers.conf.d/*.conf",
];

const RUNTIMES: [&str; 2] = ["engine", "runtimes"];

/// The change.
pub fn plan(
    path: &Path,
    now: Option<&str>,
    others: &[Source],
    wish: &Wish,
) -> Result<Outcome, SetupError> {
    let form = Form {
        engine: Engine::Podman,
        handlers,
        body,
    };
    form.plan(path, now, others, wish)
}

/// The first path of each counts that is there; kerf writes one.
fn handlers(path: &Path, text: &str) -> Result<Handlers, SetupError> {
    let toml = Toml::parse(path, text)?;
    let [engine, runtimes] = RUNTIMES;
    let names = toml.names(&RUNTIMES).into_iter();
    let of = |name: &str| {
        let paths = toml.get(&[engine, runtimes, name]).and_then(Item::as_array);
        let first = paths.and_then(|paths| paths.get(0)?.as_str());
        (name.to_owned(), first.unwrap_or_default().to_owned())
    };
    Ok(names.map(of).collect())
}

fn body(handlers: &Handlers) -> String {
    let line = |(name, program): (&String, &String)| format!("{name} = [{}]\n", quoted(program));
    let lines: String = handlers.iter().map(line).collect();
    format!("[engine.runtimes]\n{lines}")
}
