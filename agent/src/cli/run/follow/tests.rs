//! A job is followed to its end, over restarts of kerfd and where its output cannot be read.

mod kerfd;

use std::time::Duration;

use kerf_api::v1;
use tonic::{Code, Status};

use super::{Output, follow};
use crate::cli::Context;
use crate::cli::print::{self, Printer};
use crate::cli::run::signals::Signals;
use kerfd::{Kerfd, Log};

/// How long following may take on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(60);

fn chunk(host: &str, stream: u32, data: &str, next: u64) -> v1::LogChunk {
    v1::LogChunk {
        stream,
        data: data.as_bytes().to_vec(),
        next,
        host: host.to_owned(),
    }
}

fn position(host: &str, stdout: u64, stderr: u64) -> v1::LogPosition {
    v1::LogPosition {
        host: host.to_owned(),
        stdout,
        stderr,
    }
}

/// Follows a job that has ended with 3, and returns its code and where each reading of the log began.
async fn followed(logs: Vec<Log>) -> (Option<i32>, Vec<Vec<v1::LogPosition>>) {
    let folder = tempfile::tempdir().expect("a folder");
    let context = Context {
        socket: folder.path().join("kerf.sock"),
        print: Printer::new(print::Output::Table, true),
    };
    let job = v1::Job {
        id: "j".to_owned(),
        state: "failed".to_owned(),
        exit_code: Some(3),
        ..v1::Job::default()
    };
    let kerfd = Kerfd::listen(&context.socket, job, logs);
    let client = context.connect().await.expect("it listens");
    let mut signals = Signals::new().expect("signals");
    let following = follow(&context, client, "j", &mut signals);
    let job = tokio::time::timeout(LIMIT, following).await;
    let job = job.expect("in time").expect("it has an end");
    let asked = kerfd.asked().into_iter().map(|request| request.from);
    (job.and_then(|job| job.exit_code), asked.collect())
}

#[tokio::test]
async fn a_log_that_cannot_be_shown_does_not_hide_how_the_job_ended() {
    for code in [Code::FailedPrecondition, Code::ResourceExhausted] {
        let log = vec![
            Ok(chunk("a", 1, "", 4)),
            Err(Status::new(
                code,
                "the output is on node-2, which does not show it",
            )),
        ];
        let (code, asked) = followed(vec![log]).await;
        assert_eq!(code, Some(3));
        assert_eq!(asked, [vec![]], "it is read once");
    }
}

#[tokio::test]
async fn a_kerfd_that_comes_back_is_asked_for_what_was_not_written() {
    let away = Err(Status::unavailable("about to end"));
    // A line in the place of what was cut is far shorter than that; then the job changes its host.
    let first = vec![
        Ok(chunk("a", 1, "", 4 << 20)),
        Ok(chunk("a", 2, "", 7)),
        Ok(chunk("b", 1, "", 5)),
        away.clone(),
    ];
    let second = vec![Ok(chunk("b", 1, "", 9)), away];
    let (code, asked) = followed(vec![first, second, Vec::new()]).await;
    assert_eq!(code, Some(3));
    let begun = [
        vec![],
        vec![position("a", 4 << 20, 7), position("b", 5, 0)],
        vec![position("a", 4 << 20, 7), position("b", 9, 0)],
    ];
    assert_eq!(asked, begun);
}

#[test]
fn a_kerfd_that_tells_no_position_is_not_told_any() {
    let mut output = Output::default();
    output.pass(&chunk("", 1, "text", 0));
    assert!(output.0.is_empty());
}
