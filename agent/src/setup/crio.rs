//! CRI-O: a runtime table in a file of crio.conf.d (crio.conf.d(5): files there are laid over crio.conf in order of their
//! names).

use std::path::Path;

use super::dropin::Form;
use super::text::{Toml, quoted};
use super::{Engine, Handlers, Outcome, SetupError, Source, Wish};

/// kerf's file.
pub const PATH: &str = "/etc/crio/crio.conf.d/50-kerf.conf";

/// The files beside it.
pub const OTHERS: [&str; 2] = ["/etc/crio/crio.conf", "/etc/crio/crio.conf.d/*"];

const RUNTIMES: [&str; 3] = ["crio", "runtime", "runtimes"];

/// The change.
pub fn plan(
    path: &Path,
    now: Option<&str>,
    others: &[Source],
    wish: &Wish,
) -> Result<Outcome, SetupError> {
    let form = Form {
        engine: Engine::Crio,
        handlers,
        body,
    };
    form.plan(path, now, others, wish)
}

fn handlers(path: &Path, text: &str) -> Result<Handlers, SetupError> {
    let toml = Toml::parse(path, text)?;
    let [crio, runtime, runtimes] = RUNTIMES;
    let names = toml.names(&RUNTIMES).into_iter();
    let of = |name: &str| {
        let program = toml.text_at(&[crio, runtime, runtimes, name, "runtime_path"]);
        (name.to_owned(), program.unwrap_or_default().to_owned())
    };
    Ok(names.map(of).collect())
}

/// The state lies in a folder of its own: two runtimes of different make in one would misread each other's.
fn body(handlers: &Handlers) -> String {
    let table = |(name, program): (&String, &String)| {
        let program = quoted(program);
        let root = quoted(&format!("/run/crio-{name}"));
        format!(
            "[crio.runtime.runtimes.{name}]\nruntime_path = {program}\nruntime_type = \"oci\"\nruntime_root = {root}\n"
        )
    };
    handlers.iter().map(table).collect()
}
