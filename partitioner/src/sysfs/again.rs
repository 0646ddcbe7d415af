//! Opening a path that the kernel will not follow the first time.
//!
//! Owns how often it is asked again. A scoped walk (openat2(2), `RESOLVE_IN_ROOT`) that meets a `..`, as nearly every link
//! of sysfs has one, is given up with `EAGAIN` when anything was renamed or mounted anywhere on the host meanwhile: the
//! kernel could not prove that it stayed inside. On a host that starts containers that is no fault and no fact of the path.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OpenHow, openat2};

/// Times that a walk is tried at least. One in sysfs takes microseconds, and a host renames some thousand files a second, so
/// that a few would do: of fewer, a burst of renames could make a file seem unreadable.
const TRIES: u32 = 16;

/// Opens what lies at `path` under `dir`: tries at least [`TRIES`] times, and as long as `patience` lasts, for walks that a
/// program serves and that take as long as the renames lie apart. `EAGAIN` if the kernel never came through.
pub fn open_again(
    dir: impl AsFd,
    path: &(impl AsRef<Path> + ?Sized),
    how: OpenHow,
    patience: Duration,
) -> Result<OwnedFd, Errno> {
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        match openat2(dir.as_fd(), path.as_ref(), how) {
            Err(Errno::EAGAIN | Errno::EINTR) if tries < TRIES => {}
            // Whoever renames, or serves the files, may need this processor.
            Err(Errno::EAGAIN | Errno::EINTR) if begun.elapsed() < patience => thread::yield_now(),
            answer => return answer,
        }
    }
}
