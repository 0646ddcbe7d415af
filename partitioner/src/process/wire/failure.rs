//! Errors of what is done to processes, as a message and back: what a person reads is the same on both sides. Pure.

use std::io;
use std::path::Path;

use kerf_api::partitioner::v1::ActFailure;
use kerf_api::partitioner::v1::act_failure::Kind;

use super::{all_bytes, bytes, path, paths};
use crate::in_words;
use crate::process::attach::AttachError;
use crate::process::confine::ConfineError;
use crate::process::control::RuleError;
use crate::process::guard::GuardError;

fn of(kind: Kind) -> ActFailure {
    ActFailure {
        kind: kind.into(),
        ..ActFailure::default()
    }
}

fn at(kind: Kind, path: &Path) -> ActFailure {
    ActFailure {
        path: bytes(path),
        ..of(kind)
    }
}

fn caused(failure: ActFailure, source: &io::Error) -> ActFailure {
    ActFailure {
        errno: source.raw_os_error(),
        why: source.to_string(),
        ..failure
    }
}

fn cause(failure: &ActFailure) -> io::Error {
    match failure.errno {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::other(failure.why.clone()),
    }
}

/// What kerfd alone says has no kind, and goes in words.
pub fn attach_failure(error: &AttachError) -> ActFailure {
    match error {
        AttachError::NoContainer { name } => ActFailure {
            name: name.clone(),
            ..of(Kind::NoContainer)
        },
        AttachError::Several { name, folders } => ActFailure {
            name: name.clone(),
            folders: all_bytes(folders),
            ..of(Kind::Several)
        },
        AttachError::V2 { name, folder } => ActFailure {
            name: name.clone(),
            ..at(Kind::V2, folder)
        },
        AttachError::Open { name, folder } => ActFailure {
            name: name.clone(),
            ..at(Kind::Open, folder)
        },
        AttachError::NotApart { name, why } => ActFailure {
            name: name.clone(),
            why: why.clone(),
            ..of(Kind::NotApart)
        },
        AttachError::Dev { name, why } => ActFailure {
            name: name.clone(),
            why: why.clone(),
            ..of(Kind::Dev)
        },
        AttachError::Taken { path, why } => ActFailure {
            why: why.clone(),
            ..at(Kind::Taken, path)
        },
        AttachError::Make { path, source } => caused(at(Kind::Make, path), source),
        AttachError::Kept { folder, node } => ActFailure {
            node: bytes(node),
            ..at(Kind::Kept, folder)
        },
        AttachError::Rule(error) => rule_failure(error),
        AttachError::Differs { folder, what } => ActFailure {
            why: what.clone(),
            ..at(Kind::Differs, folder)
        },
        AttachError::Gone { folder } => at(Kind::Gone, folder),
        AttachError::Others { .. }
        | AttachError::Mounts { .. }
        | AttachError::NotAttached { .. }
        | AttachError::InUse { .. } => ActFailure {
            why: in_words(error),
            ..of(Kind::Unspecified)
        },
    }
}

/// `None` for a failure of another kind.
pub fn attach_error(failure: ActFailure) -> Option<AttachError> {
    let (kind, source) = (failure.kind(), cause(&failure));
    let ActFailure {
        name, why, rule, ..
    } = failure;
    let place = path(failure.path);
    Some(match kind {
        Kind::NoContainer => AttachError::NoContainer { name },
        Kind::Several => AttachError::Several {
            name,
            folders: paths(failure.folders),
        },
        Kind::V2 => AttachError::V2 {
            name,
            folder: place,
        },
        Kind::Open => AttachError::Open {
            name,
            folder: place,
        },
        Kind::NotApart => AttachError::NotApart { name, why },
        Kind::Dev => AttachError::Dev { name, why },
        Kind::Taken => AttachError::Taken { path: place, why },
        Kind::Make => AttachError::Make {
            path: place,
            source,
        },
        Kind::Kept => AttachError::Kept {
            folder: place,
            node: path(failure.node),
        },
        Kind::Rule => AttachError::Rule(RuleError {
            file: place,
            rule,
            source,
        }),
        Kind::Differs => AttachError::Differs {
            folder: place,
            what: why,
        },
        Kind::Gone => AttachError::Gone { folder: place },
        Kind::Unspecified | Kind::Wide | Kind::Move | Kind::Guard => return None,
    })
}

fn rule_failure(error: &RuleError) -> ActFailure {
    ActFailure {
        rule: error.rule.clone(),
        ..caused(at(Kind::Rule, &error.file), &error.source)
    }
}

/// Of a bare process.
pub fn confine_failure(error: &ConfineError) -> ActFailure {
    match error {
        ConfineError::Kept { folder, node } => ActFailure {
            node: bytes(node),
            ..at(Kind::Kept, folder)
        },
        ConfineError::Rule(error) => rule_failure(error),
        ConfineError::Wide { folder, what } => ActFailure {
            why: what.clone(),
            ..at(Kind::Wide, folder)
        },
        ConfineError::Move {
            pid,
            folder,
            source,
        } => ActFailure {
            pid: *pid,
            ..caused(at(Kind::Move, folder), source)
        },
    }
}

/// `None` for a failure of another kind.
pub fn confine_error(failure: ActFailure) -> Option<ConfineError> {
    let (kind, source) = (failure.kind(), cause(&failure));
    let place = path(failure.path);
    Some(match kind {
        Kind::Kept => ConfineError::Kept {
            folder: place,
            node: path(failure.node),
        },
        Kind::Rule => ConfineError::Rule(RuleError {
            file: place,
            rule: failure.rule,
            source,
        }),
        Kind::Wide => ConfineError::Wide {
            folder: place,
            what: failure.why,
        },
        Kind::Move => ConfineError::Move {
            pid: failure.pid,
            folder: place,
            source,
        },
        _ => return None,
    })
}

/// Of a guard that was not started.
pub fn guard_failure(error: &GuardError) -> ActFailure {
    caused(at(Kind::Guard, &error.program), &error.source)
}

/// `None` for a failure of another kind.
pub fn guard_error(failure: ActFailure) -> Option<GuardError> {
    let source = cause(&failure);
    let is_one = failure.kind() == Kind::Guard;
    let program = path(failure.path);
    is_one.then_some(GuardError { program, source })
}
