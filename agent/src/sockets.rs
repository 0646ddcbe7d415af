//! Unix sockets: opened with their rights, and never under another kerfd's feet.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::UnixListener;

/// Opens a listening socket with these rights. A stale one is replaced; one that somebody answers on is not.
pub fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            let text = format!("{}: another kerfd serves this socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
        }
        std::fs::remove_file(path)?;
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

/// Gives a socket to the group `kerf`, where there is one.
pub fn give_to_group(path: &Path, group: &str) -> io::Result<()> {
    match nix::unistd::Group::from_name(group) {
        Ok(Some(group)) => std::os::unix::fs::chown(path, None, Some(group.gid.as_raw())),
        _ => Ok(()),
    }
}
