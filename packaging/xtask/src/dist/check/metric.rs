//! From the start of the installed kerfd to its first metric.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use kerf_tests::{ChildGuard, http};

use super::root::Root;

/// The longest that anything may take here; what is promised is less.
const LIMIT: Duration = Duration::from_secs(30);

/// Between two looks: what is measured is some hundred milliseconds.
const PAUSE: Duration = Duration::from_millis(2);

/// What kerfd logs once it listens, with the address of its metrics in a field.
const SERVES: &str = "kerfd serves";

/// The machine that it runs on.
pub const MACHINE: &str = "h100x8";

/// A reading of a sensor, with a line for each GPU of that machine.
const FAMILY: &str = "kerf_gpu_temperature_celsius{";
const GPUS: usize = 8;

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// Until `/metrics` answered at all.
    pub answered: Duration,
    /// Until it had a line for each GPU.
    pub complete: Duration,
}

/// Starts kerfd as somebody would who tries it, waits for its metrics, and ends it.
pub fn first(root: &Root) -> Result<Measured> {
    let log = root.path().with_file_name("kerfd.log");
    if log.exists() {
        std::fs::remove_file(&log).context("the log of the last start stays")?;
    }
    let mut command = root.command("/usr/bin/kerfd");
    command.args(["--simulate", MACHINE, "--metrics", "127.0.0.1:0"]);
    let begin = Instant::now();
    let mut kerfd = ChildGuard::spawn("kerfd", &mut command, &log)?;
    let measured = measure(&mut kerfd, &log, begin);
    let measured = measured.with_context(|| format!("its log:\n{}", kerfd.log_tail(30)));
    // kerfd is the first process of its namespace: with it goes all that it has started.
    kerfd.kill()?;
    measured
}

fn measure(kerfd: &mut ChildGuard, log: &Path, begin: Instant) -> Result<Measured> {
    let address = wait("the line that it serves", || {
        if let Some(status) = kerfd.exited()? {
            return Err(anyhow!("kerfd ended: {status}"));
        }
        Ok(serving(log))
    })?;
    let scrape = |lines: usize| {
        wait("metrics", || {
            let answer = http::get(address, "/metrics", LIMIT)?;
            let found = answer.body.matches(FAMILY).count();
            let has_any = answer.status == 200 && answer.body.contains("kerf_");
            Ok((has_any && found >= lines).then(|| begin.elapsed()))
        })
    };
    let (answered, complete) = (scrape(0)?, scrape(GPUS)?);
    ensure!(complete >= answered, "time runs backwards");
    Ok(Measured { answered, complete })
}

/// As `kerf_tests::poll`, with a shorter pause and with looks that may fail.
fn wait<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        ensure!(start.elapsed() < LIMIT, "{what}: not seen");
        std::thread::sleep(PAUSE);
    }
}

fn serving(log: &Path) -> Option<SocketAddr> {
    let text = std::fs::read_to_string(log).ok()?;
    let line = text
        .split_inclusive('\n')
        .find(|line| line.contains(SERVES) && line.ends_with('\n'))?;
    let (_, address) = line.split_once("metrics=\"")?;
    address.split('"').next()?.parse().ok()
}
