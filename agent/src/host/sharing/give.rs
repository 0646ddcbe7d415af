//! Giving places on shared devices, and nothing else of these.

use kerf_planner::SharePick;
use kerf_types::lease::Subject;
use kerf_types::{DeviceId, LeaseId, PciAddress};

use super::super::{Host, HostError};

impl Host {
    /// The place that was chosen, as the subject of a lease.
    pub(in crate::host) fn share_subject(&self, pick: &SharePick) -> Result<Subject, HostError> {
        let place = Some(pick.share);
        let mut subject = match pick.device {
            DeviceId::Slice(slice) => self.slice_subject(slice)?,
            DeviceId::Gpu(gpu) => Subject::Gpu {
                gpu,
                uuid: self.gpu(gpu)?.uuid.clone(),
                share: None,
            },
        };
        match &mut subject {
            Subject::Slice { share, .. } | Subject::Gpu { share, .. } => *share = place,
        }
        Ok(subject)
    }

    /// What is shared has no place that could be named: an ask finds a free one.
    pub(in crate::host) fn refuse_if_shared(
        &self,
        gpu: PciAddress,
        what: String,
    ) -> Result<(), HostError> {
        match self.shared.of(gpu) {
            Some(sharing) => Err(HostError::Busy {
                what,
                state: format!(
                    "shared by {0}: ask for a share by the word {0}, or apply a layout without `sharing`",
                    sharing.mode()
                ),
                by: None,
            }),
            None => Ok(()),
        }
    }

    /// Whether others have a share of the same device: what runs on it is theirs. That nothing of this lease does is
    /// told by its cgroup, as for every lease; whoever has the last share leaves the device clean, or is waited for.
    pub(in crate::host) fn is_shared_besides(&self, id: LeaseId, subject: &Subject) -> bool {
        let others = self.leases.values().map(|row| &row.lease);
        let others = others.filter(|lease| lease.id != id);
        let mut theirs = others.flat_map(|lease| &lease.subjects);
        subject.share().is_some()
            && theirs.any(|own| own.share().is_some() && own.device() == subject.device())
    }
}
