//! What the engine asks the runtime to do, read from its argument list as runc's CLI reads it.
//!
//! Pure. Global flags come first, with their value in the next argument or after `=`, with one dash or two;
//! flags of the verb may stand before and after the container id, as runc (urfave/cli) and crun (argp)
//! allow. Where runc and this reading could differ the answer is an error and never a plain exec: a create
//! that slips through unread would start without what it asked for.

#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Global flags of runc and crun that take a value.
const GLOBAL_WITH_VALUE: [&str; 7] = [
    "root",
    "log",
    "log-format",
    "log-level",
    "criu",
    "rootless",
    "cgroup-manager",
];
/// Global flags that take none.
const GLOBAL_PLAIN: [&str; 8] = [
    "debug",
    "systemd-cgroup",
    "help",
    "h",
    "version",
    "v",
    "V",
    "usage",
];
/// Flags of create, run and restore that take a value. A long flag that is not in this list is taken for
/// a plain one; if it takes a value after all, that value counts as a second container id and is refused.
const VERB_WITH_VALUE: [&str; 15] = [
    "bundle",
    "b",
    "config",
    "f",
    "console-socket",
    "pid-file",
    "pidfd-socket",
    "preserve-fds",
    "image-path",
    "work-path",
    "parent-path",
    "manage-cgroups-mode",
    "empty-ns",
    "lsm-profile",
    "lsm-mount-context",
];

/// Flags of those verbs that take none, for the one spelling in which they could be taken for another.
const VERB_PLAIN: [&str; 5] = [
    "no-pivot",
    "no-new-keyring",
    "no-subreaper",
    "detach",
    "keep",
];

/// Where and how the engine wants errors logged; taken from the global flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogTarget {
    /// Value of `--log`.
    pub path: Option<PathBuf>,
    /// Whether `--log-format json` was given.
    pub is_json: bool,
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// Where errors go beside stderr.
    pub log: LogTarget,
    /// Last component of `--root`: containerd keeps one runtime root per namespace. Else empty.
    pub namespace: String,
    /// What is to be done.
    pub action: Action,
}

/// What a command line is for the shim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `create` or `run`: a container is about to be made from a bundle.
    Create(Target),
    /// `restore`: a container is made from a checkpoint.
    Restore(Target),
    /// Anything else; the runtime's own business.
    PassOn,
}

/// The container that a verb is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Container id.
    pub id: String,
    /// `--bundle`, or the working directory.
    pub bundle: PathBuf,
    /// `--pid-file`.
    pub pid_file: Option<PathBuf>,
    /// Number of arguments from the container id, or the `--` before it, to the end: flags may be added
    /// before these.
    pub tail: usize,
}

/// A command line whose meaning is not certain.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ArgvError {
    /// A global flag that may or may not take a value, before a verb that matters.
    #[error("the global flag {flag:?} is not known, so the verb cannot be told")]
    UnknownGlobal {
        /// The flag as given.
        flag: String,
    },
    /// The last argument is a flag that wants a value.
    #[error("the flag {flag:?} has no value")]
    NoValue {
        /// The flag.
        flag: String,
    },
    /// Not exactly one container id.
    #[error("{verb} takes one container id, found {found}")]
    Ids {
        /// The verb.
        verb: String,
        /// How many there were.
        found: usize,
    },
    /// A short form that crun's parser would take apart: `-bPATH`, `--bund PATH`.
    #[error("the flag {flag:?} is not spelled in full")]
    Abbreviated {
        /// The flag as given.
        flag: String,
    },
    /// `--help=false`: a runtime makes the container, which is not what `--help` means.
    #[error("the flag {flag:?} has a value, so it cannot be told whether a container is made")]
    HelpValue {
        /// The flag as given.
        flag: String,
    },
    /// crun's `--config`: it would start from another file than the one that is checked and edited.
    #[error("the flag --config is not supported, config.json of the bundle is what counts")]
    Config,
    /// An id or a namespace that is not text.
    #[error("the {what} is not UTF-8")]
    NotText {
        /// What it is.
        what: &'static str,
    },
}

/// Reads the arguments after the program's name. The log target is found even where the rest is an error,
/// so that the error can be written there.
pub fn parse(args: &[OsString]) -> (LogTarget, Result<Invocation, ArgvError>) {
    let mut globals = Globals::default();
    let parsed = globals.read(args).and_then(|rest| {
        let action = action(rest)?;
        let namespace = match (&action, &globals.root) {
            (Action::PassOn, _) | (_, None) => String::new(),
            (_, Some(root)) => text(root.file_name().unwrap_or_default(), "runtime root")?,
        };
        Ok(Invocation {
            log: globals.log.clone(),
            namespace,
            action,
        })
    });
    (globals.log, parsed)
}

impl Target {
    /// The command line with `--pid-file` added for the runtime.
    pub fn with_pid_file(&self, args: &[OsString], pid_file: &Path) -> Vec<OsString> {
        let (flags, tail) = args.split_at(args.len().saturating_sub(self.tail));
        let added = [OsString::from("--pid-file"), pid_file.into()];
        flags
            .iter()
            .cloned()
            .chain(added)
            .chain(tail.iter().cloned())
            .collect()
    }
}

#[derive(Default)]
struct Globals {
    log: LogTarget,
    root: Option<PathBuf>,
}

impl Globals {
    /// Reads the flags before the verb; what is left starts with the verb.
    fn read<'a>(&mut self, args: &'a [OsString]) -> Result<&'a [OsString], ArgvError> {
        let mut rest = args;
        while let Some((first, after)) = rest.split_first() {
            let Some((name, inline)) = flag(first) else {
                return Ok(rest);
            };
            rest = after;
            if name.is_empty() {
                return Ok(rest); // "--" ends the flags
            }
            if GLOBAL_WITH_VALUE.iter().any(|known| name == *known) {
                let value = match inline {
                    Some(value) => value,
                    None => next(&mut rest, first)?,
                };
                self.keep(name, value);
            } else if inline.is_none()
                && !GLOBAL_PLAIN.iter().any(|known| name == *known)
                && rest.iter().any(|arg| verb(arg) != Verb::Other)
            {
                let flag = first.to_string_lossy().into_owned();
                return Err(ArgvError::UnknownGlobal { flag });
            }
        }
        Ok(rest)
    }

    fn keep(&mut self, name: &OsStr, value: &OsStr) {
        match name.as_bytes() {
            b"root" => self.root = Some(PathBuf::from(value)),
            b"log" => {
                self.log.path = Some(PathBuf::from(value)).filter(|p| !p.as_os_str().is_empty())
            }
            b"log-format" => self.log.is_json = value == "json",
            _ => {}
        }
    }
}

#[derive(PartialEq, Eq)]
enum Verb {
    Create,
    Restore,
    Other,
}

fn verb(arg: &OsStr) -> Verb {
    match arg.as_bytes() {
        b"create" | b"run" => Verb::Create,
        b"restore" => Verb::Restore,
        _ => Verb::Other,
    }
}

fn action(rest: &[OsString]) -> Result<Action, ArgvError> {
    let Some((word, flags)) = rest.split_first() else {
        return Ok(Action::PassOn);
    };
    match verb(word) {
        Verb::Create => Ok(target(word, flags)?.map_or(Action::PassOn, Action::Create)),
        Verb::Restore => Ok(target(word, flags)?.map_or(Action::PassOn, Action::Restore)),
        Verb::Other => Ok(Action::PassOn),
    }
}

/// The container of a verb, or nothing where only its help is asked for.
fn target(verb: &OsStr, args: &[OsString]) -> Result<Option<Target>, ArgvError> {
    let mut rest = args;
    let mut ids: Vec<&OsStr> = Vec::new();
    let mut bundle = PathBuf::from(".");
    let mut pid_file = None;
    let mut tail = None;
    while let Some((first, after)) = rest.split_first() {
        let here = rest.len();
        rest = after;
        let Some((name, inline)) = flag(first) else {
            tail.get_or_insert(here);
            ids.push(first);
            continue;
        };
        if name.is_empty() {
            tail.get_or_insert(here);
            ids.extend(rest.iter().map(OsString::as_os_str));
            break;
        }
        if ["help", "h", "?", "usage"].iter().any(|help| name == *help) {
            let flag = || first.to_string_lossy().into_owned();
            return match inline {
                None => Ok(None),
                Some(_) => Err(ArgvError::HelpValue { flag: flag() }),
            };
        }
        if !VERB_WITH_VALUE.iter().any(|known| name == *known) {
            refuse_abbreviation(first, name)?;
            continue;
        }
        let value = match inline {
            Some(value) => value,
            None => next(&mut rest, first)?,
        };
        match name.as_bytes() {
            b"bundle" | b"b" => bundle = PathBuf::from(value),
            b"pid-file" => pid_file = Some(PathBuf::from(value)),
            b"config" | b"f" => return Err(ArgvError::Config),
            _ => {}
        }
    }
    match ids.as_slice() {
        [id] => Ok(Some(Target {
            id: text(id, "container id")?,
            bundle: if bundle == Path::new("") {
                PathBuf::from(".")
            } else {
                bundle
            },
            pid_file: pid_file.filter(|path: &PathBuf| !path.as_os_str().is_empty()),
            tail: tail.unwrap_or_default(),
        })),
        other => Err(ArgvError::Ids {
            verb: verb.to_string_lossy().into_owned(),
            found: other.len(),
        }),
    }
}

/// Refuses a flag that is not known here and that crun might read as `--bundle` or `--config`.
fn refuse_abbreviation(given: &OsStr, name: &OsStr) -> Result<(), ArgvError> {
    if VERB_PLAIN.iter().any(|known| name == *known) {
        return Ok(());
    }
    let name = name.as_bytes();
    let is_short = !given.as_bytes().starts_with(b"--");
    let clashes = if is_short {
        name.len() > 1
    } else {
        ["bundle", "config"]
            .iter()
            .any(|known| known.as_bytes().starts_with(name))
    };
    if clashes {
        let flag = given.to_string_lossy().into_owned();
        return Err(ArgvError::Abbreviated { flag });
    }
    Ok(())
}

/// The name of a flag and its value after `=`; nothing for an argument that is no flag. `--` gives an
/// empty name, a lone `-` is an argument.
fn flag(arg: &OsStr) -> Option<(&OsStr, Option<&OsStr>)> {
    let bytes = arg.as_bytes();
    let name = bytes.strip_prefix(b"--").or(bytes.strip_prefix(b"-"))?;
    if bytes == b"-" {
        return None;
    }
    let Some(at) = name.iter().position(|b| *b == b'=') else {
        return Some((OsStr::from_bytes(name), None));
    };
    let (name, value) = name.split_at(at);
    let value = value.strip_prefix(b"=").unwrap_or(value);
    Some((OsStr::from_bytes(name), Some(OsStr::from_bytes(value))))
}

fn next<'a>(rest: &mut &'a [OsString], flag: &OsStr) -> Result<&'a OsStr, ArgvError> {
    let Some((value, after)) = rest.split_first() else {
        let flag = flag.to_string_lossy().into_owned();
        return Err(ArgvError::NoValue { flag });
    };
    *rest = after;
    Ok(value)
}

fn text(value: &OsStr, what: &'static str) -> Result<String, ArgvError> {
    let text = value.to_str().ok_or(ArgvError::NotText { what })?;
    Ok(text.to_owned())
}
