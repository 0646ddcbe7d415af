//! What a host that comes in keeps until it is a member, so that a cut at any moment costs no more than another try.
//!
//! | file | from | until | what |
//! |---|---|---|---|
//! | `join.key` | before a member is asked | it is a member | the key that it asks for: a token is used for it, and whoever signs answers it again |
//! | `entering` | before the first of a member's files | the last | says that a keyring that lies there is its own |

use kerf_identity::SecretKey;

use super::files::Folder;
use super::{ClusterError, random};

/// The key.
const KEY: &str = "join.key";

/// The mark.
const ENTERING: &str = "entering";

/// Longest file of a key that is read.
const KEY_LIMIT: usize = 1_024;

/// The key that this host comes in with: the one of an earlier try, else a new one, which is on the disk when this
/// returns. It is the same for any token and any cluster, as a certificate for it names both.
pub(super) fn key(folder: &Folder) -> Result<SecretKey, ClusterError> {
    if let Some(text) = folder.read(KEY, KEY_LIMIT)? {
        let text = std::str::from_utf8(&text).map_err(|e| folder.wrong(KEY, e))?;
        return SecretKey::from_text(text).map_err(|e| folder.wrong(KEY, e));
    }
    let key = SecretKey::from_seed(&random()?)?;
    folder.write(KEY, key.to_text().as_bytes())?;
    Ok(key)
}

/// Marks that a member's files are being written.
pub(super) fn begin(folder: &Folder) -> Result<(), ClusterError> {
    folder.write(ENTERING, b"")
}

/// Whether they were, and not to the last of them.
pub(super) fn is_begun(folder: &Folder) -> bool {
    folder.has(ENTERING)
}

/// Forgets what no member needs. What stays means nothing to one.
pub(super) fn end(folder: &Folder) {
    for name in [KEY, ENTERING] {
        folder.remove(name);
    }
}
