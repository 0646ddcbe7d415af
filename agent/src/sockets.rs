//! Unix sockets: opened with their rights, and never under another kerfd's feet.

mod inherited;
mod sys;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub use inherited::inherited;
use tokio::net::UnixListener;

/// Opens a listening socket with these rights. A stale one is replaced; one that somebody answers on is not.
pub fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    match std::os::unix::net::UnixStream::connect(path).map_err(|error| error.kind()) {
        Err(io::ErrorKind::NotFound) => {}
        // Nobody listens. Any other failure, such as a full backlog, can come from a kerfd that lives.
        Err(io::ErrorKind::ConnectionRefused) => crate::files::remove(path)?,
        Ok(_) => {
            let text = format!("{}: another kerfd serves this socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        Err(kind) => {
            let path = path.display();
            let text =
                format!("{path}: it cannot be told whether another kerfd serves this socket");
            return Err(io::Error::new(kind, format!("{text}: {kind}")));
        }
    }
    // Bound under a temporary name, so that nobody connects before the rights are set.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    crate::files::remove(Path::new(&temporary))?;
    let listener = UnixListener::bind(&temporary)?;
    std::fs::set_permissions(&temporary, PermissionsExt::from_mode(mode))?;
    std::fs::rename(&temporary, path)?;
    Ok(listener)
}

/// Gives a socket to a group, where there is one. A kerfd that is not root and not in it may not, and keeps
/// the socket to itself.
pub fn give_to_group(path: &Path, group: &str) -> io::Result<()> {
    let Ok(Some(found)) = nix::unistd::Group::from_name(group) else {
        return Ok(());
    };
    match std::os::unix::fs::chown(path, None, Some(found.gid.as_raw())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::info!(path = %path.display(), group, "socket stays with kerfd's own group");
            Ok(())
        }
        given => given,
    }
}
