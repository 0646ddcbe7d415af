//! foca behind a narrow door: what goes in is checked, what comes out is a list.

use std::time::Duration;

use foca::{Foca, NoCustomBroadcast, Notification, Runtime, State, Timer};
use kerf_types::HostId;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::wire::{Codec, Peer, Swim as Message};
use crate::{Identity, config};

/// What SWIM found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Up(Identity),
    Down(Identity),
    Renamed(Identity),
    /// This host itself is held for dead.
    Defunct,
}

/// What came out of one call.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub findings: Vec<Finding>,
    pub messages: Vec<(Identity, Message)>,
    pub timers: Vec<(Duration, Timer<Identity>)>,
    /// Messages of foca that could not be read back.
    pub unreadable: u64,
}

impl Runtime<Identity> for Outcome {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        self.findings.extend(match notification {
            Notification::MemberUp(identity) => Some(Finding::Up(identity.clone())),
            Notification::MemberDown(identity) => Some(Finding::Down(identity.clone())),
            Notification::Rename(_, identity) => Some(Finding::Renamed(identity.clone())),
            Notification::Defunct => Some(Finding::Defunct),
            Notification::Active | Notification::Idle | Notification::Rejoin(_) => None,
        });
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        match Message::from_foca(data) {
            Ok(message) => self.messages.push((to, message)),
            Err(_) => self.unreadable += 1,
        }
    }

    fn submit_after(&mut self, event: Timer<Identity>, after: Duration) {
        self.timers.push((after, event));
    }
}

/// SWIM of this host.
pub(crate) struct Swim {
    foca: Foca<Identity, Codec, Xoshiro256PlusPlus, NoCustomBroadcast>,
    /// What the last message of ours said of our refutations; foca does not tell.
    pub refutation: u16,
}

impl std::fmt::Debug for Swim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swim")
            .field("identity", self.foca.identity())
            .finish_non_exhaustive()
    }
}

impl Swim {
    pub fn new(me: Identity, timing: &config::Timing, overhead: usize, seed: u64) -> Self {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self {
            foca: Foca::new(me, config::swim(timing, overhead), rng, Codec),
            refutation: 0,
        }
    }

    pub fn me(&self) -> &Identity {
        self.foca.identity()
    }

    /// A datagram's message. `None` when foca refuses it; what it had done by then still comes out.
    pub fn receive(
        &mut self,
        from: HostId,
        life: crate::Life,
        message: Message,
    ) -> (bool, Outcome) {
        let me = self.me().clone();
        let data = message.into_foca(from, life, me);
        self.call(|foca, out| foca.handle_data(&data, out))
    }

    pub fn timer(&mut self, timer: Timer<Identity>) -> Outcome {
        self.call(|foca, out| foca.handle_timer(timer, out)).1
    }

    /// Learns members from elsewhere; `tell` says whether others may not know yet.
    pub fn apply(&mut self, members: Vec<Peer>, tell: bool) -> Outcome {
        self.call(|foca, out| foca.apply_many(members.into_iter(), tell, out))
            .1
    }

    pub fn announce(&mut self, to: Identity) -> Outcome {
        self.call(|foca, out| foca.announce(to, out)).1
    }

    pub fn leave(&mut self) -> Outcome {
        self.call(|foca, out| foca.leave_cluster(out)).1
    }

    /// Comes back in the next renewal.
    pub fn renew(&mut self) -> Outcome {
        let next = self.me().renewed();
        self.refutation = 0;
        self.call(|foca, out| foca.change_identity(next, out)).1
    }

    /// Every member of which something is known, those that are down included.
    pub fn members(&self) -> impl Iterator<Item = &Peer> {
        let me = self.me().host;
        self.foca
            .iter_membership_state()
            .filter(move |member| member.id().host != me)
    }

    /// How many hosts it remembers.
    pub fn count(&self) -> usize {
        self.foca.iter_membership_state().len()
    }

    pub fn find(&self, host: HostId) -> Option<&Peer> {
        self.members().find(|member| member.id().host == host)
    }

    pub fn is_suspect(&self, host: HostId) -> bool {
        self.find(host)
            .is_some_and(|member| member.state() == State::Suspect)
    }

    fn call(
        &mut self,
        act: impl FnOnce(
            &mut Foca<Identity, Codec, Xoshiro256PlusPlus, NoCustomBroadcast>,
            &mut Outcome,
        ) -> Result<(), foca::Error>,
    ) -> (bool, Outcome) {
        let mut out = Outcome::default();
        let accepted = act(&mut self.foca, &mut out).is_ok();
        if let Some((_, message)) = out.messages.last() {
            self.refutation = message.refutation;
        }
        (accepted, out)
    }
}
