//! Which workers run, written down so that the next kerfd can wait for them.
//!
//! A file named by the pid holds the worker's start time and the pid and start time of its kerfd. Whose
//! child it is tells nothing: a worker from the socket is the service manager's. Each further line is the folder of a
//! device in which a thread of the worker is stuck. Such a worker cannot end, whatever its first thread does, so its
//! record stays, and no other worker enters those devices: one device costs one thread, of whichever kerfd.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_types::lease::InitProcess;

use crate::files::{self, Durability};
use crate::process;

/// How often it is asked whether a worker's first thread has ended: a kerfd that starts, or one that closes the driver,
/// goes on this much late at most.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Writes a worker down; gives the file.
pub fn write(folder: &Path, pid: u32, worker: Option<&InitProcess>) -> io::Result<PathBuf> {
    let path = folder.join(pid.to_string());
    let start = worker.map_or(0, |process| process.start_ticks);
    let owner = std::process::id();
    let owner_start = process::identify(owner).map_or(0, |process| process.start_ticks);
    let text = format!("{start} {owner} {owner_start}\n");
    files::replace(&path, text.as_bytes(), Durability::Volatile)?;
    Ok(path)
}

/// Takes the file of an ended worker away.
pub fn remove(record: &Path) {
    if let Err(error) = files::remove(record) {
        // The next kerfd sees that no such process runs, and removes it then.
        tracing::debug!(path = %record.display(), %error, "record of an ended worker stays");
    }
}

/// Waits for workers of a kerfd before us to end: one of them may be inside a driver call whose effect we
/// would not see yet. Returns the pids of those that did not end in time.
pub async fn await_earlier(records: &Path, patience: Duration) -> Vec<u32> {
    let mut stuck = Vec::new();
    let Ok(entries) = std::fs::read_dir(records) else {
        return stuck;
    };
    let deadline = tokio::time::Instant::now() + patience;
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let pid: Option<u32> = name.to_str().and_then(|name| name.parse().ok());
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut numbers = text.split_whitespace().map(|word| word.parse::<u64>().ok());
        let start = numbers.next().flatten();
        if let (Some(pid), Some(start)) = (pid, start)
            && let Some(found) = process::identify(pid)
            && found.start_ticks == start
        {
            // This is also asked while we run, and then our own workers are written down there too.
            if is_us(numbers.next().flatten(), numbers.next().flatten()) {
                continue;
            }
            let ended = tokio::time::timeout_at(deadline, await_last_call(&found)).await;
            if ended.is_err() {
                stuck.push(pid);
                continue;
            }
            if process::is_alive(&found) {
                // A thread of it is in a device that it was looking at.
                continue;
            }
        }
        drop(files::remove(&path));
    }
    stuck
}

/// Waits until a worker is in no call any more, and has no driver open: until it has ended, or its first thread has,
/// which makes the calls and closes the driver when it goes. A thread that is stuck in a device may outlive that one,
/// and has only been reading.
pub async fn await_last_call(worker: &InitProcess) {
    let first_thread = async {
        while !process::is_first_thread_over(worker) {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::select! {
        () = process::wait_for(worker) => {}
        () = first_thread => {}
    }
}

/// Ends the workers of a kerfd before us, which may be killed in a call; gives those that have not ended in time.
pub async fn end_earlier(records: &Path, patience: Duration) -> Vec<InitProcess> {
    let deadline = tokio::time::Instant::now() + patience;
    let mut left = Vec::new();
    for process in running(records) {
        if let Err(error) = process::kill(&process) {
            tracing::debug!(pid = process.pid, %error, "worker not killed");
        }
        let ended = process::wait_for(&process);
        match tokio::time::timeout_at(deadline, ended).await {
            Ok(()) => remove(&records.join(process.pid.to_string())),
            Err(_) => left.push(process),
        }
    }
    left
}

/// Adds to a worker's record in which devices a thread of it is stuck, in the place of what it said of that.
pub fn note_held(record: &Path, held: &[String]) -> io::Result<()> {
    let text = std::fs::read_to_string(record)?;
    let mut text = format!("{}\n", text.lines().next().unwrap_or_default());
    // No folder of the kernel's has such a name, and it would be read as two.
    for folder in held.iter().filter(|folder| !folder.contains('\n')) {
        text.push_str(folder);
        text.push('\n');
    }
    files::replace(record, text.as_bytes(), Durability::Volatile)
}

/// The devices in which a thread of a worker is stuck that is not the one with this record.
pub fn held_by_others(record: &Path) -> Vec<String> {
    let entries = record.parent().map(std::fs::read_dir);
    let entries = entries.into_iter().flatten().flatten().flatten();
    let others = entries.filter(|entry| entry.path() != record);
    let mut held = BTreeSet::new();
    for entry in others {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let mut folders = text.lines().skip(1).map(str::to_owned).peekable();
        if folders.peek().is_some() && runs(&entry, &text).is_some() {
            held.extend(folders);
        }
    }
    held.into_iter().collect()
}

/// The workers that are written down and run, ours and those of a kerfd before us.
pub fn running(records: &Path) -> Vec<InitProcess> {
    let entries = std::fs::read_dir(records).into_iter().flatten().flatten();
    let process = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).ok()?;
        runs(&entry, &text)
    };
    entries.filter_map(process).collect()
}

/// The worker of a record, if it still runs.
fn runs(entry: &std::fs::DirEntry, text: &str) -> Option<InitProcess> {
    let start: u64 = text.split_whitespace().next()?.parse().ok()?;
    let found = process::identify(entry.file_name().to_str()?.parse().ok()?)?;
    (found.start_ticks == start).then_some(found)
}

/// Whether a record's owner is this process; an earlier kerfd may have had the same pid.
fn is_us(pid: Option<u64>, start: Option<u64>) -> bool {
    let own = std::process::id();
    let own_start = process::identify(own).map(|process| process.start_ticks);
    pid == Some(u64::from(own)) && start.is_some() && start == own_start
}
