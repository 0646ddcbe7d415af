//! What the runtime that will be started knows of the newer parts of the OCI runtime spec, by its own `features`.
//!
//! Asked for only where a grant needs the answer, once for each file that a runtime is: the answer is kept in
//! kerfd's run folder under the file's identity, so a new version is asked anew, and a reboot forgets. A runtime
//! without the command, with an answer that is none, or that takes too long, knows nothing new.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::sys;

/// How long a runtime may take to say what it knows; crun takes 2 ms. A container waits meanwhile.
const LIMIT: Duration = Duration::from_secs(2);

/// Longest answer and longest kept file, in bytes. runc's is 10 KiB; more than a pipe holds is never waited for.
const LENGTH: u64 = 64 * 1024;

/// What is kept of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// Device, inode, seconds and nanoseconds of the change, and size of the runtime's file.
    identity: (u64, u64, i64, i64, u64),
    /// Modes of `linux.memoryPolicy`; none where the runtime does not know it.
    memory_modes: Vec<String>,
}

/// The part of `features` that counts (OCI runtime spec, features-linux.md).
#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    linux: Linux,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(default)]
    memory_policy: Option<Policy>,
}

#[derive(Deserialize)]
struct Policy {
    #[serde(default)]
    modes: Vec<String>,
}

impl Features {
    /// Whether a memory policy of this mode is carried out.
    pub fn has_memory_policy(&self, mode: &str) -> bool {
        self.memory_modes.iter().any(|known| known == mode)
    }
}

/// What the runtime at this path knows; kept in `run_dir`.
pub fn of(runtime: &Path, run_dir: &Path) -> Features {
    let Ok(metadata) = fs::metadata(runtime) else {
        return Features::default();
    };
    let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
    let identity = (
        metadata.dev(),
        metadata.ino(),
        seconds,
        nanoseconds,
        metadata.len(),
    );
    let kept = run_dir.join(format!("features-{:x}-{:x}", identity.0, identity.1));
    if let Some(features) = read(&kept).filter(|kept| kept.identity == identity) {
        return features;
    }
    let Some(answer) = ask(runtime) else {
        return Features::default();
    };
    let features = Features {
        identity,
        memory_modes: modes(&answer),
    };
    // Best effort: the next container asks again.
    drop(keep(&kept, &features));
    features
}

fn modes(answer: &str) -> Vec<String> {
    let answer: Answer = serde_json::from_str(answer).unwrap_or_default();
    answer
        .linux
        .memory_policy
        .map_or_else(Vec::new, |policy| policy.modes)
}

/// What was kept, if it is root's or our own, and whole.
fn read(path: &Path) -> Option<Features> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let is_trusted = metadata.uid() == 0 || metadata.uid() == sys::effective_uid();
    if !metadata.is_file() || !is_trusted || metadata.mode() & 0o022 != 0 {
        return None;
    }
    let mut text = String::new();
    file.take(LENGTH).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn keep(path: &Path, features: &Features) -> io::Result<()> {
    let beside = PathBuf::from(format!("{}.{}", path.display(), std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file: File = options.open(&beside)?;
    let written = serde_json::to_vec(features)
        .map_err(io::Error::other)
        .and_then(|text| file.write_all(&text))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        drop(fs::remove_file(&beside));
    }
    written
}

/// The answer of a runtime, empty where it does not know the command; nothing where it does not come to an end.
fn ask(runtime: &Path) -> Option<String> {
    let mut command = Command::new(runtime);
    command.arg("features").env_clear().stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let status = wait(&mut child)?;
    if !status {
        return Some(String::new());
    }
    let mut text = String::new();
    let bounded = child.stdout.take()?;
    bounded.take(LENGTH).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Whether the child ended well; nothing where it did not end in time, or wrote more than a pipe holds.
fn wait(child: &mut Child) -> Option<bool> {
    let until = Instant::now() + LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(1)),
            _ => {
                // It is ours and not reaped, so the pid is its own.
                drop(child.kill());
                drop(child.wait());
                return None;
            }
        }
    }
}
