//! Calls that do not do what they should: a wrong answer, a change that is forgotten, an instance
//! in another place, an answer that takes long. Owns what is armed and for how often; where it
//! takes hold is for `ffi` to know.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mischief {
    /// It answers with this code and does nothing.
    Answer(u32),
    /// It does what it should and answers with this code all the same.
    Late(u32),
    /// It answers success and what it changed is forgotten: a create that made nothing, a destroy
    /// that left everything. A handle that it hands out names nothing.
    Forget,
    /// It answers success, and the instance is at another legal place than was asked for; where
    /// there is no other, at the one asked for.
    Elsewhere,
}

/// A function that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// Its name, such as `nvmlGpuInstanceDestroy`.
    pub function: String,
    /// How.
    pub how: Mischief,
    /// How often still; without end where it is `None`.
    pub left: Option<u32>,
}

/// How long a call takes more than it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// Microseconds.
    pub us: u64,
    /// Only while a process runs on a GPU of the machine.
    pub under_load: bool,
}

impl fmt::Display for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            how,
            left,
        } = self;
        match how {
            Mischief::Answer(code) => write!(f, "{function} answers {code}")?,
            Mischief::Late(code) => write!(f, "{function} works and answers {code}")?,
            Mischief::Forget => write!(f, "{function} answers success and changes nothing")?,
            Mischief::Elsewhere => write!(f, "{function} chooses another place")?,
        }
        match left {
            Some(1) => f.write_str(", once more"),
            Some(left) => write!(f, ", {left} times more"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = if self.under_load { " under load" } else { "" };
        write!(f, "takes {} us{when}", self.us)
    }
}

impl Armed {
    /// The code with which the function answers every call and does nothing, where that is how it goes wrong.
    #[must_use]
    pub fn refusal(&self) -> Option<u32> {
        match (self.how, self.left) {
            (Mischief::Answer(code), None) => Some(code),
            _ => None,
        }
    }
}

impl Machine {
    /// How a call of `function` is to go wrong. Nothing is counted. The oldest comes first.
    #[must_use]
    pub fn armed(&self, function: &str) -> Option<&Armed> {
        let mut all = self.mischief.iter();
        all.find(|armed| armed.function == function)
    }

    /// From now on `function` answers this code and does nothing, whatever else it was told before.
    pub fn refuse(&mut self, function: &str, code: u32) {
        self.mischief
            .retain(|armed| armed.function != function || armed.refusal().is_none());
        let armed = Armed {
            function: function.to_owned(),
            how: Mischief::Answer(code),
            left: None,
        };
        self.mischief.insert(0, armed);
    }

    /// How this call of `function` goes wrong, which counts as one of its times.
    pub fn take_mischief(&mut self, function: &str) -> Option<Mischief> {
        let mut all = self.mischief.iter_mut();
        let place = all.position(|armed| armed.function == function)?;
        let armed = self.mischief.get_mut(place)?;
        let how = armed.how;
        if let Some(left) = &mut armed.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.mischief.remove(place);
            }
        }
        Some(how)
    }

    /// How long a call of `function` takes more than it needs: its own time and that of every call.
    #[must_use]
    pub fn delay_us(&self, function: &str) -> u64 {
        let loaded = self.gpus.iter().any(|gpu| !gpu.processes.is_empty());
        let of = |delay: Option<&Delay>| match delay {
            Some(delay) if loaded || !delay.under_load => delay.us,
            _ => 0,
        };
        of(self.delay.as_ref()).saturating_add(of(self.delays.get(function)))
    }
}
