//! `kerf setup`: makes kerf-runtime known to a container engine, shows what that changes, or takes it back.
//!
//! What changes is decided in [`crate::setup`]; [`files`] reads and writes. Engines are never restarted: which containers
//! that would touch is for whoever runs them to know.

mod engine;
mod files;
mod links;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use kerf_api::json::{Setup, SetupChange, SetupKind};

use super::fail::Failure;
use super::style::{Ink, Style};
use super::{Context, Exit};
use crate::setup::text::{diff, link_diff};
use crate::setup::{
    Action, Edit, Engine, Handler, LinkEdit, Outcome, SetupError, Wish, link, runtime,
};
pub use files::FilesError;
use files::Root;

/// Where the packages put kerf-runtime.
const RUNTIME: &str = "/usr/bin/kerf-runtime";

/// `kerf setup`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// A runtime handler of containerd's CRI plugin, and CDI and NRI
    Containerd(Args),
    /// A runtime of podman: podman run --runtime kerf
    Podman(Args),
    /// A runtime of Docker: docker run --runtime kerf
    Docker(Args),
    /// A runtime handler of CRI-O
    Crio(Args),
}

/// What each engine takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show what would change, and change nothing; the default
    #[arg(long, conflicts_with = "write")]
    dry_run: bool,
    /// Write it
    #[arg(long, conflicts_with = "undo")]
    write: bool,
    /// Take away what kerf setup has written, and nothing else; with --dry-run, show it
    #[arg(long)]
    undo: bool,
    /// How the engine names it; for Kubernetes the handler of the RuntimeClass
    #[arg(long, value_name = "NAME", default_value = "kerf")]
    handler: Handler,
    /// The engine's file; default: where the engine looks
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// The folder that stands for /
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// kerf-runtime, as the engine is to start it; default: beside kerf, else /usr/bin/kerf-runtime
    #[arg(long, value_name = "PATH")]
    runtime: Option<PathBuf>,
}

/// Shows or makes the change.
pub fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    let (engine, args) = match verb {
        Verb::Containerd(args) => (Engine::Containerd, args),
        Verb::Podman(args) => (Engine::Podman, args),
        Verb::Docker(args) => (Engine::Docker, args),
        Verb::Crio(args) => (Engine::Crio, args),
    };
    let root = Root::new(&args.root);
    let wish = wish(args, &root)?;
    let outcome = plan(engine, args, &wish, &root)?;
    let writes = (args.write || args.undo) && !args.dry_run;
    if writes {
        write(&outcome, &root)?;
    }
    let document = document(engine, &wish, &outcome, writes);
    context.print.document(&document, render)?;
    Ok(Exit::Done)
}

fn wish(args: &Args, root: &Root) -> Result<Wish, Failure> {
    let usual = || {
        let beside = std::env::current_exe().map(|kerf| kerf.with_file_name("kerf-runtime"));
        let beside = beside.ok().filter(|path| root.is_real() && path.exists());
        beside.unwrap_or_else(|| RUNTIME.into())
    };
    let program = args.runtime.clone().unwrap_or_else(usual);
    let program = program.to_str().filter(|_| program.is_absolute());
    Ok(Wish {
        handler: args.handler.clone(),
        program: program
            .ok_or(Failure::Unfit {
                why: "--runtime takes an absolute path in UTF-8",
            })?
            .to_owned(),
        action: match args.undo {
            true => Action::Remove,
            false => Action::Add,
        },
    })
}

/// Makes the changes. A link is there no longer than the file that says whose it is.
fn write(outcome: &Outcome, root: &Root) -> Result<(), FilesError> {
    let (goes, comes) = match &outcome.link {
        Some(link) if link.after.is_none() => (Some(link), None),
        link => (None, link.as_ref()),
    };
    goes.map_or(Ok(()), |link| root.write_link(link))?;
    for edit in &outcome.edits {
        root.write(edit)?;
    }
    comes.map_or(Ok(()), |link| root.write_link(link))
}

/// What changes in the engine's files and in those of kerf-runtime.
fn plan(engine: Engine, args: &Args, wish: &Wish, root: &Root) -> Result<Outcome, FilesError> {
    let mut outcome = engine::plan(engine, args.config.as_deref(), wish, root)?;
    let path = std::path::Path::new(runtime::PATH);
    let text = root.read(path)?;
    let now = runtime::Now {
        text: text.as_deref(),
        link: root.link(&link::beside(path))?,
    };
    // The engine may have another handler, which needs them as well.
    let action = match outcome.is_set_up {
        true => Action::Add,
        false => wish.action,
    };
    let settings = runtime::plan(path, &now, engine, &|names| root.program(names), action)?;
    outcome.edits.extend(settings.edits);
    outcome.link = settings.link;
    outcome.notes.extend(settings.notes);
    if wish.action == Action::Add && !root.has_program(&wish.program) {
        let program = &wish.program;
        outcome.notes.push(format!(
            "{program} is not there: containers of the handler do not start until it is"
        ));
    }
    Ok(outcome)
}

/// What is shown of it.
fn document(engine: Engine, wish: &Wish, outcome: &Outcome, written: bool) -> Setup {
    let of_text = |edit: &Edit| SetupChange {
        path: edit.path.display().to_string(),
        kind: kind(edit.before.is_some(), edit.after.is_some()),
        diff: diff(edit),
    };
    let of_link = |edit: &LinkEdit| SetupChange {
        path: edit.path.display().to_string(),
        kind: kind(edit.before.is_some(), edit.after.is_some()),
        diff: link_diff(edit),
    };
    let texts = outcome.edits.iter().map(of_text);
    let changes: Vec<SetupChange> = texts.chain(outcome.link.iter().map(of_link)).collect();
    let restart = engine.restart().filter(|_| !changes.is_empty());
    Setup {
        schema: Default::default(),
        engine: engine.as_str().to_owned(),
        handler: wish.handler.to_string(),
        undo: wish.action == Action::Remove,
        written: written && !changes.is_empty(),
        changes,
        notes: outcome.notes.clone(),
        restart: restart.map(str::to_owned),
    }
}

fn kind(was: bool, is: bool) -> SetupKind {
    match (was, is) {
        (false, _) => SetupKind::Create,
        (true, false) => SetupKind::Remove,
        (true, true) => SetupKind::Change,
    }
}

/// The diff, what it leaves, and what comes next.
pub fn render(setup: &Setup, style: Style) -> String {
    let mut text = String::new();
    for change in &setup.changes {
        for line in change.diff.lines() {
            let ink = match line.chars().next() {
                _ if line.starts_with("+++") || line.starts_with("---") => Ink::Bold,
                Some('+') => Ink::Green,
                Some('-') => Ink::Red,
                Some('@') => Ink::Cyan,
                _ => Ink::Plain,
            };
            text += &format!("{}\n", style.paint(ink, line));
        }
    }
    let note = style.paint(Ink::Yellow, "note:");
    for one in &setup.notes {
        text += &format!("{note} {one}\n");
    }
    let engine = &setup.engine;
    let next = setup.restart.as_ref();
    let next = next.map(|command| format!("; {engine} knows of it after `{command}`"));
    let next = next.unwrap_or_default();
    let flag = if setup.undo { "--undo" } else { "--write" };
    text += &match (setup.changes.is_empty(), setup.written) {
        (true, _) => format!("{engine}: nothing to do\n"),
        (false, true) => format!("{engine}: written{next}\n"),
        (false, false) if setup.undo => {
            format!("{engine}: nothing is changed yet; without --dry-run it is{next}\n")
        }
        (false, false) => format!("{engine}: nothing is written yet; {flag} does it{next}\n"),
    };
    text
}

impl From<SetupError> for FilesError {
    fn from(error: SetupError) -> Self {
        Self::Refused(error)
    }
}
