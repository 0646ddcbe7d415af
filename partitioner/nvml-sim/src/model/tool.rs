//! What goes wrong with the vendor's tools: a refusal, an answer that is nonsense, a change that is forgotten, no
//! answer at all, a daemon that dies. Owns what is armed and for how often; the tools are programs of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// A tool of the vendor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tool {
    /// `nvidia-cuda-mps-control`.
    MpsControl,
    /// `nvidia-smi`.
    Smi,
}

/// The commands that a control daemon takes.
pub const DAEMON_COMMANDS: [&str; 17] = [
    "get_server_list",
    "get_server_status",
    "start_server",
    "shutdown_server",
    "get_client_list",
    "get_device_client_list",
    "set_default_active_thread_percentage",
    "set_active_thread_percentage",
    "get_default_active_thread_percentage",
    "get_active_thread_percentage",
    "set_default_device_pinned_mem_limit",
    "set_device_pinned_mem_limit",
    "get_default_device_pinned_mem_limit",
    "get_device_pinned_mem_limit",
    "terminate_client",
    "ps",
    "quit",
];

impl Tool {
    /// The words by which its faults are known: what it asks of the machine about a call. A fault under any other
    /// word would never come.
    pub fn commands(self) -> impl Iterator<Item = &'static str> {
        let (own, of_daemon): (&[&str], &[&str]) = match self {
            Self::MpsControl => (&["start", "version"], &DAEMON_COMMANDS),
            Self::Smi => (&["set-timeslice", "list", "compute-mode"], &[]),
        };
        own.iter().chain(of_daemon).copied()
    }

    /// The name of its program.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::MpsControl => "nvidia-cuda-mps-control",
            Self::Smi => "nvidia-smi",
        }
    }
}

/// How a tool goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolTrouble {
    /// It refuses and does nothing.
    Refuse,
    /// It says that it was done and does nothing.
    Ignore,
    /// It answers with something that nobody understands.
    Garble,
    /// It does not answer until the fault is cleared.
    Hang,
    /// The daemon that begins with this command dies after so long, without a word.
    Die {
        /// Milliseconds.
        after_ms: u64,
    },
}

/// A command of a tool that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolFault {
    /// The tool.
    pub tool: Tool,
    /// The command: its first word as the tool takes it, or `start` and `version` of a daemon.
    pub command: String,
    /// How it goes wrong.
    pub how: ToolTrouble,
    /// How often still; without end where it is `None`.
    pub left: Option<u32>,
}

impl fmt::Display for ToolFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tool,
            command,
            how,
            left,
        } = self;
        write!(f, "{} {command} ", tool.program())?;
        match how {
            ToolTrouble::Refuse => f.write_str("is refused")?,
            ToolTrouble::Ignore => f.write_str("answers and changes nothing")?,
            ToolTrouble::Garble => f.write_str("answers nonsense")?,
            ToolTrouble::Hang => f.write_str("hangs")?,
            ToolTrouble::Die { after_ms } => write!(f, "dies after {after_ms} ms")?,
        }
        match left {
            Some(1) => f.write_str(", once more"),
            Some(left) => write!(f, ", {left} times more"),
            None => Ok(()),
        }
    }
}

impl Machine {
    /// How a command of a tool is to go wrong. Nothing is counted. The oldest comes first.
    #[must_use]
    pub fn tool_trouble(&self, tool: Tool, command: &str) -> Option<ToolTrouble> {
        let mut all = self.tool_faults.iter();
        let found = all.find(|fault| fault.tool == tool && fault.command == command);
        found.map(|fault| fault.how)
    }

    /// How this call of a command goes wrong, which counts as one of its times.
    pub fn take_tool_trouble(&mut self, tool: Tool, command: &str) -> Option<ToolTrouble> {
        let mut all = self.tool_faults.iter_mut();
        let place = all.position(|fault| fault.tool == tool && fault.command == command)?;
        let fault = self.tool_faults.get_mut(place)?;
        let how = fault.how;
        if let Some(left) = &mut fault.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.tool_faults.remove(place);
            }
        }
        Some(how)
    }
}
