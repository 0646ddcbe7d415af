//! The AMD part of a host plan: its steps are replayed on the modes of each GPU, against a table of its own of which
//! modes go together.
//!
//! It shares the vocabulary with the planner and no code: which rule speaks of which GPU is read here again, and who
//! uses a GPU, and what a hive changes with.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::amd::AmdWish;
use kerf_types::layout::{GpuSelector, Layout};
use kerf_types::{AmdGpu, ComputePartition, MemoryPartition, PciAddress, Step};

use super::Violation;
use crate::amd::AmdChange;
use crate::host::{HostPlan, HostRequest};

/// Something that the AMD part of a plan must not do, or does not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmdViolation {
    /// A GPU is in the plan that no rule speaks of, that is not well, or that is there already.
    #[error("{0} must not be in the plan")]
    NotNamed(PciAddress),
    /// A GPU that a rule speaks of is neither planned nor rightly left out.
    #[error("{0} is named and not planned")]
    NotPlanned(PciAddress),
    /// What the plan says of a GPU is not so.
    #[error("the plan and the host differ about {what} of {gpu}")]
    Claim {
        /// The GPU.
        gpu: PciAddress,
        /// What.
        what: &'static str,
    },
    /// A step that has no business with this GPU, or comes twice.
    #[error("a step of {gpu} {why}")]
    Step {
        /// The GPU.
        gpu: PciAddress,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The GPU does not end as it is wanted.
    #[error("{gpu} does not end with the wanted {what}")]
    End {
        /// The GPU.
        gpu: PciAddress,
        /// Which mode.
        what: &'static str,
    },
}

/// Compute modes that exist, as Linux has them in `amdgpu_gfx.c` and `aqua_vanjaram.c`: mode, counts of XCCs (none
/// for any even one), memory modes.
const POSSIBLE: [(ComputePartition, &[u32], &[MemoryPartition]); 5] = {
    use ComputePartition::{Cpx, Dpx, Qpx, Spx, Tpx};
    use MemoryPartition::{Nps1, Nps2, Nps4};
    [
        (Spx, &[], &[Nps1]),
        (Dpx, &[4, 8, 12, 16], &[Nps1, Nps2]),
        (Tpx, &[6], &[Nps1]),
        (Qpx, &[8], &[Nps1, Nps4]),
        (Cpx, &[], &[Nps1, Nps4]),
    ]
};

fn is_possible(gpu: &AmdGpu, mode: ComputePartition, memory: Option<MemoryPartition>) -> bool {
    // What the driver does not tell it cannot be held to; it refuses by itself.
    let (Some(memory), Some(xccs)) = (memory, gpu.xccs) else {
        return true;
    };
    let row = POSSIBLE.iter().find(|(known, _, _)| *known == mode);
    row.is_some_and(|(_, counts, memories)| {
        let any = counts.is_empty() && xccs > 0 && xccs % 2 == 0;
        (any || counts.contains(&xccs)) && memories.contains(&memory)
    })
}

/// Everything that is wrong with the AMD part of `plan`, with the GPU's index.
pub(super) fn check(request: &HostRequest<'_>, plan: &HostPlan) -> Vec<(u32, Violation)> {
    let gpus = &request.inventory.amd;
    let mut found: Vec<(u32, AmdViolation)> = Vec::new();
    let wishes: BTreeMap<PciAddress, AmdWish> = gpus
        .iter()
        .filter(|gpu| gpu.health.is_ok())
        .filter_map(|gpu| Some((gpu.pci, wish(request.layout, gpu)?)))
        .collect();
    let mut seen = BTreeSet::new();
    for change in &plan.amd {
        let is_new = seen.insert(change.gpu.pci);
        if !is_new || !wishes.contains_key(&change.gpu.pci) {
            let what = AmdViolation::NotNamed(change.gpu.pci);
            found.push((change.gpu.index, what));
        }
    }
    let mut replay = Replay::new(request, &wishes);
    for change in &plan.amd {
        replay.run(change, &mut found);
    }
    for (gpu, wish) in gpus
        .iter()
        .filter_map(|gpu| Some((gpu, wishes.get(&gpu.pci)?)))
    {
        match plan.amd.iter().find(|change| change.gpu.pci == gpu.pci) {
            Some(change) => replay.finish(gpu, *wish, change, &mut found),
            None => found.push((gpu.index, AmdViolation::NotPlanned(gpu.pci))),
        }
    }
    left_out(request, plan, &mut found);
    let found = found.into_iter();
    found
        .map(|(index, violation)| (index, Violation::Amd(violation)))
        .collect()
}

/// What the only rule that speaks of a GPU wants of it.
fn wish(layout: &Layout, gpu: &AmdGpu) -> Option<AmdWish> {
    let speaks = |selector: &GpuSelector| names(selector, gpu) || sweeps(selector, gpu);
    let mut rules = layout.rules.iter();
    rules.find_map(|rule| rule.amd.filter(|_| rule.gpus.iter().any(speaks)))
}

fn names(selector: &GpuSelector, gpu: &AmdGpu) -> bool {
    match selector {
        GpuSelector::Index(index) => *index == gpu.index,
        GpuSelector::Pci(pci) => *pci == gpu.pci,
        _ => false,
    }
}

fn sweeps(selector: &GpuSelector, gpu: &AmdGpu) -> bool {
    match selector {
        GpuSelector::All => true,
        GpuSelector::Model(pattern) => kerf_types::pattern::matches(pattern, &gpu.name),
        _ => false,
    }
}

/// Left out are exactly the sick GPUs that a rule covers without naming them.
fn left_out(request: &HostRequest<'_>, plan: &HostPlan, found: &mut Vec<(u32, AmdViolation)>) {
    for gpu in &request.inventory.amd {
        let rules = request
            .layout
            .rules
            .iter()
            .filter(|rule| rule.amd.is_some());
        let selectors: Vec<&GpuSelector> = rules.flat_map(|rule| &rule.gpus).collect();
        let named = selectors.iter().any(|one| names(one, gpu));
        let swept = selectors.iter().any(|one| sweeps(one, gpu));
        let said = plan.amd_skipped.iter();
        let said = said.filter(|(name, _)| name.pci == gpu.pci).count();
        let wanted = usize::from(!gpu.health.is_ok() && swept && !named);
        if said != wanted || (!gpu.health.is_ok() && named) {
            found.push((gpu.index, AmdViolation::NotPlanned(gpu.pci)));
        }
    }
}

/// The modes of the GPUs while the steps are done.
struct Replay<'a> {
    request: &'a HostRequest<'a>,
    wishes: &'a BTreeMap<PciAddress, AmdWish>,
    compute: BTreeMap<PciAddress, Option<ComputePartition>>,
    pending: BTreeMap<PciAddress, Option<MemoryPartition>>,
}

impl<'a> Replay<'a> {
    fn new(request: &'a HostRequest<'a>, wishes: &'a BTreeMap<PciAddress, AmdWish>) -> Self {
        let gpus = request.inventory.amd.iter();
        Self {
            request,
            wishes,
            compute: gpus.clone().map(|gpu| (gpu.pci, gpu.compute)).collect(),
            pending: gpus.map(|gpu| (gpu.pci, gpu.pending_memory)).collect(),
        }
    }

    fn run(&mut self, change: &AmdChange, found: &mut Vec<(u32, AmdViolation)>) {
        let pci = change.gpu.pci;
        let mut wrong = |why| found.push((change.gpu.index, AmdViolation::Step { gpu: pci, why }));
        let mut gpus = self.request.inventory.amd.iter();
        let Some(gpu) = gpus.find(|gpu| gpu.pci == pci) else {
            return wrong("changes a GPU that is not here");
        };
        for step in &change.steps {
            if step.gpu() != pci {
                wrong("changes another GPU");
                continue;
            }
            let why = match step {
                Step::SetAmdCompute { mode, .. } => self.set_compute(gpu, *mode),
                Step::SetAmdMemory { mode, .. } => self.ask_memory(gpu, *mode),
                _ => Some("is none of AMD's"),
            };
            if let Some(why) = why {
                wrong(why);
            }
        }
    }

    fn set_compute(&mut self, gpu: &AmdGpu, mode: ComputePartition) -> Option<&'static str> {
        let now = self.compute.insert(gpu.pci, Some(mode)).flatten();
        let is_used = !gpu.processes.is_empty() || self.request.usage.gpus.contains_key(&gpu.pci);
        let wish = self.wishes.get(&gpu.pci).and_then(|wish| wish.compute);
        match () {
            () if is_used => Some("sets the mode of a GPU that is in use"),
            () if wish != Some(mode) => Some("sets a mode that nobody wants"),
            () if now == Some(mode) => Some("sets the mode that is there"),
            () if !gpu.compute_modes.contains(&mode) => Some("sets a mode that is not offered"),
            () if !is_possible(gpu, mode, gpu.memory_mode) => Some("sets a mode that cannot be"),
            () if self.pending.get(&gpu.pci).is_some_and(Option::is_some) => {
                Some("sets a mode that a request takes away")
            }
            () => None,
        }
    }

    fn ask_memory(&mut self, gpu: &AmdGpu, mode: MemoryPartition) -> Option<&'static str> {
        let all = self.request.inventory.amd.iter();
        let with = all
            .filter(|other| other.pci == gpu.pci || (gpu.hive.is_some() && other.hive == gpu.hive));
        let with: Vec<PciAddress> = with.map(|other| other.pci).collect();
        let asked = self.pending.get(&gpu.pci).copied().flatten();
        let mut all_want = with.iter().map(|pci| self.wishes.get(pci));
        let all_want = all_want.all(|wish| wish.and_then(|wish| wish.memory) == Some(mode));
        self.pending
            .extend(with.into_iter().map(|pci| (pci, Some(mode))));
        match () {
            () if !all_want => Some("asks for a mode that not all of its hive are to have"),
            () if asked == Some(mode) => Some("asks for what was asked for"),
            () if gpu.memory_mode == Some(mode) => Some("asks for the mode that is there"),
            () if !gpu.memory_modes.contains(&mode) => Some("asks for a mode that is not offered"),
            () => None,
        }
    }

    fn finish(
        &self,
        gpu: &AmdGpu,
        wish: AmdWish,
        change: &AmdChange,
        found: &mut Vec<(u32, AmdViolation)>,
    ) {
        let pending = self.pending.get(&gpu.pci).copied().flatten();
        let compute = self.compute.get(&gpu.pci).copied().flatten();
        let later = wish.compute.filter(|_| pending.is_some());
        let from = (change.from.compute, change.from.memory);
        let claims = [
            (change.gpu.index == gpu.index, "the index"),
            (from == (gpu.compute, gpu.memory_mode), "the modes"),
            (change.wish == wish, "the wish"),
            (change.memory_later == pending, "the pending memory mode"),
            (change.compute_later == later, "the compute mode after it"),
        ];
        let gpu_pci = gpu.pci;
        for (_, what) in claims.iter().filter(|(holds, _)| !holds) {
            let claim = AmdViolation::Claim { gpu: gpu_pci, what };
            found.push((gpu.index, claim));
        }
        let end_memory = pending.or(gpu.memory_mode);
        let ends = [
            (
                wish.memory.is_none() || end_memory == wish.memory,
                "memory mode",
            ),
            (
                wish.compute.is_none() || pending.is_some() || compute == wish.compute,
                "compute mode",
            ),
            (
                later.is_none_or(|mode| {
                    gpu.compute_modes.contains(&mode) && is_possible(gpu, mode, pending)
                }),
                "compute mode after its driver is loaded anew",
            ),
        ];
        for (_, what) in ends.iter().filter(|(holds, _)| !holds) {
            found.push((gpu.index, AmdViolation::End { gpu: gpu_pci, what }));
        }
    }
}
