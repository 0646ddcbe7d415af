//! What peers may see of members on this host.

use std::path::PathBuf;

use kerf_types::HostId;
use kerf_types::peer::Tag;
use tokio::sync::watch;

use crate::members::Members;
use crate::peers::Shows;

/// The members on this host, for peers.
#[derive(Debug)]
pub(super) struct Shown(pub Members);

impl Shows for Shown {
    fn coordinator(&self, tag: Tag) -> Option<HostId> {
        let run = self.0.get((tag.job, tag.member))?;
        run.coordinator.filter(|_| run.tag.attempt >= tag.attempt)
    }

    fn logs(&self, tag: Tag) -> Option<(PathBuf, watch::Receiver<bool>)> {
        self.0.output((tag.job, tag.member))
    }
}
