//! Brings an image archive to kerfd, part by part.

use std::path::Path;

use kerf_api::v1;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::RunError;
use crate::cli::client::Client;
use crate::cli::fail::Failure;

/// Bytes of one part; kerfd takes messages of up to 4 MiB.
const PART: usize = 1 << 20;

/// Parts on their way. More would only fill the memory.
const IN_FLIGHT: usize = 4;

/// Imports an archive, and returns the images that it brought.
pub async fn import(client: &mut Client, path: &Path) -> Result<Vec<String>, Failure> {
    let failed = |source| RunError::Archive {
        path: path.to_owned(),
        source,
    };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    let (parts, stream) = mpsc::channel(IN_FLIGHT);
    let reader = async move {
        loop {
            let mut data = vec![0; PART];
            let count = file.read(&mut data).await?;
            data.truncate(count);
            // kerfd may have refused meanwhile; its answer says why.
            if count == 0 || parts.send(v1::ImportImageRequest { data }).await.is_err() {
                return Ok::<(), std::io::Error>(());
            }
        }
    };
    let (read, answer) = tokio::join!(reader, client.import_image(ReceiverStream::new(stream)));
    // An archive that could not be read to its end looks to kerfd like a short one.
    read.map_err(failed)?;
    Ok(answer
        .map_err(Failure::call("import the image"))?
        .into_inner()
        .images)
}
