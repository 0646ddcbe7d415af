//! Of `nvidia-smi` what sharing needs: the compute mode, and the time slice, which NVML cannot set.

use std::path::Path;
use std::process::ExitCode;

use nvidia_ml::control::ControlError;
use nvidia_ml::control::tools::{self, Device};
use nvidia_ml::model::status::Status;
use nvidia_ml::model::tool::{Tool, ToolTrouble};

use crate::out::say;
use crate::run::Run;

/// Words of the time slices, from 0.
const SLICES: [&str; 4] = ["Default", "Short", "Medium", "Long"];
/// Words of the compute modes, by their numbers.
const MODES: [(&str, u32); 3] = [("DEFAULT", 0), ("PROHIBITED", 2), ("EXCLUSIVE_PROCESS", 3)];

/// What it was told to do.
#[derive(Debug, PartialEq, Eq)]
enum Ask<'a> {
    List { of: Option<&'a str> },
    Slice { of: Option<&'a str>, to: &'a str },
    Mode { of: Option<&'a str>, to: &'a str },
}

impl<'a> Ask<'a> {
    fn read(arguments: &[&'a str]) -> Option<Self> {
        match arguments {
            ["compute-policy", rest @ ..] => {
                let (of, rest) = gpu(rest);
                match rest {
                    ["-l" | "--list"] => Some(Self::List { of }),
                    ["--set-timeslice", to] => Some(Self::Slice { of, to }),
                    [one] => {
                        let to = one.strip_prefix("--set-timeslice=")?;
                        Some(Self::Slice { of, to })
                    }
                    _ => None,
                }
            }
            rest => {
                let (of, rest) = gpu(rest);
                match rest {
                    ["-c", to] => Some(Self::Mode { of, to }),
                    [one] => {
                        let to = one.strip_prefix("--compute-mode=")?;
                        Some(Self::Mode { of, to })
                    }
                    _ => None,
                }
            }
        }
    }

    /// The word by which its faults are known.
    fn command(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::Slice { .. } => "set-timeslice",
            Self::Mode { .. } => "compute-mode",
        }
    }
}

/// `-i ID` in front of the rest.
fn gpu<'a, 'b>(arguments: &'b [&'a str]) -> (Option<&'a str>, &'b [&'a str]) {
    match arguments {
        ["-i" | "--id", id, rest @ ..] => (Some(id), rest),
        [one, rest @ ..] if one.starts_with("--id=") => (one.strip_prefix("--id="), rest),
        rest => (None, rest),
    }
}

/// Is `nvidia-smi`. Ends with NVML's return code, as the real one does.
pub fn run(run: &Run) -> ExitCode {
    let arguments: Vec<&str> = run.arguments.iter().map(String::as_str).collect();
    let Some(ask) = Ask::read(&arguments) else {
        say("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n");
        return ExitCode::from(1);
    };
    let machine = run.machine.as_path();
    let done = match tools::tool_trouble(machine, Tool::Smi, ask.command()) {
        Ok(Some(ToolTrouble::Refuse)) => Err(Status::NoPermission.into()),
        Ok(Some(ToolTrouble::Ignore)) => Ok("All done.\n".to_owned()),
        Ok(Some(ToolTrouble::Garble)) => Ok("#### not a table ####\n".to_owned()),
        Ok(_) => carry_out(machine, &ask),
        Err(error) => Err(error),
    };
    match done {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(ControlError::Driver(status)) => {
            say(&format!("Failed to carry this out: {status}\n"));
            ExitCode::from(u8::try_from(status.code()).unwrap_or(u8::MAX))
        }
        Err(error) => {
            say(&format!("Failed to initialize NVML: {error}\n"));
            ExitCode::from(9)
        }
    }
}

fn carry_out(machine: &Path, ask: &Ask<'_>) -> Result<String, ControlError> {
    match *ask {
        Ask::List { of } => Ok(table(&chosen(machine, of)?)),
        Ask::Slice { of, to } => {
            let length = to.parse().map_err(|_| Status::InvalidArgument)?;
            let mut text = String::new();
            for device in chosen(machine, of)? {
                tools::set_time_slice(machine, device.gpu, length)?;
                text.push_str(&format!("Set timeslice to {to} for GPU {}.\n", device.uuid));
            }
            Ok(text + "All done.\n")
        }
        Ask::Mode { of, to } => {
            let is_it = |(word, number): &&(&str, u32)| *word == to || number.to_string() == to;
            let found = MODES.iter().find(is_it);
            let (word, number) = *found.ok_or(Status::InvalidArgument)?;
            let mut text = String::new();
            for device in chosen(machine, of)? {
                tools::set_compute_mode(machine, device.gpu, number)?;
                let line = format!("Set compute mode to {word} for GPU {}.\n", device.uuid);
                text.push_str(&line);
            }
            Ok(text + "All done.\n")
        }
    }
}

/// The GPU that is named, or all of them. These settings are a GPU's: a MIG device has none.
fn chosen(machine: &Path, of: Option<&str>) -> Result<Vec<Device>, ControlError> {
    let Some(name) = of else {
        return tools::devices(machine);
    };
    let device = tools::device(machine, name)?;
    if device.instance.is_some() {
        return Err(Status::InvalidArgument.into());
    }
    Ok(vec![device])
}

fn table(devices: &[Device]) -> String {
    let rule = format!("+{}+\n", "-".repeat(37));
    let mut text = format!("{rule}| GPU compute policies:               |\n");
    text.push_str("| GPU     Name         Value          |\n");
    text.push_str(&format!("|{}|\n", "=".repeat(37)));
    for device in devices {
        let word = usize::try_from(device.time_slice).ok();
        let word = word.and_then(|place| SLICES.get(place)).unwrap_or(&"?");
        text.push_str(&format!(
            "| {:>3}     {:<12} {word:<15}|\n",
            device.index, "Timeslice"
        ));
    }
    text + &rule
}

#[cfg(test)]
mod tests;
