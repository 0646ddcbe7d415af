//! `kerf completion`: the completion script of a shell.

use clap::CommandFactory;
use clap_complete::Shell;

use super::fail::Failure;
use super::{Cli, Context, Exit};

/// `kerf completion`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SHELL")]
    shell: Known,
}

/// The shells that the packages carry scripts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let shell = match args.shell {
        Known::Bash => Shell::Bash,
        Known::Zsh => Shell::Zsh,
        Known::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kerf", &mut script);
    context.print.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
