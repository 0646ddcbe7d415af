//! What a worker says on its standard error, copied to ours as it comes.
//!
//! Owns the reading end of the pipe and the thread that copies. Neither outlives this program, whatever the worker does.

use std::io::{self, Read, Write};
use std::process::ChildStderr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Bytes read at once: a line of a log has some hundred.
const READ_BYTES: usize = 4_096;

/// The copying of one worker's words.
#[derive(Debug)]
pub(super) struct Words {
    ended: Receiver<()>,
}

impl Words {
    /// Copies in a thread; `None` where none can be started, and then the worker speaks to nobody.
    pub fn copy(mut from: ChildStderr) -> Option<Self> {
        let (ends, ended) = mpsc::sync_channel::<()>(0);
        let work = move || {
            // Dropped when this is over, which is what is waited for.
            let _ends = ends;
            let mut bytes = [0; READ_BYTES];
            loop {
                let count = match from.read(&mut bytes) {
                    Ok(0) => return,
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => return,
                };
                let said = bytes.get(..count).unwrap_or_default();
                // Where nobody hears ours, the worker may go on talking.
                drop(io::stderr().lock().write_all(said));
            }
        };
        let started = thread::Builder::new().name("words".to_owned()).spawn(work);
        started.ok().map(|_| Self { ended })
    }

    /// Waits for the last word of a worker that has ended.
    pub fn await_last(self, limit: Duration) {
        // The end of the thread closes the channel; nothing is ever sent.
        if let Err(error) = self.ended.recv_timeout(limit) {
            tracing::trace!(%error, "the worker's words are copied");
        }
    }
}
