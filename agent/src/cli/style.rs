//! Colours: few, and only where they carry the meaning that a word beside them carries too.

use std::fmt::Display;

/// How text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ink {
    /// As it is.
    #[default]
    Plain,
    /// A heading.
    Bold,
    /// Of less weight than the rest.
    Dim,
    /// Wrong, or goes away.
    Red,
    /// Well, or comes.
    Green,
    /// Worth a look.
    Yellow,
    /// In use.
    Cyan,
}

impl Ink {
    /// The ink of a state's word, for slices, leases, jobs and hosts alike.
    pub fn of_state(word: &str) -> Self {
        match word {
            "free" | "succeeded" | "ok" | "alive" | "chosen" => Self::Green,
            "leased" | "active" | "running" => Self::Cyan,
            "reserved" | "draining" | "releasing" | "starting" | "pending" | "suspect"
            | "cordoned" => Self::Yellow,
            "quarantined" | "failed" | "lost" | "unresponsive" | "reset_required" | "xid"
            | "down" => Self::Red,
            "cancelled" | "released" | "left" => Self::Dim,
            _ => Self::Plain,
        }
    }

    /// The number of ECMA-48's SGR sequence.
    fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Cyan => 36,
        }
    }
}

/// Whether there is colour at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether escape sequences may be written.
    pub color: bool,
}

impl Style {
    /// Text in that ink.
    pub fn paint(self, ink: Ink, text: impl Display) -> String {
        if !self.color || ink == Ink::Plain {
            return text.to_string();
        }
        format!("\x1b[{}m{text}\x1b[0m", ink.code())
    }
}
