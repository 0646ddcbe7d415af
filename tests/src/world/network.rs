//! A network of its own for the hosts of a test: a namespace for each, and a switch between them that is told how bad
//! it is to be.
//!
//! The switch is `kerf-tap-switch`, a process that ends with this one, and its namespaces with it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};

use crate::{ChildGuard, bins};

/// How long a process that left its namespace may take to be gone: what is inside keeps it.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A switch with so many namespaces, numbered from 1; dropping it ends both, where nobody is inside any more.
#[derive(Debug)]
pub struct Network {
    namespaces: Vec<Namespace>,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    child: ChildGuard,
}

/// The network of one host.
#[derive(Debug, Clone)]
pub struct Namespace {
    number: u8,
    path: PathBuf,
}

impl Network {
    /// Makes a perfect one. What it will lose, double and hold up when it is told to comes from the seed.
    ///
    /// # Errors
    /// When this is not root, the kernel has no TAP devices, or a program is missing; the text holds what was said.
    pub fn open(ports: u8, seed: u64, log: &Path) -> Result<Self> {
        for program in ["ip", "nsenter"] {
            ensure!(
                bins::system(program).is_some(),
                "{program} is not installed"
            );
        }
        let mut command = Command::new(bins::tap_switch()?);
        command.args(["--ports", &ports.to_string(), "--seed", &seed.to_string()]);
        let (child, input, output) =
            ChildGuard::spawn_talking("kerf-tap-switch", &mut command, log)?;
        let mut output = BufReader::new(output);
        let mut namespaces = Vec::new();
        loop {
            let line = read_line(&mut output).with_context(|| child.log_tail(5))?;
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["ready"] => break,
                ["port", number, path] => namespaces.push(Namespace {
                    number: number.parse().context("a port has a number")?,
                    path: PathBuf::from(path),
                }),
                _ => return Err(anyhow!("kerf-tap-switch said {line:?}")),
            }
        }
        Ok(Self {
            namespaces,
            talk: Mutex::new((input, output)),
            child,
        })
    }

    /// A namespace by its number.
    ///
    /// # Errors
    /// When there is none.
    pub fn namespace(&self, number: usize) -> Result<&Namespace> {
        let found = number.checked_sub(1).and_then(|at| self.namespaces.get(at));
        found.with_context(|| format!("there is no namespace {number}"))
    }

    /// Gives the switch a command, see `tests/tap-switch/src/command.rs`; it holds for every frame from then on.
    ///
    /// # Errors
    /// When the switch refuses it or has ended.
    pub fn tell(&self, command: &str) -> Result<String> {
        let mut talk = self.talk.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = &mut *talk;
        writeln!(input, "{command}").context("the switch has ended")?;
        let said = read_line(output).with_context(|| self.child.log_tail(5))?;
        let rest = said.strip_prefix("ok");
        let rest = rest.with_context(|| format!("{command:?}: {said}"))?;
        Ok(rest.trim().to_owned())
    }

    /// Makes the ways in both directions between these and those so, and leaves all others as they are.
    ///
    /// # Errors
    /// As [`Network::tell`].
    pub fn between(&self, these: &[usize], those: &[usize], conditions: &str) -> Result<()> {
        for one in these {
            for other in those.iter().filter(|other| *other != one) {
                self.tell(&format!("way {one} {other} {conditions}"))?;
                self.tell(&format!("way {other} {one} {conditions}"))?;
            }
        }
        Ok(())
    }

    /// Makes all ways perfect.
    ///
    /// # Errors
    /// As [`Network::tell`].
    pub fn heal(&self) -> Result<()> {
        self.tell("way * *").map(drop)
    }

    /// Ends the switch, and sees that it goes by itself when it is told nothing more.
    ///
    /// # Errors
    /// When it does not.
    pub fn stop(self) -> Result<()> {
        let Self {
            talk, mut child, ..
        } = self;
        drop(talk);
        let status = child.wait(END_LIMIT)?;
        ensure!(status.success(), "{status}\n{}", child.log_tail(5));
        Ok(())
    }
}

impl Namespace {
    /// The same command inside.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net={}", self.path.display()));
        inside.arg("--").arg(command.get_program());
        inside.args(command.get_args());
        for (name, value) in command.get_envs() {
            set_env(&mut inside, name, value);
        }
        inside
    }

    /// Does something inside, such as to connect to a host's loopback. Sockets that it makes stay inside.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn inside<T: Send>(&self, what: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = File::open(&self.path)
            .with_context(|| format!("{} is no namespace", self.path.display()))?;
        // A thread of its own: only that one changes into the namespace, and it ends with the work.
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(namespace, CloneFlags::CLONE_NEWNET).context("cannot be entered")?;
                Ok(what())
            });
            let done = thread.join();
            done.map_err(|_| anyhow!("what was done inside panicked"))?
        })
    }

    /// Its IPv4 address.
    #[must_use]
    pub fn v4(&self) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, self.number).into()
    }

    /// Its IPv6 address.
    #[must_use]
    pub fn v6(&self) -> IpAddr {
        Ipv6Addr::new(0xfd6b, 0x6572, 0x66, 0, 0, 0, 0, self.number.into()).into()
    }
}

fn set_env(command: &mut Command, name: &OsStr, value: Option<&OsStr>) {
    match value {
        Some(value) => command.env(name, value),
        None => command.env_remove(name),
    };
}

fn read_line(output: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    let count = output
        .read_line(&mut line)
        .context("the switch is silent")?;
    ensure!(count > 0, "the switch has ended");
    Ok(line.trim_end().to_owned())
}

/// Whether namespaces and TAP devices can be made here.
///
/// # Errors
/// Says what is missing.
pub(crate) fn probe() -> Result<()> {
    let log = tempfile::NamedTempFile::new().context("no file for what the switch says")?;
    Network::open(1, 1, log.path())?.stop()
}

/// Whether nft rules hold in such a namespace.
///
/// # Errors
/// Says what is missing.
pub(crate) fn probe_nft() -> Result<()> {
    ensure!(bins::system("nft").is_some(), "nft is not installed");
    let log = tempfile::NamedTempFile::new().context("no file for what the switch says")?;
    let network = Network::open(1, 1, log.path())?;
    let rule = "table inet kerf { chain in { type filter hook input priority 0; ip saddr 10.77.0.9 drop; }; }";
    let mut nft = Command::new("nft");
    nft.arg(rule);
    crate::process::run(&mut network.namespace(1)?.command(&nft))?;
    network.stop()
}
