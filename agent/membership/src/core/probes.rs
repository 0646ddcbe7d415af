//! How probes of other hosts end, counted. Nothing is decided by it: [`super::health`] judges.

use foca::Message as SwimMessage;
use kerf_types::HostId;

use crate::{Identity, ProbeEnd};

/// The probe that is under way.
#[derive(Debug, Default)]
pub(super) struct Probes(Option<Probe>);

#[derive(Debug)]
struct Probe {
    target: HostId,
    number: u8,
    end: ProbeEnd,
}

impl Probes {
    /// This host has asked another whether it lives.
    pub fn begin(&mut self, target: HostId, number: u8) {
        self.0 = Some(Probe {
            target,
            number,
            end: ProbeEnd::Unanswered,
        });
    }

    /// A member has said something. Its own answer counts more than one that came through others.
    pub fn hear(&mut self, from: HostId, message: &SwimMessage<Identity>) {
        let Some(probe) = &mut self.0 else {
            return;
        };
        match message {
            SwimMessage::Ack(number) if (from, *number) == (probe.target, probe.number) => {
                probe.end = ProbeEnd::Answered;
            }
            SwimMessage::ForwardedAck {
                origin,
                probe_number,
            } if (origin.host, *probe_number) == (probe.target, probe.number)
                && probe.end == ProbeEnd::Unanswered =>
            {
                probe.end = ProbeEnd::Helped;
            }
            _ => {}
        }
    }

    /// The time of the probe is over.
    pub fn end(&mut self) -> Option<ProbeEnd> {
        self.0.take().map(|probe| probe.end)
    }
}
