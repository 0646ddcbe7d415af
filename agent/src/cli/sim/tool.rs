//! What may befall one of the vendor's tools, as `kerf sim fault --mps` and `--smi` spell it.

use std::str::FromStr;

use kerf_types::ParseError;
use nvidia_ml::control::FaultRequest;
use nvidia_ml::model::tool::{Tool, ToolFault, ToolTrouble};

/// A fault of a tool that is named elsewhere; `None` mends everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(Option<(String, ToolTrouble, Option<u32>)>);

const HINT: &str =
    "start=refuse,2, start=die:500, get_server_list=hang, set-timeslice=ignore or clear";

impl FromStr for Trouble {
    type Err = ParseError;

    /// `clear`, or `COMMAND=HOW` with `,TIMES` or for ever.
    fn from_str(text: &str) -> Result<Self, ParseError> {
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
        let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if command.is_empty() || !command.bytes().all(word) {
            return Err(error());
        }
        Ok(Self(Some((command.to_owned(), how, times))))
    }
}

impl Trouble {
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
