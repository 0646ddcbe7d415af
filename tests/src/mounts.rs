//! Mounts that nobody else sees, and that go with the test that made them.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::panic;
use std::thread;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Does `work` on a thread of its own with a mount namespace of its own. Processes and threads that it starts are in
/// there too, and with the last of them the mounts end, however the test ended. A panic of `work` goes on here.
///
/// # Errors
/// When there can be no such namespace: it needs root.
pub fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    let ended = thread::scope(|scope| {
        let inside = || -> Result<T> {
            unshare(CloneFlags::CLONE_NEWNS).context("no mount namespace")?;
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
                .context("the mounts of a namespace cannot be made its own")?;
            Ok(work())
        };
        // By its name a skipped test is told.
        let name = thread::current().name().unwrap_or("test").to_owned();
        let thread = thread::Builder::new().name(name);
        let thread = thread.spawn_scoped(scope, inside);
        thread.map(thread::ScopedJoinHandle::join)
    });
    let ended = ended.context("no thread")?;
    ended.unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}

/// Whether a file system of user space can be mounted here: mounts one, where nobody sees it.
///
/// # Errors
/// Says what is missing.
pub fn probe_fuse() -> Result<()> {
    apart(|| {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = device.context("/dev/fuse cannot be opened")?;
        let fd = device.as_raw_fd();
        let options = format!("fd={fd},rootmode=40000,user_id=0,group_id=0");
        // Any folder will do: nothing looks into it before the namespace is gone.
        let (place, kind) = ("/tmp", Some("fuse"));
        let flags = MsFlags::empty();
        mount(
            Some("kerf-probe"),
            place,
            kind,
            flags,
            Some(options.as_str()),
        )
        .context("mount(2) refuses a file system of user space")
    })?
}
