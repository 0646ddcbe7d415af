//! A job of several members in which each sends bytes to each other one, over TCP, by what kerf tells it alone.
//!
//! ```text
//!   rank 0 listens at MASTER_ADDR:MASTER_PORT     every rank listens at its own address of KERF_MEMBERS
//!   rank R ── R, its port ──► rank 0              rank 0 ── ports of all ──► every rank
//!   rank R ── R, block R→S ──► rank S for every S, and back the block S→R; every byte is checked
//! ```
//! It is what a collective of a training job does before its first step, and needs no library. It ends with 0 when every
//! byte was right, and otherwise says what was not.

mod exchange;
mod meet;
mod place;

use std::net::ToSocketAddrs;
use std::process::ExitCode;
use std::time::Duration;

use place::Place;

/// How long the others may take to come, and any byte to follow. Images are pulled and containers made meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    match run() {
        Ok(said) => {
            say(&said);
            ExitCode::SUCCESS
        }
        Err(why) => {
            say(&why);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let place = Place::from_environment(|name| std::env::var(name).ok())?;
    own_name(&place.address)?;
    let own = meet::listen(&place.address)?;
    let ports = meet::ports_of_all(&place, meet::port_of(&own)?)?;
    let bytes = exchange::with_all(&place, &own, &ports)?;
    Ok(format!(
        "rank {} of {}: {bytes} bytes from each of {} others, every byte right",
        place.rank,
        place.members.len(),
        place.members.len() - 1,
    ))
}

/// Sees that this container's own name leads to the address that the others reach it by, as Gloo expects.
fn own_name(address: &str) -> Result<(), String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_err(|error| format!("it has no name: {error}"))?;
    let name = name.trim();
    let mut found = (name, 0)
        .to_socket_addrs()
        .map_err(|error| format!("its name {name} leads nowhere: {error}"))?;
    if found.any(|found| found.ip().to_string() == address) {
        return Ok(());
    }
    Err(format!("its name {name} does not lead to {address}"))
}

#[expect(
    clippy::print_stdout,
    reason = "what the job has to say, which `kerf logs` shows"
)]
fn say(line: &str) {
    println!("{line}");
}
