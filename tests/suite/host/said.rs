//! What a command of ours said, and how it ended.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::world::World;

/// Its texts and its exit code.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Runs a command to its end.
    pub fn by(mut command: Command) -> Self {
        let output = command.output().expect("kerf runs");
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Its output, of a command that ended with this code.
    #[track_caller]
    pub fn ends(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self.out
    }

    /// A refusal with these words in it.
    #[track_caller]
    pub fn refuses(self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "no {word:?} in\n{}", self.err);
        }
        self.ends(1);
    }

    /// Its document, of a command that ended with one of these codes.
    #[track_caller]
    pub fn json(&self, codes: &[i32]) -> Value {
        let (out, err) = (&self.out, &self.err);
        let is_right = self.code.is_some_and(|code| codes.contains(&code));
        assert!(is_right, "{:?}\n{out}\n{err}", self.code);
        serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// Runs kerf with these words.
pub fn kerf(world: &World, words: &[&str]) -> Said {
    let mut command = world.kerfd.kerf().expect("kerf is built");
    command.args(words);
    Said::by(command)
}

/// A path as a word of a command.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("plain paths")
}
