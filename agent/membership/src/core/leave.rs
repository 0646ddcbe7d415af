//! Leaving: the last record says goodbye, and SWIM tells that this life is over.

use super::Core;
use crate::record::Stored;
use crate::wire::{Delta, Message};
use crate::{Aged, Faults, Output};

/// Hosts that hear the goodbye directly. They pass it on; if all of it is lost, this host is found dead as
/// any other.
const TELL: usize = 8;

impl<F: Faults> Core<F> {
    /// Says goodbye and falls silent: every later input is without effect.
    pub(super) fn leave(&mut self, out: &mut Vec<Output>) {
        self.left = true;
        let record = self.next_record(self.own_payload(), true);
        let goodbye = Aged { record, age_ms: 0 };
        let mut delta = Delta::default();
        if self.fits_alone(&goodbye) {
            delta.records.push(goodbye.clone());
        } else {
            // Nobody could pull it any more. The payload stays what it was; the goodbye alone is told.
            let record = self.signed_record(crate::Payload::default(), true);
            delta.records.push(Aged { record, age_ms: 0 });
        }
        self.own.record = Some(Stored::new(goodbye, self.now));
        let message = Message::Delta(delta);
        for peer in self.some_peers(TELL) {
            self.send_to_host(peer, &message, out);
        }
        let outcome = self.swim.leave();
        self.absorb(outcome, out);
        self.timers.clear();
    }
}
