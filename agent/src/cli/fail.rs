//! What can go wrong, in words for the one who typed the command, with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use kerf_api::convert::ConvertError;
use kerf_api::json::checkpoint::Nameless;
use kerf_api::json::job::JobSpecError;
use tonic::{Code, Status};

use super::excerpt::Excerpt;
use super::input::{InputError, Source};
use super::layout::LayoutInputError;
use super::lease::ExecError;
use super::run::RunError;
use super::setup::FilesError;
use super::sim::SimError;
use super::style::{Ink, Style};
use super::topology::pick::PickError;
use crate::config::ConfigError;

mod refusal;

pub use refusal::Refusal;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A name that is no accelerator's.
    #[error("there is no accelerator {named}; there are {known}")]
    NoAccelerator {
        /// What was named.
        named: String,
        /// The addresses of those that there are.
        known: String,
    },
    /// Options that do not go together.
    #[error("{why}")]
    Unfit {
        /// Which, and why.
        why: &'static str,
    },
    /// A key could not be made.
    #[error("cannot make a key")]
    Key(#[source] Box<crate::peers::keyring::KeysError>),
    /// A token could not be read from standard input.
    #[error("cannot read the token from standard input")]
    Token {
        /// Why.
        source: io::Error,
    },
    /// Nobody answers on the socket.
    #[error("cannot reach kerfd on {}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody answers, and not as kerfd does.
    #[error("whoever listens on {} does not speak gRPC", socket.display())]
    Foreign {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: tonic::transport::Error,
    },
    /// kerfd refused a call, or failed in it.
    #[error("cannot {what}")]
    Call {
        /// What was tried.
        what: &'static str,
        /// What kerfd says.
        source: Refusal,
    },
    /// A call ended without its last answer.
    #[error("cannot {what}: kerfd ended its answer too early")]
    Unfinished {
        /// What was tried.
        what: &'static str,
    },
    /// A file of mig-parted cannot say what is there.
    #[error("a file of mig-parted cannot say that GPUs are shared, as these are: {}", .gpus.join(", "))]
    NotMigParted {
        /// Their addresses.
        gpus: Vec<String>,
    },
    /// kerfd's answer does not hold what it must.
    #[error("kerfd's answer cannot be read; kerf and kerfd may differ in version")]
    Answer(#[from] ConvertError),
    /// kerfd's answer holds a job that cannot be read.
    #[error("a job in kerfd's answer cannot be read; kerf and kerfd may differ in version")]
    AnsweredJob(#[source] JobSpecError),
    /// kerfd's answer holds an explanation that cannot be read.
    #[error(
        "the explanation in kerfd's answer cannot be read; kerf and kerfd may differ in version"
    )]
    AnsweredExplanation(#[source] serde_json::Error),
    /// kerfd's answer holds a configuration that cannot be read.
    #[error("the configuration in kerfd's answer cannot be read")]
    AnsweredConfig(#[source] toml::de::Error),
    /// A file, or what was typed, does not read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A layout does not make sense.
    #[error(transparent)]
    Layout(#[from] LayoutInputError),
    /// What is there cannot be said in a document.
    #[error("what is there cannot be written as a document")]
    Nameless(#[from] Nameless),
    /// A checkpoint does not make sense.
    #[error("{name} is not a right checkpoint")]
    Checkpoint {
        /// The file.
        name: String,
        /// What is wrong.
        source: ConvertError,
    },
    /// A document could not be written as TOML.
    #[error("cannot write the document as TOML")]
    Toml(#[source] toml::ser::Error),
    /// kerfd's answer holds a history entry that cannot be read.
    #[error("the history in kerfd's answer cannot be read; kerf and kerfd may differ in version")]
    AnsweredHistory(#[source] serde_json::Error),
    /// kerfd's answer holds an account that cannot be read.
    #[error("an account in kerfd's answer cannot be read; kerf and kerfd may differ in version")]
    AnsweredUsage(#[source] serde_json::Error),
    /// Processes of kerf have the driver open although it is in maintenance.
    #[error("the driver is not closed: {}", .0.join("; "))]
    DriverHeld(Vec<String>),
    /// There is no such entry in the history.
    #[error("the history has no entry {number}")]
    NoEntry {
        /// Its number.
        number: u64,
    },
    /// A job's description does not make sense.
    #[error("the description of the job is not right")]
    Spec(#[source] ConvertError),
    /// No accelerators are picked.
    #[error(transparent)]
    Pick(#[from] PickError),
    /// A job could not be run or followed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// No job or lease, or too many, have an id that begins so.
    #[error(
        "{count} {what} have an id that begins with {prefix:?}{}",
        listed(candidates)
    )]
    Prefix {
        /// `jobs` or `leases`.
        what: &'static str,
        /// What was given.
        prefix: String,
        /// How many fit.
        count: usize,
        /// Some of them.
        candidates: Vec<String>,
    },
    /// Several leases are attached to a container.
    #[error("container {container} has several leases attached: {}", leases.join(", "))]
    Attached {
        /// As it was named.
        container: String,
        /// They.
        leases: Vec<String>,
    },
    /// The command of `kerf lease exec` could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A configuration that kerfd would not run with.
    #[error("the configuration is not right")]
    Config(#[from] ConfigError),
    /// An engine's files were not changed.
    #[error(transparent)]
    Setup(#[from] FilesError),
    /// A simulated machine could not be made or changed.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// The worker's program could not be started.
    #[error("cannot start {}", program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("cannot {operation} {}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file, or its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machinery for waiting could not be made.
    #[error("cannot start the runtime")]
    Runtime {
        /// Why.
        source: io::Error,
    },
    /// Whoever read standard output has gone; not an error for anybody.
    #[error("standard output is closed")]
    OutputClosed,
    /// Standard output takes no more.
    #[error("cannot write to standard output")]
    Output {
        /// Why.
        source: io::Error,
    },
    /// A document could not be written as JSON.
    #[error("cannot write the document as JSON")]
    Json(#[source] serde_json::Error),
    /// A document could not be written as YAML.
    #[error("cannot write the document as YAML")]
    Yaml(#[source] Box<serde_saphyr::SerializeError>),
}

impl Failure {
    /// For `map_err`: a file could not be read or written.
    pub fn file(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err`: kerfd refused to `what`.
    pub fn call(what: &'static str) -> impl Fn(Status) -> Self {
        move |status| Self::Call {
            what,
            source: (&status).into(),
        }
    }

    /// For `map_err`.
    pub fn json(error: serde_json::Error) -> Self {
        // serde_json hands on what the writer said; there is no writer here but a string.
        Self::Json(error)
    }

    /// For `map_err`.
    pub fn yaml(error: serde_saphyr::SerializeError) -> Self {
        Self::Yaml(Box::new(error))
    }

    /// The line of a document that is wrong.
    fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::Input(error) => error.excerpt(),
            Self::Layout(error) => error.excerpt(),
            Self::Call { source, .. } => source.excerpt.as_deref(),
            _ => None,
        }
    }

    /// The same, with the line of `source` that kerfd's refusal is about: a profile that no GPU has.
    pub fn pointing_at(mut self, source: Option<&Source>) -> Self {
        if let (
            Self::Call {
                source: refusal, ..
            },
            Some(source),
        ) = (&mut self, source)
        {
            refusal.excerpt = refusal.wrong_profile().and_then(|(profile, nearest)| {
                let hint = nearest.map(|nearest| format!("nearest is {nearest}"));
                source.excerpt_of(&profile, hint).map(Box::new)
            });
        }
        self
    }

    /// Whether the command was wrong, and not what it met.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Input(error) => error.is_usage(),
            Self::Layout(error) => error.is_usage(),
            Self::Pick(error) => error.is_usage(),
            Self::Setup(error) => error.is_usage(),
            Self::Sim(error) => error.is_usage(),
            Self::Unfit { .. }
            | Self::NoAccelerator { .. }
            | Self::Spec(_)
            | Self::Checkpoint { .. }
            | Self::Run(RunError::NoImage { .. }) => true,
            _ => false,
        }
    }

    /// Whether kerfd itself is away, so that trying again may help.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Foreign { .. } | Self::Unfinished { .. } => true,
            Self::Call { source, .. } => matches!(source.code, Code::Unavailable | Code::Unknown),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreachable { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => {
                    "only root and the group kerf may open it; see `id`, and `usermod -aG kerf USER`"
                }
                io::ErrorKind::ConnectionRefused => {
                    "the socket is there and kerfd is not: see `systemctl status kerfd`"
                }
                _ => {
                    "start it with `systemctl start kerfd`, or name the socket of another kerfd \
                     with --socket or KERF_SOCKET"
                }
            },
            Self::Call { source, .. } => return source.hint(),
            Self::Config(error) => {
                return miette::Diagnostic::help(error).map(|help| help.to_string());
            }
            Self::Layout(error) => return error.hint(),
            Self::Pick(error) => return error.hint(),
            Self::Run(error) => return error.hint(),
            Self::Setup(error) => return error.hint(),
            Self::Exec(error) => return error.hint(),
            Self::Sim(error) => return error.hint(),
            Self::DriverHeld(_) => "no worker is killed; look again: `kerf maintenance show`",
            Self::NoEntry { .. } => "see `kerf history`; the oldest are forgotten",
            Self::Checkpoint { .. } => "see `kerf schema checkpoint`",
            Self::Prefix { what: "jobs", .. } => "see `kerf jobs --all`",
            Self::Prefix { .. } => "see `kerf lease list`",
            Self::Attached { .. } => "say which lease; see `kerf lease list`",
            Self::Program { .. } => {
                "kerf-partitioner belongs beside kerf or into /usr/lib/kerf; is the package whole?"
            }
            Self::NotMigParted { .. } => "write a kerf.v1.Layout instead: --format kerf",
            Self::Unfinished { .. } => "see `kerf status`, and the log of kerfd",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// The whole of it: one cause a line, and the hint.
    pub fn show(&self, style: Style) -> String {
        let head = style.paint(Ink::Red, "kerf:");
        let mut text = format!("{head} {self}\n");
        if let Self::Config(error) = self {
            // It shows the line with a caret, and brings its own hint.
            return text + &crate::config::error::show(error);
        }
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&labelled("  because: ", &error.to_string()));
            cause = error.source();
        }
        if let Some(excerpt) = self.excerpt() {
            text.push_str(&excerpt.show());
        }
        if let Some(hint) = self.hint() {
            text.push_str(&labelled(
                &format!("  {} ", style.paint(Ink::Yellow, "hint:")),
                &hint,
            ));
        }
        text
    }
}

/// A text of several lines stays below its label.
fn labelled(label: &str, text: &str) -> String {
    let text = text.trim_end().replace('\n', "\n           ");
    format!("{label}{text}\n")
}

fn listed(candidates: &[String]) -> String {
    if candidates.is_empty() {
        String::new()
    } else {
        format!(": {}", candidates.join(", "))
    }
}
