//! Daemons by a service manager's hand: each connection to its socket (`kerf-mps.socket`, `Accept=yes`) is a process
//! of its own that becomes the daemon.
//!
//! ```text
//! kerfd -- one line: what is wanted --> the process --> "pid\n", and becomes the daemon
//!                                             \--> "no: why" or "other: why"
//! ```
//! Either way it shuts the connection down, of which the service manager keeps a descriptor for as long as the process
//! runs. That the program then cannot be started is seen as a daemon that ended, with that as its last words.
//! So a daemon has the rights and the control group of its unit, not kerfd's: it starts servers under the user ids of
//! its clients, and a stop of kerfd is none of its business. Which machine is served, and where daemons may live, is
//! decided by the unit's arguments and not by who connects.

use std::convert::Infallible;
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::{Deserialize, Serialize};

use super::launch::{Launch, LaunchError};
use super::{MpsPlace, SharingError, Tools, check_device, control};

/// Longer than two paths, a program and a UUID.
const REQUEST_MAX: u64 = 16 << 10;
/// A process id, or why there is none.
const ANSWER_MAX: u64 = 4 << 10;
/// Between the connection and the request; kerfd sends it at once.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);

/// What kerfd asks for, on one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The vendor's program as kerfd has it.
    control: PathBuf,
    device: String,
    run: PathBuf,
    log: PathBuf,
}

/// What a process of the unit may become.
#[derive(Debug)]
pub struct Offer {
    /// The machine's tools.
    pub tools: Tools,
    /// The folder of the folders of daemons.
    pub run: PathBuf,
    /// The same of their logs.
    pub log: PathBuf,
}

/// Why a process did not become a daemon.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// Nobody asked, or not in time.
    #[error("read what is wanted")]
    Read(#[source] io::Error),
    /// Who asked has gone.
    #[error("say who becomes the daemon")]
    Answer(#[source] io::Error),
    /// It is no request.
    #[error("what is wanted is not to be understood")]
    Unreadable(#[source] serde_json::Error),
    /// Neither root nor our own user asks.
    #[error("user {uid} asks, not root")]
    Stranger {
        /// Who.
        uid: u32,
    },
    /// It is for another machine, or for other folders.
    #[error("{} is wanted, and {} served", .wanted.display(), .served.display())]
    Other {
        /// What kerfd has.
        wanted: PathBuf,
        /// What stands in the unit.
        served: PathBuf,
    },
    /// The device has no such name.
    #[error(transparent)]
    Device(SharingError),
    /// It could not become one.
    #[error(transparent)]
    Launch(LaunchError),
}

/// Why no daemon came from the socket.
#[derive(Debug)]
pub(super) enum Unoffered {
    /// Nobody offers any that fits: the launcher of our own is to be used. Says why where somebody listens.
    Unfit(Option<String>),
    /// It was tried there, and failed.
    Failed(String),
}

impl Offer {
    /// Becomes the daemon that whoever connected wants.
    ///
    /// # Errors
    /// Each reason of `OfferError`; who connected was told.
    pub fn serve(&self, mut stream: UnixStream) -> Result<Infallible, OfferError> {
        let ready = self.ready(&mut stream);
        let answer = match &ready {
            Ok(_) => std::process::id().to_string(),
            Err(error) => {
                let word = match error {
                    OfferError::Other { .. } => "other",
                    _ => "no",
                };
                format!("{word}: {}", crate::in_words(error).replace('\n', "; "))
            }
        };
        let told = writeln!(stream, "{answer}").and_then(|()| stream.shutdown(Shutdown::Both));
        let (launch, command) = ready?;
        // A daemon of which nobody knows would be nobody's.
        told.map_err(OfferError::Answer)?;
        Err(OfferError::Launch(launch.replace(command)))
    }

    fn ready(&self, stream: &mut UnixStream) -> Result<(Launch, Command), OfferError> {
        let place = self.wanted(stream)?;
        let launch = Launch {
            control: self.tools.mps_control.clone(),
            shm: place.shm(),
            output: place.log.join("daemon.log"),
        };
        let env = control::daemon_environment(&self.tools, &place);
        let command = launch.ready(env).map_err(OfferError::Launch)?;
        Ok((launch, command))
    }

    fn wanted(&self, stream: &mut UnixStream) -> Result<MpsPlace, OfferError> {
        let peer = getsockopt(stream, PeerCredentials);
        let peer = peer.map_err(|errno: Errno| OfferError::Read(errno.into()))?;
        let uid = peer.uid();
        if uid != 0 && uid != rustix::process::geteuid().as_raw() {
            return Err(OfferError::Stranger { uid });
        }
        let end = Instant::now() + REQUEST_PATIENCE;
        let text = read_until(stream, REQUEST_MAX, end).map_err(OfferError::Read)?;
        let wanted: Wanted = serde_json::from_slice(&text).map_err(OfferError::Unreadable)?;
        check_device(&wanted.device).map_err(OfferError::Device)?;
        same(&wanted.control, &self.tools.mps_control)?;
        below(&wanted.run, &self.run)?;
        below(&wanted.log, &self.log)?;
        Ok(MpsPlace {
            device: wanted.device,
            run: wanted.run,
            log: wanted.log,
        })
    }
}

/// The unit and the configuration may have been edited apart.
fn same(wanted: &Path, served: &Path) -> Result<(), OfferError> {
    let resolved = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if resolved(wanted) == resolved(served) {
        return Ok(());
    }
    Err(OfferError::Other {
        wanted: wanted.to_owned(),
        served: served.to_owned(),
    })
}

/// A folder is directly below another one by its name alone, with nothing to be resolved.
fn below(wanted: &Path, folder: &Path) -> Result<(), OfferError> {
    let name = wanted.file_name().and_then(|name| name.to_str());
    let is_plain = name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if is_plain && wanted.parent() == Some(folder) {
        return Ok(());
    }
    Err(OfferError::Other {
        wanted: wanted.to_owned(),
        served: folder.to_owned(),
    })
}

/// Asks at a socket for a daemon; its process id.
pub(super) fn ask(socket: &Path, tools: &Tools, place: &MpsPlace) -> Result<u32, Unoffered> {
    let unfit = |why: String| Unoffered::Unfit(Some(why));
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unoffered::Unfit(None),
        _ => unfit(error.to_string()),
    })?;
    let peer = getsockopt(&stream, PeerCredentials).map_err(|errno| unfit(errno.to_string()))?;
    if peer.uid() != 0 && peer.uid() != rustix::process::geteuid().as_raw() {
        return Err(unfit(format!("user {} listens, not root", peer.uid())));
    }
    let wanted = Wanted {
        control: tools.mps_control.clone(),
        device: place.device.clone(),
        run: place.run.clone(),
        log: place.log.clone(),
    };
    // No time at all would be an error of its own.
    let patience = tools
        .left(tools.patience.start)
        .max(Duration::from_millis(1));
    let answer = exchange(stream, &wanted, patience);
    let answer = answer.map_err(|error| Unoffered::Failed(error.to_string()))?;
    understood(&answer)
}

fn exchange(mut stream: UnixStream, wanted: &Wanted, patience: Duration) -> io::Result<String> {
    let end = Instant::now() + patience;
    // The line fits into the socket's buffer, so this is hardly ever waited for.
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(&serde_json::to_vec(wanted)?)?;
    stream.shutdown(Shutdown::Write)?;
    let answer = read_until(&mut stream, ANSWER_MAX, end)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// All that comes up to its end, in this time, and no more than this.
fn read_until(stream: &mut UnixStream, most: u64, end: Instant) -> io::Result<Vec<u8>> {
    let (mut text, mut part) = (Vec::new(), [0; 1 << 10]);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let count = stream.read(&mut part)?;
        text.extend(part.iter().take(count));
        if count == 0 || text.len() > most {
            text.truncate(most);
            return Ok(text);
        }
    }
}

fn understood(answer: &str) -> Result<u32, Unoffered> {
    let said = answer.trim();
    if let Some(why) = said.strip_prefix("other: ") {
        return Err(Unoffered::Unfit(Some(why.to_owned())));
    }
    said.parse().map_err(|_| match said {
        "" => Unoffered::Failed("it ended without a word".to_owned()),
        said => Unoffered::Failed(said.strip_prefix("no: ").unwrap_or(said).to_owned()),
    })
}

#[cfg(test)]
mod tests;
