//! What is attached stays as it was granted, and what is half done is taken back: with each look, and so also by a kerfd
//! that finds it so when it starts.
//!
//! A lease whose devices cannot be taken out of its container, or that somebody in there has open, does not end before
//! that is over, or the container is: nobody else gets what somebody may still use. The kernel looks at rules when a node
//! is opened and never again.

use std::collections::BTreeSet;

use kerf_types::LeaseId;
use kerf_types::lease::{InitProcess, LeaseState};

use super::grant::user_of;
use super::{Host, HostError, watch};
use crate::errors::chain;
use crate::process::attach::rules::Numbers;
use crate::process::attach::{self, AttachError, Attachment, Off, Phase};
use crate::store::LeaseRow;

impl Host {
    /// Looks at every attachment to a container that runs. One that has ended takes it all with it, and its watcher tells.
    pub(super) async fn keep_attachments(&mut self) {
        let rows = self.leases.values();
        let attached = rows.filter(|row| row.attachment.is_some() && watch::runs(row));
        let attached: Vec<LeaseRow> = attached.cloned().collect();
        for row in attached {
            // Those before it may have taken their time, and another container may be where this one was.
            if !watch::runs(&row) {
                continue;
            }
            let is_held = row.lease.state == LeaseState::Active
                && row.attachment.as_ref().map(|one| one.phase) == Some(Phase::Held);
            match is_held {
                true => self.keep_rules(&row).await,
                false => drop(self.take_off(row.lease.id).await),
            }
        }
    }

    /// The numbers of all that is attached to the container with this first process.
    pub(super) fn given_to(&self, init: &InitProcess) -> BTreeSet<Numbers> {
        let rows = self.leases.values();
        let same = rows.filter(|row| row.lease.init.as_ref() == Some(init));
        let attachments = same.filter_map(|row| row.attachment.as_ref());
        let nodes = attachments.flat_map(|attachment| &attachment.nodes);
        nodes.map(|node| node.numbers).collect()
    }

    /// Allows again what an engine or systemd has written away.
    async fn keep_rules(&mut self, row: &LeaseRow) {
        let (Some(cgroup), Some(attachment)) = (&row.cgroup, &row.attachment) else {
            return;
        };
        let (id, what) = (row.lease.id.to_string(), named(row.lease.id));
        let init = row.lease.init.as_ref();
        let given = init.map_or_else(BTreeSet::new, |init| self.given_to(init));
        let nodes = &attachment.nodes;
        match self.processes.restore_rules(cgroup, nodes, &given).await {
            Ok(0) => self.recovered(&what),
            Ok(lost) => {
                self.recovered(&what);
                let text = format!(
                    "{lost} device rules of {} were lost, and are there again",
                    user_of(&row.lease)
                );
                self.events.add("lease", &id, &text);
            }
            // It has just ended.
            Err(_) if !watch::runs(row) => {}
            Err(error) => {
                let hint = "its devices may be out of its reach; it is tried again with each look";
                self.degrade(&what, chain(&error), hint);
            }
        }
    }

    /// Takes an attachment out of its container. Then its lease ends, or is promised as before where it never came to be
    /// held. Returns why that was not done; it is tried again with each look.
    pub(super) async fn take_off(&mut self, id: LeaseId) -> Option<HostError> {
        let outcome = self.take_out(id).await;
        let what = named(id);
        match outcome {
            Ok(over) => {
                self.recovered(&what);
                if let Some(cause) = over {
                    self.metrics.lease_releases.inc([cause]);
                    self.release(id, cause).await;
                }
                self.publish();
                None
            }
            Err(error) => {
                let hint = "the lease does not end before that is over, or its container has ended";
                self.degrade(&what, chain(&error), hint);
                self.publish();
                Some(error)
            }
        }
    }

    /// The same in the container and in the record; where the lease is over, the cause of its end.
    async fn take_out(&mut self, id: LeaseId) -> Result<Option<&'static str>, HostError> {
        let (Some((off, heirs)), Some(mut row)) = (self.off_of(id), self.leases.get(&id).cloned())
        else {
            return Ok(None);
        };
        // Those who need the same first: what they are to take away later must not be forgotten.
        for heir in heirs {
            self.put(heir)?;
        }
        if let (Some(cgroup), Some(init)) = (&row.cgroup, &row.lease.init) {
            let stays = self.processes.take_out(cgroup, init, &off).await?;
            if !stays.is_empty() {
                tracing::warn!(lease.id = %id, ?stays, "device nodes stay in a container that cannot open them");
            }
        }
        if let Some(by) = self.user_within(id).await {
            return Err(AttachError::InUse { lease: id, by }.into());
        }
        let taken = row.attachment.take();
        let was_begun = taken.as_ref().is_some_and(|one| one.phase == Phase::Begun);
        row.lease.attached = false;
        let text = match was_begun {
            true => "not attached: what was done of it is taken back".to_owned(),
            false => format!("detached from {}", user_of(&row.lease)),
        };
        self.events.add("lease", &id.to_string(), &text);
        if was_begun && taken.is_some_and(|one| one.was_promised) {
            row.lease.state = LeaseState::Reserved;
            row.lease.container = None;
            row.lease.init = None;
            row.cgroup = None;
            self.put(row)?;
            self.close_account(id);
            return Ok(None);
        }
        // That it ends is written in one with this, where that was not begun by somebody who detaches it.
        row.lease.state = LeaseState::Releasing;
        self.put(row)?;
        Ok(Some(match was_begun {
            true => "launch_failed",
            false => "detached",
        }))
    }

    /// What goes with an attachment, and the rows of others in the same container that have more to take away then.
    pub(super) fn off_of(&self, id: LeaseId) -> Option<(Off, Vec<LeaseRow>)> {
        let row = self.leases.get(&id)?;
        let own = row.attachment.as_ref()?;
        let before: Vec<&LeaseRow> = self
            .leases
            .values()
            .filter(|other| other.lease.id != id && other.lease.init == row.lease.init)
            .filter(|other| other.attachment.is_some())
            .collect();
        let mut heirs: Vec<LeaseRow> = before.iter().map(|row| (*row).clone()).collect();
        let others = heirs.iter_mut().filter_map(|row| row.attachment.as_mut());
        let off = attach::off(own, others.map(|other: &mut Attachment| other));
        let changed = heirs.into_iter().zip(before);
        let changed = changed.filter(|(heir, before)| heir != *before);
        Some((off, changed.map(|(heir, _)| heir).collect()))
    }
}

/// What is not well where an attachment cannot be kept.
pub(super) fn named(id: LeaseId) -> String {
    format!("attachment of lease {id}")
}
