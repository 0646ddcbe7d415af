//! A member as the host that holds it remembers it.

use std::time::Duration;

use kerf_api::json::job;
use kerf_scheduler::core::{MemberPhase, MemberRow};
use kerf_types::Moment;
use kerf_types::job::OnPartition;
use kerf_types::peer::{SpecHash, Tag, Term};
use serde::{Deserialize, Serialize};

use super::parts::{ExitDocument, grant_text, parse, read_grant};

#[derive(Serialize, Deserialize)]
pub(super) struct MemberDocument {
    coordinator: String,
    #[serde(default)]
    term: u32,
    /// In hex.
    spec_hash: String,
    grant: (String, u64),
    phase: String,
    exit: Option<ExitDocument>,
    heard_ms: u64,
    ttl_ms: u64,
    run_on: bool,
    grace_ms: u64,
}

impl From<&MemberRow> for MemberDocument {
    fn from(row: &MemberRow) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (phase, exit) = match &row.phase {
            MemberPhase::Reserved => ("reserved", None),
            MemberPhase::Confirmed => ("confirmed", None),
            MemberPhase::Starting => ("starting", None),
            MemberPhase::Running => ("running", None),
            MemberPhase::Ended(exit) => ("ended", Some(exit)),
            MemberPhase::Releasing => ("releasing", None),
        };
        Self {
            coordinator: row.coordinator.to_string(),
            term: row.term.0,
            spec_hash: job::hash_text(&row.spec_hash.0),
            grant: grant_text(row.grant),
            phase: phase.to_owned(),
            exit: exit.map(Into::into),
            heard_ms: row.heard.0,
            ttl_ms: ms(row.ttl),
            run_on: row.on_partition == OnPartition::Continue,
            grace_ms: ms(row.grace),
        }
    }
}

impl MemberDocument {
    pub fn read(self, tag: Tag) -> Result<MemberRow, String> {
        let phase = match (self.phase.as_str(), self.exit) {
            ("reserved", None) => MemberPhase::Reserved,
            ("confirmed", None) => MemberPhase::Confirmed,
            ("starting", None) => MemberPhase::Starting,
            ("running", None) => MemberPhase::Running,
            ("releasing", None) => MemberPhase::Releasing,
            ("ended", Some(exit)) => MemberPhase::Ended(exit.into()),
            (other, _) => return Err(format!("{other:?} is no phase of a member")),
        };
        let on_partition = if self.run_on {
            OnPartition::Continue
        } else {
            OnPartition::Stop
        };
        Ok(MemberRow {
            tag,
            coordinator: parse(&self.coordinator)?,
            term: Term(self.term),
            spec_hash: read_hash(&self.spec_hash)?,
            grant: read_grant(self.grant)?,
            phase,
            heard: Moment(self.heard_ms),
            ttl: Duration::from_millis(self.ttl_ms),
            on_partition,
            grace: Duration::from_millis(self.grace_ms),
        })
    }
}

fn read_hash(text: &str) -> Result<SpecHash, String> {
    let wrong = || format!("{text:?} is no hash");
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(wrong());
    }
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        let pair = text.get(at..at + 2).ok_or_else(wrong)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(SpecHash(hash))
}
