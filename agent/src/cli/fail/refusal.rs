//! What kerfd says when it refuses, as it comes over the wire: words, causes and a hint.

use tonic::{Code, Status};

use crate::cli::excerpt::Excerpt;
use crate::rpc::{CAUSES, HINT};

/// What kerfd says when it refuses.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Its words.
    pub message: String,
    /// Why, as far as kerfd tells it apart.
    #[source]
    pub cause: Option<Box<Cause>>,
    /// The kind of refusal.
    pub code: Code,
    /// What to do, in its words.
    pub hint: Option<String>,
    /// The line of a document that it is about.
    pub excerpt: Option<Box<Excerpt>>,
}

/// One cause of a refusal, and what is behind it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Cause {
    message: String,
    #[source]
    next: Option<Box<Cause>>,
}

impl Cause {
    fn of(lines: &[&str]) -> Option<Box<Self>> {
        let (first, rest) = lines.split_first()?;
        let (message, next) = ((*first).to_owned(), Self::of(rest));
        Some(Box::new(Self { message, next }))
    }
}

/// Most causes that are shown; a kerfd that sends more is not one of ours.
const CAUSES_SHOWN: usize = 16;

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let hint = status
            .metadata()
            .get(HINT)
            .and_then(|hint| hint.to_str().ok());
        let causes = status
            .metadata()
            .get_bin(CAUSES)
            .and_then(|value| value.to_bytes().ok())
            .and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
            .unwrap_or_default();
        let lines: Vec<&str> = causes.lines().take(CAUSES_SHOWN).collect();
        let (message, cause) = match (lines.split_first(), status.message()) {
            (Some((first, rest)), _) => (*first, Cause::of(rest)),
            (None, "") => (status.code().description(), None),
            (None, message) => (message, None),
        };
        Self {
            message: message.to_owned(),
            cause,
            code: status.code(),
            hint: hint.map(str::to_owned),
            excerpt: None,
        }
    }
}

impl Refusal {
    /// The profile that the planner does not know, with the one most like it.
    pub(super) fn wrong_profile(&self) -> Option<(String, Option<String>)> {
        let mut cause = self.cause.as_deref();
        while let Some(Cause { message, next }) = cause {
            if let Some(rest) = message.strip_prefix("no profile ") {
                let name = rest.split_whitespace().next()?;
                let nearest = rest.split_once("nearest is ").map(|(_, rest)| rest);
                let nearest = nearest.and_then(|rest| rest.split(';').next());
                return Some((name.to_owned(), nearest.map(str::to_owned)));
            }
            if let Some((name, _)) = message.split_once(" could mean ") {
                return Some((name.to_owned(), None));
            }
            cause = next.as_deref();
        }
        None
    }

    pub(super) fn hint(&self) -> Option<String> {
        let own = match self.code {
            Code::Unimplemented => "kerfd is older than kerf: restart it after the upgrade",
            Code::DeadlineExceeded => "kerfd is busy with something long: see `kerf status`",
            _ => return self.hint.clone(),
        };
        self.hint.clone().or_else(|| Some(own.to_owned()))
    }
}
