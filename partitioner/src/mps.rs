//! `kerf-partitioner mps` and `mps-daemon`: between kerfd and an MPS control daemon.

use std::error::Error;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use clap::Args;
use kerf_partitioner::sharing::Tools;
use kerf_partitioner::sharing::launch::Launch;
use kerf_partitioner::sharing::offered::Offer;

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

/// What `kerf-mps@.service` starts for each connection.
#[derive(Debug, Args)]
pub struct MpsDaemon {
    /// The folder that stands for `/`, with the vendor's tools.
    #[arg(long, value_name = "DIR")]
    sysroot: PathBuf,
    /// The folder in which daemons have their folders.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// The folder of their logs.
    #[arg(long, value_name = "DIR")]
    log: PathBuf,
}

impl MpsDaemon {
    /// Becomes the daemon that whoever is connected to file descriptor 0 wants.
    pub fn serve(self) -> Result<(), Box<dyn Error>> {
        // It becomes the daemon itself and needs no launcher.
        let launcher = PathBuf::new();
        let offer = Offer {
            tools: Tools::under(&self.sysroot, launcher),
            run: self.run,
            log: self.log,
        };
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        let Err(error) = offer.serve(stream);
        Err(error.into())
    }
}
