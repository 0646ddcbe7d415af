//! Reads small files out of a container's root file system before it runs.
//!
//! The file system is mounted read-only in a mount namespace that one thread makes for itself and
//! that ends with it: nothing of it is ever seen on the host, whatever happens to kerfd. Paths are
//! resolved by the kernel inside of that file system alone (`RESOLVE_IN_ROOT`).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use containerd_client::types::Mount;
use kerf_partitioner::sysfs::open_again;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::chdir;

use super::super::image::ImageError;

/// Largest file: a passwd file of ten thousand users.
const FILE_LIMIT: u64 = 1 << 20;

/// Where the file system is mounted, in the thread's own view of the mounts. Any folder that is
/// always there will do, as nobody else sees it.
const PLACE: &str = "/tmp";

/// The texts of files in the root file system that containerd's `mounts` describe; a file that is
/// not there is empty.
pub(super) async fn read<const N: usize>(
    mounts: &[Mount],
    paths: [&'static str; N],
) -> Result<[String; N], ImageError> {
    let fault = |path: &str, source| ImageError::UserFile {
        path: path.to_owned(),
        source,
    };
    let [mount] = mounts else {
        let source = io::Error::from(io::ErrorKind::Unsupported);
        return Err(fault("root file system", source));
    };
    let view = View::new(mount);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    // A thread of its own and not one of a pool: it never leaves its mount namespace again.
    std::thread::spawn(move || {
        let root = view.open();
        let texts = root.map_err(|error| ("root file system", error.into()));
        let texts = texts.and_then(|root| {
            let mut texts = [const { String::new() }; N];
            for (text, path) in texts.iter_mut().zip(paths) {
                *text = file(&root, path).map_err(|source| (path, source))?;
            }
            Ok(texts)
        });
        // Nobody waits any more: then nobody needs it.
        drop(sender.send(texts));
    });
    let gone = |_| fault("root file system", io::ErrorKind::BrokenPipe.into());
    let texts = receiver.await.map_err(gone)?;
    texts.map_err(|(path, source)| fault(path, source))
}

/// How the layers below a container are looked at without its own, empty one.
#[derive(Debug, PartialEq, Eq)]
enum View {
    Folder(String),
    Overlay(String),
}

impl View {
    fn new(mount: &Mount) -> Self {
        let option = |key: &str| {
            let mut options = mount.options.iter();
            options.find_map(|option| option.strip_prefix(key).map(str::to_owned))
        };
        match option("lowerdir=") {
            // An overlay needs two layers, so a single one is looked at as the folder that it is.
            Some(lower) if mount.r#type == "overlay" && !lower.contains(':') => Self::Folder(lower),
            Some(lower) if mount.r#type == "overlay" => Self::Overlay(lower),
            _ => Self::Folder(mount.source.clone()),
        }
    }

    /// Mounts it and gives its root.
    fn open(&self) -> nix::Result<OwnedFd> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let none: Option<&str> = None;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(none, "/", none, private, none)?;
        let closed =
            MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        match self {
            Self::Folder(source) => {
                let bind = MsFlags::MS_BIND;
                mount(Some(source.as_str()), PLACE, none, bind, none)?;
                mount(none, PLACE, none, bind | MsFlags::MS_REMOUNT | closed, none)?;
            }
            Self::Overlay(lower) => {
                // Options have one page, and the paths of many layers do not fit: as containerd does, what
                // they have in common is left out. The current folder is this thread's own since `unshare`.
                let (folder, lower) = shorten(lower);
                chdir(folder.as_str())?;
                let options = format!("lowerdir={lower}");
                mount(
                    Some("overlay"),
                    PLACE,
                    Some("overlay"),
                    closed,
                    Some(options.as_str()),
                )?;
            }
        }
        open(
            Path::new(PLACE),
            OFlag::O_PATH | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
    }
}

/// The folder that all paths of a list lie in, and the list as it is seen from there.
fn shorten(list: &str) -> (String, String) {
    let paths: Vec<&str> = list.split(':').collect();
    let first = paths.first().copied().unwrap_or_default();
    let mut common = first.rfind('/').map_or(0, |slash| slash + 1);
    for path in &paths {
        while let Some(folder) = first.get(..common)
            && !path.starts_with(folder)
        {
            let above = folder.trim_end_matches('/');
            common = above.rfind('/').map_or(0, |slash| slash + 1);
        }
    }
    let (folder, _) = first.split_at_checked(common).unwrap_or_default();
    if folder.is_empty() {
        return ("/".to_owned(), list.to_owned());
    }
    let short: Vec<&str> = paths
        .iter()
        .map(|path| path.strip_prefix(folder).unwrap_or(path))
        .collect();
    (folder.to_owned(), short.join(":"))
}

/// The text of one file. `O_NONBLOCK`, since what the image has there may be a FIFO.
fn file(root: &OwnedFd, path: &str) -> io::Result<String> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = match open_again(root, path, how, Duration::ZERO) {
        Ok(file) => File::from(file),
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(String::new()),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut text = Vec::new();
    file.take(FILE_LIMIT).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests;
