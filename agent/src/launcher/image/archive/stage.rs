//! Receives an archive into a file of kerfd's own, which is gone again whatever happens.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use kerf_types::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::super::super::error::LauncherError;
use super::ArchiveError;

/// The first bytes of a gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// How much is received at once.
const CHUNK: usize = 256 << 10;

/// How long that much may take to come, unless it is the end. A sender that says nothing, or a byte now and
/// then, would keep others from importing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes folders of one process differ.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A folder with a received archive; dropping it removes the folder.
#[derive(Debug)]
pub(in crate::launcher::image) struct Staged {
    folder: PathBuf,
}

impl Staged {
    fn new(parent: &Path) -> Result<Self, LauncherError> {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(number.to_string());
        fs::create_dir_all(&folder).map_err(LauncherError::io("make the folder", &folder))?;
        Ok(Self { folder })
    }

    /// The archive as a plain tar file, unpacked into the same folder if it came as gzip.
    ///
    /// Blocks; the file lives on as long as the handle, though the folder may be gone by then.
    pub fn open(&self, limit: Bytes) -> Result<File, LauncherError> {
        let path = self.folder.join("archive");
        let mut file = File::open(&path).map_err(LauncherError::io("open", &path))?;
        let mut head = Vec::new();
        let look = (&mut file).take(2).read_to_end(&mut head);
        look.and_then(|_| file.rewind())
            .map_err(LauncherError::io("read", &path))?;
        if head != GZIP {
            return Ok(file);
        }
        let plain = self.folder.join("plain");
        let mut out = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&plain)
            .map_err(LauncherError::io("make", &plain))?;
        let mut decoder = MultiGzDecoder::new(io::BufReader::new(file)).take(limit.0 + 1);
        let mut buffer = vec![0_u8; CHUNK];
        let mut total = 0_u64;
        loop {
            let count = decoder
                .read(&mut buffer)
                .map_err(|source| ArchiveError::Gzip {
                    what: "it".to_owned(),
                    source,
                })?;
            total += u64::try_from(count).unwrap_or(u64::MAX);
            if count == 0 {
                break;
            }
            if total > limit.0 {
                return Err(ArchiveError::TooLarge { limit }.into());
            }
            out.write_all(buffer.get(..count).unwrap_or_default())
                .map_err(LauncherError::io("write", &plain))?;
        }
        out.rewind().map_err(LauncherError::io("read", &plain))?;
        Ok(out)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %error, "received archive not removed");
        }
    }
}

/// Receives everything that `reader` has into a new folder below `parent`.
pub(in crate::launcher::image) async fn stage(
    reader: &mut (impl AsyncRead + Unpin),
    parent: &Path,
    limit: Bytes,
) -> Result<Staged, LauncherError> {
    let staged = Staged::new(parent)?;
    let path = staged.folder.join("archive");
    let mut file = tokio::fs::File::create_new(&path)
        .await
        .map_err(LauncherError::io("make", &path))?;
    let mut buffer = vec![0_u8; CHUNK];
    let mut total = 0_u64;
    loop {
        let filled = tokio::time::timeout(PATIENCE, fill(reader, &mut buffer));
        let count = filled.await.map_err(|_| ArchiveError::Slow {
            least: Bytes(u64::try_from(CHUNK).unwrap_or(u64::MAX)),
            limit: PATIENCE,
        })?;
        let count = count.map_err(ArchiveError::Receive)?;
        if count == 0 {
            break;
        }
        total += u64::try_from(count).unwrap_or(u64::MAX);
        if total > limit.0 {
            return Err(ArchiveError::TooLarge { limit }.into());
        }
        file.write_all(buffer.get(..count).unwrap_or_default())
            .await
            .map_err(LauncherError::io("write", &path))?;
    }
    file.flush()
        .await
        .map_err(LauncherError::io("write", &path))?;
    Ok(staged)
}

/// Reads until the buffer is full or nothing more comes; says how much there is.
async fn fill(reader: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match reader.read(room).await? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Removes what a kerfd that was killed while it received an archive left behind.
pub(in crate::launcher::image) fn sweep(parent: &Path) -> Result<(), LauncherError> {
    match fs::remove_dir_all(parent) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LauncherError::io("empty", parent)(error))
        }
        _ => fs::create_dir_all(parent).map_err(LauncherError::io("make the folder", parent)),
    }
}

#[cfg(test)]
mod tests;
