//! Copies of members that go on, beside those of leases in the run folder.
//!
//! A store that was lost or put back to an earlier state is made good from them: what runs is not forgotten with it.
//! The folder is emptied by a reboot, which ends every container too.

use std::path::{Path, PathBuf};

use kerf_types::job::JobSpec;

use crate::files::CopyFolder;
use crate::store::{RunDocument, RunKey, RunRow, RunState};

/// The folder of the copies.
#[derive(Debug)]
pub(super) struct Copies {
    folder: CopyFolder,
}

impl Copies {
    /// The folder, made for root alone: specs hold what jobs keep secret.
    pub(super) fn new(run_dir: &Path) -> Self {
        Self {
            folder: CopyFolder::new(run_dir.join("runs")),
        }
    }

    /// Writes the copy of a member. The store has it already, so a failure is told and no more.
    pub(super) fn keep(&self, row: &RunRow) {
        // One that has ended stays as it is until nothing of it is left: its container may be there still.
        if row.is_active() {
            self.folder
                .keep(&name(row.key()), RunDocument::text(row).as_bytes());
        }
    }

    /// Takes a copy away.
    pub(super) fn forget(&self, key: RunKey) {
        self.folder.forget(&name(key));
    }

    /// All copies that can be read.
    pub(super) fn read(&self) -> Vec<(RunRow, Option<JobSpec>)> {
        let texts = self.folder.read().into_iter();
        texts
            .filter_map(|text| RunDocument::read(&String::from_utf8(text).ok()?).ok())
            .collect()
    }
}

fn name((job, member): RunKey) -> PathBuf {
    format!("{job}-{member}.json").into()
}

/// Whether a copy tells more than what the store knows of the member.
pub(super) fn is_newer(copy: &RunRow, known: Option<&RunRow>) -> bool {
    let progress = |row: &RunRow| {
        let state = match row.state {
            RunState::Starting => 0,
            RunState::Running => 1,
            RunState::Ended(_) | RunState::NotStarted => 2,
        };
        (row.tag.attempt, state, row.stopping.is_some())
    };
    known.is_none_or(|known| progress(copy) > progress(known))
}
