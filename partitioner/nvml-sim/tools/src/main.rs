//! `kerf-sim-tools`: one of the vendor's tools, by the name under which it is called.

use std::process::ExitCode;

fn main() -> ExitCode {
    kerf_sim_tools::run(std::env::args_os().collect())
}
