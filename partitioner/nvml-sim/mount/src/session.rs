//! A machine's mount, from its beginning to its end.
//!
//! ```text
//! mount() --> mounted --umount, fusermount3 -u--> ended
//!                |--------stop, unmount, drop---> unmounted, or detached where somebody is still in it --> ended
//! ```
//! Detached: nobody new comes in, and the processes that are in it get errors when this process ends.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use nix::mount::{MntFlags, umount2};
use nix::unistd::Uid;
use nvidia_ml::kernel::Kernel;

use crate::error::MountError;
use crate::filesystem::MachineFs;
use crate::tree::Tree;

/// What file systems of user space are made with.
const DEVICE: &str = "/dev/fuse";

/// How long the end of an unmounted session is waited for: it comes at once, unless a process is still in it.
const GRACE: Duration = Duration::from_secs(1);

/// Room for the end of the session and for a wish to stop; more wishes say nothing new.
const EVENTS: usize = 2;

/// A mounted machine; dropping it takes the mount away.
#[derive(Debug)]
pub struct Mounted {
    mountpoint: PathBuf,
    unmounter: SessionUnmounter,
    events: Receiver<Event>,
    stopper: Stopper,
    over: bool,
}

#[derive(Debug)]
enum Event {
    Ended(io::Result<()>),
    Stop,
}

/// Ends the wait of another thread for the end of a mount.
#[derive(Debug, Clone)]
pub struct Stopper(SyncSender<Event>);

impl Stopper {
    /// Asks for the end.
    pub fn stop(&self) {
        // Full: it was asked for already. Gone: it has come.
        self.0.try_send(Event::Stop).ok();
    }
}

/// Mounts the root of the machine in `dir` at `mountpoint`, and serves it until that ends.
///
/// # Errors
/// `Machine` where there is none, `NoFolder` or `Hides` where the place is wrong, `Device` or `NotAllowed` where
/// this is not to be had here.
pub fn mount(dir: &Path, mountpoint: &Path) -> Result<Mounted, MountError> {
    let kernel = Kernel::open(dir).map_err(|source| MountError::Machine {
        dir: dir.to_owned(),
        source,
    })?;
    let root = dir.join("root");
    let not_read = |source| MountError::Root {
        root: root.clone(),
        source,
    };
    let dir = dir.canonicalize().map_err(not_read)?;
    let tree = Tree::new(kernel, dir.join("root")).map_err(not_read)?;
    let mountpoint = place(&dir, mountpoint)?;
    // Asked first, since its absence is the commonest reason and mounting would hide it behind another.
    let device = File::options().read(true).write(true).open(DEVICE);
    device.map_err(|source| MountError::Device { source })?;
    let session = Session::new(MachineFs::new(tree), &mountpoint, &options());
    let session = session.map_err(|source| refused(&mountpoint, source))?;
    serve(session, mountpoint)
}

/// The folder to mount at, without links. Mounted over the machine's files, they would be read through the mount
/// that reads them, for ever.
fn place(dir: &Path, mountpoint: &Path) -> Result<PathBuf, MountError> {
    let none = |source| MountError::NoFolder {
        mountpoint: mountpoint.to_owned(),
        source,
    };
    let place = mountpoint.canonicalize().map_err(none)?;
    if !fs::metadata(&place).map_err(none)?.is_dir() {
        return Err(none(io::ErrorKind::NotADirectory.into()));
    }
    if dir.starts_with(&place) || place.starts_with(dir) {
        return Err(MountError::Hides { mountpoint: place });
    }
    Ok(place)
}

fn options() -> Config {
    let mut options = Config::default();
    options.mount_options = vec![
        MountOption::FSName("kerf-sim".to_owned()),
        MountOption::Subtype("kerf-sim".to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoSuid,
        MountOption::NoExec,
    ];
    // Others may come in, as into /sys, where that is root's to say; device nodes open as they do in the folder.
    if Uid::effective().is_root() {
        options.acl = SessionACL::All;
        options.mount_options.push(MountOption::Dev);
    }
    options
}

/// fuser mounts by itself, and where it may not it asks fusermount3.
fn refused(mountpoint: &Path, source: io::Error) -> MountError {
    let mountpoint = mountpoint.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            MountError::NotAllowed { mountpoint, source }
        }
        _ => MountError::Mount { mountpoint, source },
    }
}

fn serve(mut session: Session<MachineFs>, mountpoint: PathBuf) -> Result<Mounted, MountError> {
    let unmounter = session.unmount_callable();
    let (sender, events) = mpsc::sync_channel(EVENTS);
    let stopper = Stopper(sender.clone());
    let thread = thread::Builder::new().name("kerf-sim-mount".to_owned());
    let spawned = thread.spawn(move || {
        let end = session.run();
        // Nobody may be waiting any more.
        sender.send(Event::Ended(end)).ok();
    });
    spawned.map_err(|source| MountError::Mount {
        mountpoint: mountpoint.clone(),
        source,
    })?;
    Ok(Mounted {
        mountpoint,
        unmounter,
        events,
        stopper,
        over: false,
    })
}

impl Mounted {
    /// Where it is, without links in the path.
    #[must_use]
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// For another thread to end [`Mounted::wait`] with.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until somebody has unmounted it, or asks for the end: it is unmounted then.
    ///
    /// # Errors
    /// `BrokeOff` or `Unmount`.
    pub fn wait(mut self) -> Result<(), MountError> {
        match self.events.recv() {
            Ok(Event::Ended(end)) => {
                self.over = true;
                end.map_err(|source| MountError::BrokeOff {
                    mountpoint: self.mountpoint.clone(),
                    source,
                })
            }
            Ok(Event::Stop) => self.end(),
            // The own stopper keeps the channel open.
            Err(mpsc::RecvError) => Ok(()),
        }
    }

    /// Unmounts it.
    ///
    /// # Errors
    /// `Unmount`.
    pub fn unmount(mut self) -> Result<(), MountError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), MountError> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(());
        }
        // Busy, as a rule. Then it goes from the tree now, and for those who are in it when this process ends.
        if self.unmounter.unmount().is_err() {
            umount2(&self.mountpoint, MntFlags::MNT_DETACH).map_err(|errno| {
                MountError::Unmount {
                    mountpoint: self.mountpoint.clone(),
                    source: errno.into(),
                }
            })?;
        }
        let until = Instant::now() + GRACE;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.events.recv_timeout(left) {
                Ok(Event::Stop) => {}
                Ok(Event::Ended(_)) | Err(_) => break,
            }
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Nobody is there to be told.
        self.end().ok();
    }
}
