//! Writing the history: who asked, what was planned, each step, what was read back.
//!
//! The owner does one thing at a time, so one entry is open at most. It is in the store before the first driver call;
//! what comes after is written when it ends, and a crash in between shows as an entry that still runs.

use std::collections::BTreeSet;
use std::time::Instant;

use kerf_api::json::history::{
    HistoryEntry, HistoryEntrySchema, HistoryGpu, HistoryKind, HistoryOutcome, HistoryPlan,
    HistoryStep, Requester,
};
use kerf_api::json::layout::LayoutDocument;
use kerf_planner::HostPlan;
use kerf_planner::host::Change;
use kerf_types::inventory::Health;
use kerf_types::layout::Layout;
use kerf_types::{MigMode, PciAddress};
use sha2::{Digest, Sha256};

use super::{Host, HostError, LayoutRequest, Reserve, now};
use crate::errors::chain;

/// The entry that is open.
#[derive(Debug)]
pub(super) struct Recording {
    number: i64,
    entry: HistoryEntry,
}

impl Host {
    /// Opens an entry. Where the store cannot be written, what it is about must not begin.
    pub(super) fn begin_record(&mut self, entry: HistoryEntry) -> Result<i64, HostError> {
        let number = self.write(|store| store.begin_history(&entry))?;
        self.recording = Some(Recording { number, entry });
        Ok(number)
    }

    /// Opens an entry of an earlier kerfd again, which was cut off in it.
    pub(super) fn go_on_with_record(&mut self, number: i64) {
        if let Ok(Some(mut entry)) = self.store.history_entry(number) {
            (entry.resumed, entry.why) = (true, None);
            self.recording = Some(Recording { number, entry });
        }
    }

    /// Writes down what was tried, and why it failed.
    pub(super) fn note_tried(
        &mut self,
        step: String,
        begun: Instant,
        error: Option<&(impl std::error::Error + 'static)>,
    ) {
        if let Some(recording) = &mut self.recording {
            recording.entry.steps.push(HistoryStep {
                step,
                duration_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
                error: error.map(|error| chain(error)),
            });
        }
    }

    /// Writes down what is to be said of something that was done all the same.
    pub(super) fn note_why(&mut self, why: String) {
        if let Some(recording) = &mut self.recording {
            recording.entry.why = Some(why);
        }
    }

    /// Writes down what was planned of it.
    pub(super) fn note_plan(&mut self, plan: &HostPlan) {
        if let Some(recording) = &mut self.recording {
            recording.entry.plan = Some(planned(plan));
        }
    }

    /// Writes down which GPU it is about, and how many vGPUs come and go.
    pub(super) fn note_gpu(&mut self, gpu: PciAddress, created: u32, destroyed: u32) {
        if let Some(recording) = &mut self.recording {
            recording.entry.plan = Some(HistoryPlan {
                cost: 0,
                lower_bound: 0,
                gpus: vec![gpu.to_string()],
                kept: 0,
                destroyed,
                created,
            });
        }
    }

    /// Closes the entry. What happened happened, also where the store cannot take it: then the entry shows as
    /// interrupted at the next start.
    pub(super) fn end_record(&mut self, outcome: Result<(), &HostError>) {
        let Some(Recording { number, mut entry }) = self.recording.take() else {
            return;
        };
        entry.ended_at = Some(now().to_string());
        if let Err(error) = outcome {
            entry.why = Some(chain(error));
        }
        entry.outcome = match outcome {
            Ok(()) => HistoryOutcome::Done,
            Err(_) if entry.steps.is_empty() => HistoryOutcome::Refused,
            Err(_) => HistoryOutcome::Failed,
        };
        let gpus = entry.plan.iter().flat_map(|plan| &plan.gpus);
        let read = |pci: &String| self.readback(pci).or_else(|| self.readback_amd(pci));
        entry.readback = gpus.filter_map(read).collect();
        drop(self.write(|store| store.end_history(number, &entry)));
    }

    /// Writes down that a request was refused before anything began.
    pub(super) fn record_refusal(&mut self, request: &LayoutRequest, error: &HostError) {
        let mut entry = of_layout(request, HistoryKind::Apply);
        (entry.outcome, entry.why) = (HistoryOutcome::Refused, Some(chain(error)));
        entry.ended_at = Some(entry.begun_at.clone());
        drop(self.write(|store| store.begin_history(&entry)));
    }

    fn readback(&self, pci: &str) -> Option<HistoryGpu> {
        let mut gpus = self.inventory.gpus.iter();
        let gpu = gpus.find(|gpu| gpu.pci.to_string() == *pci)?;
        if !is_read(&gpu.health) || self.unheard.contains(&gpu.pci) {
            return None;
        }
        let slices = gpu.instances.iter().flat_map(|instance| {
            let profile = gpu.profile(instance.profile);
            // It is of use to nobody as it is.
            let lack = match instance.compute.is_empty() {
                true => " without a compute instance",
                false => "",
            };
            gpu.slice_ids(instance).into_iter().map(move |id| {
                let part = id.compute.map(|part| part.size);
                let name = profile.map(|profile| profile.name.part(part).to_string());
                let name = name.unwrap_or_else(|| format!("profile {}", instance.profile));
                format!("{} {name}{lack}", id.spot())
            })
        });
        let mig = match gpu.mig_mode {
            MigMode::Unsupported => "unsupported",
            MigMode::Disabled => "off",
            MigMode::Enabled => "on",
            MigMode::EnablePending => "on after a reset",
            MigMode::DisablePending => "off after a reset",
        };
        Some(HistoryGpu {
            pci: pci.to_owned(),
            mig: mig.to_owned(),
            slices: slices.chain(self.vgpus_in_words(gpu.pci)).collect(),
            modes: None,
        })
    }
}

/// Whether what is known of a GPU was read when it was last asked: of one that is silent by now it is older.
pub(super) fn is_read(health: &Health) -> bool {
    matches!(health, Health::Ok | Health::Xid { .. })
}

/// An entry about a layout.
pub(super) fn of_layout(request: &LayoutRequest, kind: HistoryKind) -> HistoryEntry {
    HistoryEntry {
        by: request.by,
        layout_sha256: hash(&request.layout),
        allow_reset: request.allow_reset,
        force_destroy: request.force.iter().map(ToString::to_string).collect(),
        ..begun(kind)
    }
}

/// An entry about what is cut or changed for somebody who asks for devices.
pub(super) fn of_cut(wish: &Reserve, gpu: PciAddress) -> HistoryEntry {
    HistoryEntry {
        by: wish.by.map(|uid| Requester {
            uid,
            gid: None,
            pid: None,
        }),
        holder: Some(wish.holder.to_string()),
        plan: Some(HistoryPlan {
            cost: 0,
            lower_bound: 0,
            gpus: vec![gpu.to_string()],
            kept: 0,
            destroyed: 0,
            created: 1,
        }),
        ..begun(HistoryKind::Cut)
    }
}

/// An entry about a GPU whose mode is changed for somebody who asks for it whole.
pub(super) fn of_mode(wish: &Reserve, gpu: PciAddress) -> HistoryEntry {
    let mut entry = of_cut(wish, gpu);
    if let Some(plan) = &mut entry.plan {
        plan.created = 0;
    }
    entry.kind = HistoryKind::Mode;
    entry
}

/// An entry about a vGPU that is asked for, or that shall go.
pub(super) fn of_vgpu(kind: HistoryKind, by: Requester, what: String) -> HistoryEntry {
    HistoryEntry {
        by: Some(by),
        holder: Some(what),
        ..begun(kind)
    }
}

/// An entry about maintenance of these GPUs.
pub(super) fn of_maintenance(
    kind: HistoryKind,
    by: Requester,
    gpus: &BTreeSet<PciAddress>,
) -> HistoryEntry {
    HistoryEntry {
        by: Some(by),
        plan: Some(HistoryPlan {
            cost: 0,
            lower_bound: 0,
            gpus: gpus.iter().map(ToString::to_string).collect(),
            kept: 0,
            destroyed: 0,
            created: 0,
        }),
        ..begun(kind)
    }
}

fn begun(kind: HistoryKind) -> HistoryEntry {
    HistoryEntry {
        schema: HistoryEntrySchema::V1,
        number: 0,
        kind,
        begun_at: now().to_string(),
        ended_at: None,
        by: None,
        holder: None,
        layout_sha256: None,
        allow_reset: false,
        force_destroy: Vec::new(),
        plan: None,
        steps: Vec::new(),
        outcome: HistoryOutcome::Running,
        why: None,
        resumed: false,
        readback: Vec::new(),
    }
}

fn planned(plan: &HostPlan) -> HistoryPlan {
    let count = |kinds: &[Change]| {
        let lines = plan.gpus.iter().flat_map(|gpu| &gpu.diff);
        let of_kind = lines.filter(|line| kinds.contains(&line.change)).count();
        u32::try_from(of_kind).unwrap_or(u32::MAX)
    };
    let changed = plan.gpus.iter().map(|gpu| gpu.pci);
    let changed = changed.filter(|pci| plan.changes(*pci));
    let amd = plan.amd.iter().filter(|gpu| !gpu.steps.is_empty());
    let changed = changed.chain(amd.map(|gpu| gpu.gpu.pci));
    HistoryPlan {
        cost: plan.cost,
        lower_bound: plan.lower_bound,
        gpus: changed.map(|pci| pci.to_string()).collect(),
        kept: count(&[Change::Keep, Change::Mend]),
        destroyed: count(&[Change::Destroy]),
        created: count(&[Change::Create]),
    }
}

/// SHA-256 of the canonical document, in hex.
fn hash(layout: &Layout) -> Option<String> {
    let text = serde_json::to_vec(&LayoutDocument::from(layout)).ok()?;
    let digest = Sha256::digest(text);
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
