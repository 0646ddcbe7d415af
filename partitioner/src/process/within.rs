//! Work that may never end, done by a thread that is left behind after a time.
//!
//! The environment and the command line of a process are read from its memory, under a lock that it holds while it is
//! stuck in a driver; nothing ends such a read. Owns how many threads are left at most: beyond that nothing is tried.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Threads that did not come back in time.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// Most of them. Each is a process that hangs, and of more than a few nobody learns anything new.
const MOST_LEFT: usize = 4;

/// What the work comes to, if that is within the limit.
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if LEFT.load(Ordering::SeqCst) >= MOST_LEFT {
        return None;
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new().spawn(move || {
        let done = work();
        // Nobody listens any more where this was too late, and then one thread less is left.
        if sender.send(done).is_err() {
            LEFT.fetch_sub(1, Ordering::SeqCst);
        }
    });
    if spawned.is_err() {
        return None;
    }
    let answer = receiver.recv_timeout(limit).ok();
    if answer.is_none() {
        LEFT.fetch_add(1, Ordering::SeqCst);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::within;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn what_does_not_come_in_time_is_left_behind() {
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        let (release, held) = mpsc::channel::<()>();
        let stuck = within(Duration::from_millis(10), move || held.recv().is_ok());
        assert_eq!(stuck, None);
        release.send(()).expect("it waits still");
        assert_eq!(within(Duration::from_secs(60), || 8), Some(8));
    }
}
