//! kerf: the command line. See `kerf_agent::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kerf_agent::cli::main(std::env::args_os())
}
