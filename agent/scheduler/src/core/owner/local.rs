//! What an owner does with what its own host has done.

use kerf_types::Moment;
use kerf_types::peer::{Body, Exit, Grant, Tag};

use super::hear::{memory_change, new_row};
use super::{Entry, Held, save};
use crate::core::io::{LocalCommand, LocalEvent};
use crate::core::saved::MemberPhase;
use crate::core::settings::WORDS;
use crate::core::{Core, Faults};

impl<F: Faults> Core<F> {
    pub(in crate::core) fn local_event(&mut self, now: Moment, tag: Tag, event: LocalEvent) {
        match event {
            LocalEvent::Reserved(grant) => self.local_reserved(now, tag, grant),
            LocalEvent::Refused {
                reason,
                room,
                record,
            } => {
                let Some(Entry::Asking(asking)) = self.owner.members.get(&tag) else {
                    return;
                };
                let to = asking.coordinator;
                self.owner.members.remove(&tag);
                if self.waits_on(now, tag, room, &reason) {
                    return;
                }
                // Kept in memory alone: it makes a second sending of the same question harmless, and a crash
                // that forgets it costs a reservation that is given back.
                self.save_forgotten(to, tag);
                if let Some(record) = &record {
                    self.learn(now, record.clone().into());
                }
                self.outbox.send(to, tag, Body::Refused { reason, record });
            }
            LocalEvent::Released(grant) => {
                let Some(held) = self.owner.held(tag) else {
                    return;
                };
                if held.row.phase == MemberPhase::Releasing && held.row.grant == grant {
                    let to = held.row.coordinator;
                    self.close_member(tag);
                    self.outbox.send(to, tag, Body::Released);
                }
            }
            LocalEvent::Started => self.local_started(now, tag),
            LocalEvent::StartRefused { reason, lasting } => {
                self.local_not_started(now, tag, reason, lasting);
            }
            LocalEvent::Ended(exit) => self.local_ended(now, tag, exit),
            LocalEvent::NotFound => {
                let phase = self.owner.held(tag).map(|held| held.row.phase.clone());
                match phase {
                    Some(MemberPhase::Starting) => {
                        let reason = "its host began anew before the container was made";
                        self.local_not_started(now, tag, reason.to_owned(), false);
                    }
                    Some(MemberPhase::Running) => {
                        let reason = "its container is gone and nobody saw its exit code";
                        let exit = Exit {
                            code: None,
                            timed_out: false,
                            reason: reason.to_owned(),
                        };
                        self.local_ended(now, tag, exit);
                    }
                    _ => {}
                }
            }
        }
    }

    fn local_reserved(&mut self, now: Moment, tag: Tag, grant: Grant) {
        let asking = match self.owner.members.get(&tag) {
            Some(Entry::Asking(asking)) => asking,
            Some(Entry::Held(held)) if held.row.grant == grant => return,
            // Nobody has asked for it, or somebody else has it: it must not lie there until it expires.
            Some(Entry::Held(_)) | None => {
                return self.outbox.local(tag, LocalCommand::Release { grant });
            }
        };
        let row = new_row(tag, asking, grant, now);
        let (to, given_up) = (asking.coordinator, asking.given_up);
        let stand = asking.stand.clone();
        self.owner.queue.leave(tag);
        let next_word = now.after(row.ttl / WORDS);
        let held = Held {
            row,
            next_word,
            stopping: false,
            released: given_up,
            stand,
        };
        save(&mut self.outbox, &held);
        self.owner.members.insert(tag, Entry::Held(held));
        if let Some(change) = memory_change(self.owner.memories.get(&tag.job), tag) {
            self.outbox.save(change);
        }
        if given_up {
            return self.give_back(now, tag);
        }
        self.outbox.send(to, tag, Body::Reserved(grant));
    }

    fn local_started(&mut self, now: Moment, tag: Tag) {
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        if held.row.phase == MemberPhase::Starting {
            held.row.phase = MemberPhase::Running;
            held.next_word = now;
            let to = held.row.coordinator;
            save(&mut self.outbox, held);
            self.outbox.send(to, tag, Body::Started);
        }
    }

    fn local_not_started(&mut self, now: Moment, tag: Tag, reason: String, lasting: bool) {
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        if held.row.phase == MemberPhase::Starting {
            let to = held.row.coordinator;
            self.give_back(now, tag);
            self.outbox
                .send(to, tag, Body::StartRefused { reason, lasting });
        }
    }

    fn local_ended(&mut self, now: Moment, tag: Tag, exit: Exit) {
        let Some(held) = self.owner.held(tag) else {
            return;
        };
        if !super::may_live(&held.row.phase) {
            return;
        }
        let to = held.row.coordinator;
        if held.released {
            self.close_member(tag);
            return self.outbox.send(to, tag, Body::Released);
        }
        held.row.phase = MemberPhase::Ended(exit.clone());
        held.row.heard = now;
        held.next_word = now.after(self.settings.resend);
        save(&mut self.outbox, held);
        self.outbox.send(to, tag, Body::Ended(exit));
    }
}
