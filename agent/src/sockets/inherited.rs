//! A listening socket that the service manager holds for kerfd, so that whoever connects while kerfd is restarted waits
//! in it.
//!
//! The protocol is that of `sd_listen_fds(3)`: descriptors from 3 on, as many as `LISTEN_FDS` says, meant for the process
//! that `LISTEN_PID` names. They are told apart by the path that they listen on.

use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt};
use tokio::net::UnixListener;

use super::sys;

/// The first descriptor that a service manager hands over.
const FIRST: i32 = 3;

/// Most that are looked at; kerf's units hand over one.
const MOST: i32 = 16;

/// The socket of this path that was handed over, if there is one. To be asked once, before anything else is opened.
///
/// # Errors
/// When it was, and cannot be used.
pub fn inherited(path: &Path) -> io::Result<Option<UnixListener>> {
    let variable = |name| std::env::var(name).ok();
    let count = count(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        std::process::id(),
    );
    for fd in FIRST..FIRST.saturating_add(count) {
        let Some(listener) = sys::take(fd) else {
            continue;
        };
        if listens_on(&listener, path) {
            fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
            listener.set_nonblocking(true)?;
            return UnixListener::from_std(listener).map(Some);
        }
        // Nobody else takes it over, and a child should not have it.
        tracing::warn!(fd, "a socket that kerfd does not know was handed over");
    }
    Ok(None)
}

/// How many descriptors were handed to this process.
fn count(for_pid: Option<&str>, count: Option<&str>, myself: u32) -> i32 {
    let is_ours = for_pid.and_then(|pid| pid.parse().ok()) == Some(myself);
    let count = count.filter(|_| is_ours);
    let count: i32 = count.and_then(|count| count.parse().ok()).unwrap_or(0);
    count.clamp(0, MOST)
}

fn listens_on(listener: &StdListener, path: &Path) -> bool {
    let address = listener.local_addr();
    let is_there = address.is_ok_and(|address| address.as_pathname() == Some(path));
    is_there && getsockopt(listener, sockopt::AcceptConn).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_meant_for_this_process_is_counted() {
        for (pid, fds, expected) in [
            (Some("7"), Some("1"), 1),
            (Some("8"), Some("1"), 0),
            (None, Some("1"), 0),
            (Some("7"), None, 0),
            (Some("7"), Some("-3"), 0),
            (Some("7"), Some("2147483647"), MOST),
            (Some("7"), Some("99999999999"), 0),
            (Some("seven"), Some("x"), 0),
        ] {
            assert_eq!(count(pid, fds, 7), expected, "{pid:?} {fds:?}");
        }
    }

    #[test]
    fn a_socket_is_known_by_its_path_and_listens() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = StdListener::bind(&path).expect("bound");
        assert!(listens_on(&listener, &path));
        assert!(!listens_on(&listener, Path::new("/elsewhere")));
    }
}
