//! `kerf-tap-switch`: network namespaces with one interface each, and a switch between them that is as bad as it is told.
//!
//! ```text
//!   namespace 1 ─ k0 ─┐                          ┌─ k0 ─ namespace 2
//!   (a kerfd)    TAP  ├─ port ─ fabric ─ port ───┤  TAP    (a kerfd)
//!                     └── delay, jitter, loss, copies, cuts: one set for each ordered pair
//! ```
//! It owns the namespaces and the TAP devices: they have no name outside, are entered by a path in `/proc`, and are gone
//! with this process and those inside. It ends when its standard input does. It never touches the host's own network.
//!
//! It says one line for each port, `port NUMBER PATH`, and `ready`. Then each line on standard input is a command
//! (see `command`), and is answered by one line that begins with `ok` or `no`.

mod command;
mod fabric;
mod forward;
mod port;
mod sys;

use clap::Parser;

use fabric::Fabric;
use port::Port;

/// A switch between network namespaces of its own, for tests.
#[derive(Debug, Parser)]
struct Args {
    /// How many namespaces
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
    ports: u8,
    /// Seed of what is lost, doubled and held up
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let ports = port::open(args.ports)?;
    for port in &ports {
        say(&format!("port {} {}", port.number(), port.path()))?;
    }
    say("ready")?;
    let fabric = Fabric::new(ports.iter().map(Port::number).collect(), args.seed);
    forward::run(&ports, fabric)
}

/// One line, at once: whoever started this reads it from a pipe.
fn say(line: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
