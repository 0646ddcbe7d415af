//! `nvidia-cuda-mps-control` as a client of its daemon: commands from standard input, one a line.

use std::io::{self, BufRead, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use nvidia_ml::control::tools;
use nvidia_ml::model::tool::{Tool, ToolTrouble};

use crate::daemon::Places;
use crate::out::say;

/// What `-v` says: the release of CUDA that the driver brings.
const VERSION: &str = "13.1";

/// Prints the version.
pub fn version(machine: &Path) -> ExitCode {
    match tools::tool_trouble(machine, Tool::MpsControl, "version") {
        Ok(Some(ToolTrouble::Garble)) => say("segmentation violation\n"),
        Ok(Some(ToolTrouble::Refuse)) => {
            say("Unrecognized option -v\n");
            return ExitCode::FAILURE;
        }
        _ => say(&format!("CUDA MPS Control version {VERSION}\n")),
    }
    ExitCode::SUCCESS
}

/// Hands each command to the daemon and prints its answers.
pub fn run() -> ExitCode {
    let places = Places::from_environment();
    let mut code = ExitCode::SUCCESS;
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else {
            return ExitCode::FAILURE;
        };
        match ask(&places, line.trim()) {
            Ok((true, text)) => say(&text),
            Ok((false, text)) => {
                say(&text);
                code = ExitCode::FAILURE;
            }
            Err(_) => {
                say("Cannot find MPS control daemon process\n");
                return ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Whether the daemon carried it out, and what it says.
fn ask(places: &Places, line: &str) -> io::Result<(bool, String)> {
    if line.is_empty() {
        return Ok((true, String::new()));
    }
    if !places.pid_file().exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut stream = UnixStream::connect(places.privileged())?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    // A daemon that ends in the middle of a command has answered nothing.
    match answer.split_once('\n') {
        Some(("ok", text)) => Ok((true, text.to_owned())),
        Some(("refused", text)) => Ok((false, text.to_owned())),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
