//! Which tool this is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::out::say;
use crate::{daemon, home, server, shell, smi};

/// What the tool is run with.
pub struct Run {
    /// The machine.
    pub machine: PathBuf,
    /// Arguments behind the name.
    pub arguments: Vec<String>,
}

/// Is the tool of the name in the first argument.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let mut arguments = arguments
        .into_iter()
        .map(|argument| argument.to_string_lossy().into_owned());
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let Some(machine) = home::folder() else {
        say("this program lies in no simulated machine\n");
        return ExitCode::FAILURE;
    };
    let run = Run { machine, arguments };
    match name.to_str() {
        Some("nvidia-cuda-mps-control") => control(&run),
        Some("nvidia-cuda-mps-server") => server::run(&run.arguments),
        Some("nvidia-smi") => smi::run(&run),
        _ => {
            say(&format!("{} is no tool of the vendor's\n", name.display()));
            ExitCode::FAILURE
        }
    }
}

fn control(run: &Run) -> ExitCode {
    let arguments: Vec<&str> = run.arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => shell::run(),
        ["-f"] => daemon::foreground(run),
        ["-d"] => daemon::background(),
        ["-v"] => shell::version(&run.machine),
        [other, ..] => {
            say(&format!(
                "Unrecognized option {other}\nusage: nvidia-cuda-mps-control [-d | -f | -v]\n"
            ));
            ExitCode::FAILURE
        }
    }
}
