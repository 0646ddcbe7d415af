//! Who sends an archive too slowly is let go, and nothing of theirs stays.

use std::fs;

use kerf_types::Bytes;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Duration, Instant, sleep};

use super::{CHUNK, PATIENCE, stage};
use crate::errors::chain;

/// What becomes of an archive that comes in such parts, each after such a pause.
async fn send(part: usize, pause: Duration, parts: usize) -> Result<u64, String> {
    let parent = tempfile::tempdir().expect("a folder");
    let (mut sender, mut receiver): (DuplexStream, DuplexStream) = duplex(2 * CHUNK);
    let sending = tokio::spawn(async move {
        for _ in 0..parts {
            sleep(pause).await;
            if sender.write_all(&vec![b'x'; part]).await.is_err() {
                return;
            }
        }
    });
    let staged = stage(&mut receiver, parent.path(), Bytes(1 << 30)).await;
    let size = staged.as_ref().map(|staged| {
        fs::metadata(staged.folder.join("archive"))
            .expect("a file")
            .len()
    });
    let size = size.map_err(|error| chain(error));
    drop((staged, receiver));
    sending.abort();
    let left = fs::read_dir(parent.path()).expect("a folder").count();
    assert_eq!(left, 0, "a folder of an archive stays");
    size
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_slow_is_let_go_and_a_steady_one_is_not() {
    let refusal = "the image archive cannot be imported: less than 256KiB of it came in 30 s";
    for (part, pause) in [(1, 3_600), (1, 29), (CHUNK - 1, 29)] {
        let begun = Instant::now();
        let sent = send(part, Duration::from_secs(pause), 200).await;
        assert_eq!(sent, Err(refusal.to_owned()), "{part} each {pause} s");
        let took = begun.elapsed();
        assert!(took >= PATIENCE && took <= 4 * PATIENCE, "{took:?}");
    }
    let all = u64::try_from(20 * CHUNK).expect("it fits");
    assert_eq!(send(CHUNK, Duration::from_secs(29), 20).await, Ok(all));
    assert_eq!(send(7, Duration::from_secs(1), 3).await, Ok(21));
}
