//! The program's verbs that only look: inventory, topology and sensors, printed as table or JSON.
//!
//! Owns their options and nothing of what they find: that is [`kerf_partitioner::discover`]'s.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use kerf_api::json::Inventory;
use kerf_partitioner::client::WorkerCommand;
use kerf_partitioner::discover;

use crate::MachineArgs;

/// What the verbs have in common.
#[derive(Debug, Args)]
pub struct Look {
    #[command(flatten)]
    machine: MachineArgs,
    /// How to print it.
    #[arg(short, long, default_value = "table")]
    output: Output,
    /// How long one GPU may take to answer before it is left out.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    deadline_ms: u64,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Output {
    Table,
    Json,
}

/// What is to be printed, or why there is nothing.
pub type Text = Result<String, Box<dyn Error>>;

impl Look {
    /// Prints what `find` makes of the machine.
    pub fn print(
        self,
        find: fn(&WorkerCommand, Duration, Output) -> Text,
    ) -> Result<(), Box<dyn Error>> {
        let command = WorkerCommand {
            executable: std::env::current_exe()?,
            machine: self.machine.machine()?,
        };
        let deadline = Duration::from_millis(self.deadline_ms);
        let text = find(&command, deadline, self.output)?;
        Ok(write(&text)?)
    }
}

/// To standard output. A reader that has gone away (`| head`) wants no more, and that is no error for anybody.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// What the host has.
pub fn inventory(command: &WorkerCommand, deadline: Duration, output: Output) -> Text {
    let found = discover::discover(command, deadline)?;
    Ok(match output {
        Output::Table => discover::table(&found),
        Output::Json => serde_json::to_string_pretty(&Inventory::from(&found))? + "\n",
    })
}

/// How near its devices are to each other.
pub fn topology(command: &WorkerCommand, deadline: Duration, output: Output) -> Text {
    let found = discover::discover(command, deadline)?;
    Ok(match output {
        Output::Table => discover::topology_table(&found),
        Output::Json => serde_json::to_string_pretty(&discover::topology(&found))? + "\n",
    })
}

/// What the sensors read.
pub fn samples(command: &WorkerCommand, deadline: Duration, output: Output) -> Text {
    let read = discover::samples(command, deadline)?;
    Ok(match output {
        Output::Table => discover::samples_table(&read),
        Output::Json => serde_json::to_string_pretty(&read)? + "\n",
    })
}
