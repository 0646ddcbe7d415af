//! What may befall one of the vendor's tools, as `kerf sim fault --mps` and `--smi` spell it.

use std::sync::LazyLock;

use kerf_types::ParseError;
use nvidia_ml::control::FaultRequest;
use nvidia_ml::model::tool::{Tool, ToolFault, ToolTrouble};

/// A fault of a tool that is named elsewhere; `None` mends everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(Option<(String, ToolTrouble, Option<u32>)>);

/// The commands of each tool, listed: an error's hint lives as long as the program.
static MPS_COMMANDS: LazyLock<String> = LazyLock::new(|| listed(Tool::MpsControl));
static SMI_COMMANDS: LazyLock<String> = LazyLock::new(|| listed(Tool::Smi));

fn listed(tool: Tool) -> String {
    let all: Vec<&str> = tool.commands().collect();
    all.join(", ")
}

const HINT: &str =
    "start=refuse,2, start=die:500, get_server_list=hang, set-timeslice=ignore or clear";

impl Trouble {
    /// `clear`, or `COMMAND=HOW` with `,TIMES` or for ever; a command is one of that tool.
    pub fn read(tool: Tool, text: &str) -> Result<Self, ParseError> {
        if text == "clear" {
            return Ok(Self(None));
        }
        let error = || ParseError::new("a fault", text, HINT);
        let (command, what) = text.split_once('=').ok_or_else(error)?;
        let (how, times) = match what.split_once(',') {
            Some((how, times)) => (how, Some(times)),
            None => (what, None),
        };
        let times = times.map(|times| times.parse().ok().filter(|times: &u32| *times > 0));
        let times = match times {
            Some(None) => return Err(error()),
            Some(times) => times,
            None => None,
        };
        let how = match (how, how.strip_prefix("die:")) {
            ("refuse", _) => ToolTrouble::Refuse,
            ("ignore", _) => ToolTrouble::Ignore,
            ("garble", _) => ToolTrouble::Garble,
            // What hangs does so until it is mended, and is not counted.
            ("hang", _) if times.is_none() => ToolTrouble::Hang,
            (_, Some(after)) if command == "start" => ToolTrouble::Die {
                after_ms: after.parse().map_err(|_| error())?,
            },
            _ => return Err(error()),
        };
        if !tool.commands().any(|known| known == command) {
            let (what, known) = match tool {
                Tool::MpsControl => ("a command of nvidia-cuda-mps-control", &*MPS_COMMANDS),
                Tool::Smi => ("a command of nvidia-smi", &*SMI_COMMANDS),
            };
            return Err(ParseError::new(what, command, known));
        }
        Ok(Self(Some((command.to_owned(), how, times))))
    }

    /// The request about that tool.
    pub fn of(&self, tool: Tool) -> FaultRequest {
        match &self.0 {
            None => FaultRequest::ToolClear(tool),
            Some((command, how, left)) => FaultRequest::Tool(ToolFault {
                tool,
                command: command.clone(),
                how: *how,
                left: *left,
            }),
        }
    }
}
