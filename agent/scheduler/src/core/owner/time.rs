//! What an owner does as time passes: it says that it is there, and ends what nobody asks about.

use kerf_types::job::OnPartition;
use kerf_types::peer::{Body, Tag};
use kerf_types::{HostId, Moment};

use super::{Entry, Held, Owner, may_live};
use crate::core::io::LocalCommand;
use crate::core::saved::{MemberPhase, MemberRow};
use crate::core::settings::{ENDED_KEPT, Settings, WORDS};
use crate::core::{Core, Faults};
use crate::fleet::Liveness;

impl Owner {
    pub(in crate::core) fn wakeup<F: Faults>(
        &self,
        local: HostId,
        settings: &Settings,
    ) -> Option<Moment> {
        let held = self.members.values().filter_map(|entry| match entry {
            Entry::Held(held) => Some(held),
            Entry::Asking(_) => None,
        });
        held.filter_map(|held| {
            let end = end_of::<F>(&held.row, local, settings).filter(|_| !held.stopping);
            let word = (held.row.phase != MemberPhase::Releasing).then_some(held.next_word);
            end.into_iter().chain(word).min()
        })
        .chain(self.queue.wakeup(settings))
        .min()
    }
}

/// When a container of a member must be gone if nobody is heard of. One of a job that was submitted on the same host is never
/// ended for silence: no partition lies between, and a kerfd that is away for an update must not end it.
pub(super) fn stops_at<F: Faults>(
    row: &MemberRow,
    local: HostId,
    settings: &Settings,
) -> Option<Moment> {
    // Of a job that several keep, this host may be replaced as its coordinator while it is cut off.
    let alone = row.coordinator == local && (F::SPARE_OWN || !row.term.is_shared());
    let live = may_live(&row.phase) && !alone;
    let stops = live && row.on_partition == OnPartition::Stop;
    stops.then(|| row.heard.after(settings.stop_after))
}

/// When a member ends if nobody is heard of.
fn end_of<F: Faults>(row: &MemberRow, local: HostId, settings: &Settings) -> Option<Moment> {
    match row.phase {
        MemberPhase::Reserved | MemberPhase::Confirmed => Some(row.heard.after(row.ttl)),
        MemberPhase::Starting | MemberPhase::Running => stops_at::<F>(row, local, settings),
        MemberPhase::Ended(_) => Some(row.heard.after(ENDED_KEPT)),
        MemberPhase::Releasing => None,
    }
}

impl<F: Faults> Core<F> {
    pub(in crate::core) fn owner_tick(&mut self, now: Moment) {
        let (local, settings) = (self.id, self.settings);
        let due = |held: &Held| {
            let end = end_of::<F>(&held.row, local, &settings).filter(|_| !held.stopping);
            held.next_word <= now || end.is_some_and(|end| end <= now)
        };
        let tags: Vec<Tag> = self
            .owner
            .members
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Held(held) if due(held)))
            .map(|(tag, _)| *tag)
            .collect();
        for tag in tags {
            self.member_tick(now, tag);
        }
        self.queue_tick(now);
    }

    fn member_tick(&mut self, now: Moment, tag: Tag) {
        let (local, settings) = (self.id, self.settings);
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        let row = &held.row;
        let over = end_of::<F>(row, local, &settings).is_some_and(|end| end <= now);
        let to = row.coordinator;
        match &row.phase {
            MemberPhase::Reserved | MemberPhase::Confirmed if over && !F::NEVER_EXPIRE => {
                return self.give_back(now, tag);
            }
            MemberPhase::Starting | MemberPhase::Running if over && !F::NEVER_STOP_SILENT => {
                return self.stop_silent(now, tag);
            }
            MemberPhase::Ended(_) if over => return self.close_member(tag),
            _ => {}
        }
        if held.next_word > now {
            return;
        }
        let (body, wait) = match &row.phase {
            MemberPhase::Reserved | MemberPhase::Confirmed => {
                (Body::Alive { sent: now }, row.ttl / WORDS)
            }
            MemberPhase::Starting | MemberPhase::Running => {
                (Body::Alive { sent: now }, settings.stop_after / WORDS)
            }
            MemberPhase::Ended(exit) => (Body::Ended(exit.clone()), settings.resend),
            MemberPhase::Releasing => {
                held.next_word = now.after(settings.resend);
                return;
            }
        };
        // Nobody is there to hear it; membership says when somebody is again.
        let quiet = self.fleet.liveness(to) != Liveness::Alive;
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        held.next_word = now.after(if quiet { settings.backoff_most } else { wait });
        self.outbox.send(to, tag, body);
    }

    /// Stops a member whose submitter is silent: it may be started elsewhere soon.
    fn stop_silent(&mut self, now: Moment, tag: Tag) {
        if let Some(held) = self.owner.held(tag) {
            held.next_word = now.after(self.settings.resend);
        }
        self.stop(tag);
    }

    /// After a crash: what was being released is released, what was started is looked for.
    pub(in crate::core) fn owner_after_recovery(&mut self) {
        let rows: Vec<MemberRow> = self.owner.rows().cloned().collect();
        for row in rows {
            let grant = row.grant;
            if row.phase == MemberPhase::Releasing {
                self.outbox.local(row.tag, LocalCommand::Release { grant });
            } else if may_live(&row.phase) && !F::SKIP_FIND {
                self.outbox.local(row.tag, LocalCommand::Find { grant });
            }
        }
    }
}
