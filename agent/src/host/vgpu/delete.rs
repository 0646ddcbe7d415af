//! A vGPU is taken away: the one that a record speaks of, and no other.

use std::time::Instant;

use kerf_types::{PciAddress, VgpuGpu};

use super::look::unmaking;
use super::{Host, HostError, OldVgpu, VgpuRefusal, judge};
use crate::store::{VgpuRow, VgpuState};

impl Host {
    /// Takes a vGPU of kerf's away.
    pub(super) async fn delete_vgpu(&mut self, wish: &OldVgpu) -> Result<VgpuRow, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        // What was used again since the last look is found out before anything is written.
        self.look_at_vgpus().await;
        let row = self.record_named(wish)?;
        let gpu: PciAddress = row.gpu.parse()?;
        self.note_gpu(gpu, 0, 1);
        self.refuse_in_doubt(gpu)?;
        if row.state == VgpuState::Making {
            let name = wish.name.clone();
            return Err(VgpuRefusal::Unsettled { name }.into());
        }
        self.refuse_leased(&row, &wish.name)?;
        if !wish.disable_sriov {
            return self.take_away(row).await;
        }
        self.may_turn_off(&row, gpu)?;
        let turned = self.begin_functions(gpu)?;
        let gone = self.take_away(row).await;
        // Where the vGPU stays they stay too, and that ends the intent.
        let settled = self.settle_functions(turned).await;
        match (gone, settled) {
            (Ok(row), Ok(())) => Ok(row),
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => {
                let source = Box::new(error);
                Err(HostError::StillOn { gpu, source })
            }
        }
    }

    /// Nobody's vGPU goes while it is leased, whether a virtual machine has it open or not yet.
    fn refuse_leased(&self, row: &VgpuRow, name: &str) -> Result<(), HostError> {
        match self.lease_on(row) {
            None => Ok(()),
            Some(lease) => Err(VgpuRefusal::Leased {
                name: name.to_owned(),
                by: lease.holder.to_string(),
                lease: lease.id,
            }
            .into()),
        }
    }

    async fn take_away(&mut self, row: VgpuRow) -> Result<VgpuRow, HostError> {
        let state = VgpuState::Unmaking;
        let row = VgpuRow { state, ..row };
        self.put_vgpu(row.clone())?;
        let begun = Instant::now();
        let outcome = self.finish_vgpu(row.clone()).await;
        let step = unmaking(&row)?.to_string();
        self.note_tried(step, begun, outcome.as_ref().err());
        outcome.map(|()| row)
    }

    fn record_named(&self, wish: &OldVgpu) -> Result<VgpuRow, HostError> {
        let name = wish.name.clone();
        let address = name.parse::<PciAddress>().map(|pci| pci.to_string());
        let is_it = |function: &str, uuid: Option<&str>| {
            address.as_deref() == Ok(function)
                || uuid.is_some_and(|uuid| uuid.eq_ignore_ascii_case(&name))
        };
        let rows = self.vgpus.rows.values();
        let rows = rows.filter(|row| is_it(&row.function, row.uuid.as_deref()));
        let named: Vec<&VgpuRow> = rows.collect();
        let meant = |row: &&&VgpuRow| wish.fence.is_none_or(|fence| fence == row.fence);
        let mut meant = named.iter().filter(meant);
        match (meant.next(), meant.next(), wish.fence) {
            (Some(_), Some(_), _) => Err(VgpuRefusal::Several { name }.into()),
            (Some(row), None, _) => Ok((*row).clone()),
            (None, _, Some(fence)) => {
                let found = match (named.first(), self.is_there(is_it)) {
                    (Some(row), _) => format!("vGPU {}", row.fence),
                    (None, true) => "one that kerf did not make".to_owned(),
                    (None, false) => "none".to_owned(),
                };
                Err(VgpuRefusal::Stale { name, fence, found }.into())
            }
            (None, _, None) if self.is_there(is_it) => Err(VgpuRefusal::Foreign { name }.into()),
            (None, _, None) => Err(VgpuRefusal::NotFound { name }.into()),
        }
    }

    fn is_there(&self, is_it: impl Fn(&str, Option<&str>) -> bool) -> bool {
        let mut vgpus = self.vgpus.seen.values().flat_map(|gpu| gpu.vgpus());
        vgpus.any(|(function, vgpu)| {
            let uuid = vgpu.uuid.map(|uuid| uuid.to_string());
            is_it(&function.to_string(), uuid.as_deref())
        })
    }

    /// Virtual functions go only from a GPU that loses nothing else by it.
    fn may_turn_off(&self, row: &VgpuRow, gpu: PciAddress) -> Result<(), HostError> {
        if !self.gpu(gpu)?.instances.is_empty() {
            return Err(VgpuRefusal::WouldWipe { gpu }.into());
        }
        let seen = self.vgpus.seen.get(&gpu);
        let mut vgpus = seen.into_iter().flat_map(VgpuGpu::vgpus);
        match vgpus.all(|(function, vgpu)| judge::is_it(row, function, vgpu)) {
            true => Ok(()),
            false => Err(VgpuRefusal::OthersThere { gpu }.into()),
        }
    }
}
