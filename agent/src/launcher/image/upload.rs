//! Blobs into containerd's content store.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use containerd_client::services::v1::{
    AbortRequest, Info, UpdateRequest, WriteAction, WriteContentRequest,
};
use prost_types::FieldMask;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::super::engine::{Engine, GcLease, QUICK, UNPACK};
use super::super::error::LauncherError;
use super::archive::{Blob, Source};

/// Bytes of one message: a quarter of gRPC's usual limit of 4 MiB.
const CHUNK: u64 = 1 << 20;

/// Messages on their way: enough to read the next one while one is sent.
const IN_FLIGHT: usize = 2;

const OPERATION: &str = "store a part of the image";

/// Writes one blob. One that containerd has already is held by the lease and gets the labels.
pub(super) async fn upload(
    lease: &GcLease,
    archive: &Arc<File>,
    blob: &Blob,
) -> Result<(), LauncherError> {
    let engine = lease.engine();
    let digest = blob.descriptor.digest.to_string();
    let reference = format!("{}-{}", lease.id(), blob.descriptor.digest.hex());
    match write(&engine, archive, blob, &reference).await {
        Ok(()) => Ok(()),
        Err(error) if error.has_code(tonic::Code::AlreadyExists) => {
            lease.hold("content".to_owned(), &digest).await?;
            label(&engine, &digest, blob.labels.clone().into_iter().collect()).await
        }
        Err(error) => {
            let request = AbortRequest { r#ref: reference };
            let mut content = engine.content();
            let abort = engine.ask("drop a part of an image", QUICK, content.abort(request));
            if let Err(left) = abort.await {
                tracing::debug!(error = %left, "partial blob not dropped, its lease ends it");
            }
            Err(error)
        }
    }
}

/// Adds labels to a blob.
pub(super) async fn label(
    engine: &Engine,
    digest: &str,
    labels: HashMap<String, String>,
) -> Result<(), LauncherError> {
    if labels.is_empty() {
        return Ok(());
    }
    let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
    let request = UpdateRequest {
        info: Some(Info {
            digest: digest.to_owned(),
            labels,
            ..Info::default()
        }),
        update_mask: Some(FieldMask { paths }),
    };
    let mut content = engine.content();
    engine
        .ask("label a part of the image", QUICK, content.update(request))
        .await
        .map(drop)
}

async fn write(
    engine: &Engine,
    archive: &Arc<File>,
    blob: &Blob,
    reference: &str,
) -> Result<(), LauncherError> {
    let (sender, receiver) = mpsc::channel(IN_FLIGHT);
    let mut content = engine.content();
    let feed = feed(sender, archive, blob, reference);
    let take = async {
        let requests = ReceiverStream::new(receiver);
        let mut answers = engine
            .ask(OPERATION, UNPACK, content.write(requests))
            .await?;
        loop {
            let next = async { answers.message().await.map(tonic::Response::new) };
            match engine.ask(OPERATION, UNPACK, next).await? {
                Some(answer) if answer.action == i32::from(WriteAction::Commit) => return Ok(()),
                Some(_) => {}
                None => {
                    return Err(LauncherError::Stopped {
                        operation: OPERATION,
                    });
                }
            }
        }
    };
    // containerd's answer counts: when it refuses, the feeder only finds its channel closed.
    let (fed, taken) = tokio::join!(feed, take);
    taken.and(fed)
}

/// Sends the blob in parts and then the request to commit it under its digest.
async fn feed(
    sender: mpsc::Sender<WriteContentRequest>,
    archive: &Arc<File>,
    blob: &Blob,
    reference: &str,
) -> Result<(), LauncherError> {
    let size = blob.descriptor.size;
    let message = |action: WriteAction, offset: u64, data: Vec<u8>| WriteContentRequest {
        action: action.into(),
        r#ref: reference.to_owned(),
        total: wire(size),
        expected: blob.descriptor.digest.to_string(),
        offset: wire(offset),
        data,
        labels: HashMap::new(),
    };
    let mut offset = 0;
    while offset < size {
        let data = part(archive, &blob.source, offset, CHUNK.min(size - offset)).await?;
        let sent = message(WriteAction::Write, offset, data);
        if sender.send(sent).await.is_err() {
            return Ok(());
        }
        offset += CHUNK.min(size - offset);
    }
    let mut commit = message(WriteAction::Commit, size, Vec::new());
    commit.labels = blob.labels.clone().into_iter().collect();
    // A closed channel means that containerd has answered, and its answer is the result.
    drop(sender.send(commit).await);
    Ok(())
}

async fn part(
    archive: &Arc<File>,
    source: &Source,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, LauncherError> {
    let length = usize::try_from(length).unwrap_or_default();
    match source {
        Source::Memory(bytes) => {
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let part = bytes.iter().skip(from).take(length);
            Ok(part.copied().collect())
        }
        Source::Archive(region) => {
            let (archive, at) = (Arc::clone(archive), region.offset + offset);
            let read = tokio::task::spawn_blocking(move || -> io::Result<Vec<u8>> {
                let mut bytes = vec![0; length];
                archive.read_exact_at(&mut bytes, at)?;
                Ok(bytes)
            });
            let read = read.await.map_err(|_| LauncherError::Stopped {
                operation: OPERATION,
            })?;
            read.map_err(LauncherError::io("read", "the received archive"))
        }
    }
}

/// Sizes in containerd's messages are signed; none here comes near 2^63.
fn wire(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
