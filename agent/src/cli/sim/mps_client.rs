//! `kerf sim mps-client`: a process that computes through MPS.
//!
//! It comes to a control daemon as a CUDA program would, has a context for as long as it runs, and ends when the
//! server does: with an error then, as a program whose context is lost.

use std::path::{Path, PathBuf};

use kerf_sim_tools::client::{Client, ClientRequest};
use kerf_types::Bytes;
use nix::unistd::{Gid, Uid, setgid, setuid};

use super::SimError;
use super::document::SimMpsClient;
use crate::cli::Context;
use crate::cli::fail::Failure;

/// `kerf sim mps-client`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The daemon's pipe directory, as in CUDA_MPS_PIPE_DIRECTORY
    #[arg(value_name = "DIR")]
    pipe: PathBuf,
    /// The device that it uses: the daemon's number of it, or its UUID
    #[arg(long, value_name = "DEVICE", default_value = "0")]
    device: String,
    /// User that it runs as; an MPS server has the clients of one user
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,
    /// How busy it would be, in percent of the device; it gets what its server lets it have
    #[arg(long, value_name = "PERCENT", default_value_t = 100)]
    sm: u32,
    /// Memory that it takes: 512MiB, 4GiB
    #[arg(long, value_name = "BYTES", default_value = "1GiB")]
    memory: Bytes,
    /// Fault at once: it is the end of all clients of the server
    #[arg(long)]
    fault: bool,
}

/// Becomes a client, says so, and stays one.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let request = ClientRequest {
        pipe: args.pipe.clone(),
        device: args.device.clone(),
        memory_bytes: args.memory.0,
        sm_percent: args.sm,
    };
    let client = match args.uid {
        None => Client::connect(&request),
        Some(uid) => {
            // The way to the folder may be open to root alone; from within, the socket is open to all.
            become_user(uid, &args.pipe).map_err(|source| SimError::User { uid, source })?;
            Client::connect_at(Path::new("control"), &request)
        }
    };
    let mut client = client.map_err(SimError::from)?;
    let document = SimMpsClient::new(client.server());
    context.print.document(&document, |document, _| {
        format!("client {} of server {}\n", document.pid, document.server)
    })?;
    if args.fault {
        client.fault().map_err(SimError::from)?;
    }
    Err(SimError::from(client.wait()).into())
}

fn become_user(uid: u32, folder: &Path) -> std::io::Result<()> {
    std::env::set_current_dir(folder)?;
    setgid(Gid::from_raw(uid))?;
    setuid(Uid::from_raw(uid))?;
    Ok(())
}
