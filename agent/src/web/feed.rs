//! The one task that watches what the page is made of and makes each document once, for all who look.

use std::time::Duration;

use axum::body::Bytes;
use kerf_api::json::Web;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Sources, document};
use crate::host::now;
use crate::peers::Peers;

/// Least time between two documents. Somebody who looks at a page sees no more than four changes a second,
/// and a launch has several.
const PERIOD: Duration = Duration::from_millis(250);

/// A document in the two forms that are sent. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// `kerf.v1.Web`.
    pub json: Bytes,
    /// The same as a server-sent event.
    pub event: Bytes,
}

impl Frame {
    fn new(number: u64, document: &Web) -> Result<Self, serde_json::Error> {
        // JSON on one line: a line break in the text would end the event's field.
        let json = serde_json::to_string(document)?;
        let event = format!("id: {number}\ndata: {json}\n\n");
        Ok(Self {
            json: json.into(),
            event: event.into(),
        })
    }
}

/// The task's state.
#[derive(Debug)]
pub(super) struct Feed {
    sources: Sources,
    last: Web,
    number: u64,
}

impl Feed {
    /// The feed and its first frame.
    pub fn new(sources: Sources) -> Result<(Self, Frame), serde_json::Error> {
        let last = look(&sources);
        let frame = Frame::new(0, &last)?;
        let feed = Self {
            sources,
            last,
            number: 0,
        };
        Ok((feed, frame))
    }

    /// Sends a frame for each change, until the host's owner has ended.
    pub async fn run(mut self, frames: watch::Sender<Frame>) {
        let mut views = self.sources.host.watch();
        let mut jobs = self.sources.jobs.facts();
        let mut fleet = self.sources.fleet.clone();
        loop {
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return },
                changed = jobs.changed() => if changed.is_err() { return },
                () = change(&mut fleet) => {}
            }
            match self.next() {
                Ok(Some(frame)) => drop(frames.send_replace(frame)),
                // The host is looked at every few seconds; mostly it is as before.
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "web document not written"),
            }
            sleep(PERIOD).await;
        }
    }

    /// A frame, if anything but the time has changed.
    fn next(&mut self) -> Result<Option<Frame>, serde_json::Error> {
        let mut document = look(&self.sources);
        let at = std::mem::replace(&mut document.at, self.last.at.clone());
        if document == self.last {
            return Ok(None);
        }
        document.at = at;
        self.number += 1;
        self.last = document;
        Frame::new(self.number, &self.last).map(Some)
    }
}

fn look(sources: &Sources) -> Web {
    let view = sources.host.view();
    let jobs = document::JobsSeen {
        shown: sources.jobs.shown(document::JOBS_SHOWN),
        by_state: sources.jobs.facts().borrow().by_state.clone(),
    };
    let fleet = sources.fleet.borrow().clone();
    let mut problems = sources.jobs.problems();
    problems.extend(sources.peers.iter().flat_map(Peers::problems));
    document::document(now(), &view, &problems, &jobs, &fleet, &sources.facts)
}

/// The next change of the fleet; never, once nobody can change it any more.
async fn change<T>(fleet: &mut watch::Receiver<T>) {
    if fleet.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
