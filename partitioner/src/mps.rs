//! `kerf-partitioner mps`: between kerfd and an MPS control daemon.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use kerf_partitioner::sharing::launch::Launch;

/// The environment is the daemon's: `CUDA_MPS_PIPE_DIRECTORY`, `CUDA_MPS_LOG_DIRECTORY`, `CUDA_VISIBLE_DEVICES`.
#[derive(Debug, Args)]
pub struct Mps {
    /// The program nvidia-cuda-mps-control.
    #[arg(long, value_name = "FILE")]
    control: PathBuf,
    /// The folder that lies on /dev/shm for the daemon and its clients.
    #[arg(long, value_name = "DIR")]
    shm: PathBuf,
    /// The file for what the daemon says.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

impl Mps {
    /// Starts the daemon and prints its process id.
    pub fn print(self) -> Result<(), Box<dyn Error>> {
        let Self {
            control,
            shm,
            output,
        } = self;
        let launch = Launch {
            control,
            shm,
            output,
        };
        let pid = launch.start()?;
        Ok(writeln!(io::stdout(), "{pid}")?)
    }
}
