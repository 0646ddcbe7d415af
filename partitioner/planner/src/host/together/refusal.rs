//! Why the slices of a rule cannot be split over its GPUs, in the words of those who know GPUs by their indices.

use crate::host::select::listed;
use crate::host::users::{self, explain, slice_in_use};
use crate::host::{GpuName, InUse, PlanError};
use crate::split::SplitError;

use super::Member;

/// The refusal where only those who use slices now are in the way.
pub(super) fn blocked(rule: usize, members: &[Member<'_>], source: SplitError) -> PlanError {
    PlanError::TogetherBlocked {
        rule,
        gpus: names(members),
        in_use: in_use(members),
        source: Box::new(source),
    }
}

fn names(members: &[Member<'_>]) -> String {
    let gpus = members.iter().map(|one| one.selected.gpu);
    listed(gpus.map(|gpu| (gpu.index, gpu.pci)))
}

/// What a refusal of the split means for people, who know GPUs by their indices.
pub(super) fn refusal(rule: usize, members: &[Member<'_>], error: SplitError) -> PlanError {
    let gpus = || names(members);
    let index = |at: usize| {
        let index = members.get(at).map(|one| one.selected.gpu.index);
        index
            .and_then(|index| usize::try_from(index).ok())
            .unwrap_or(at)
    };
    match error {
        SplitError::PinNotWanted {
            gpu,
            profile,
            placement,
        } => {
            let pin = members.get(gpu).and_then(|member| {
                let mut current = member.current.iter();
                Some((member, current.find(|one| one.placement == placement)?.gi))
            });
            match pin {
                Some((member, gi)) => slice_in_use(member.selected.gpu, &member.uses, gi, profile),
                None => PlanError::Together {
                    rule,
                    gpus: gpus(),
                    source: Box::new(SplitError::PinNotWanted {
                        gpu: index(gpu),
                        profile,
                        placement,
                    }),
                },
            }
        }
        SplitError::Fit { gpu, source } => match members.get(gpu) {
            Some(member) => explain(
                member.selected.gpu,
                &member.uses,
                &member.parts_used,
                source,
            ),
            None => PlanError::Together {
                rule,
                gpus: gpus(),
                source: Box::new(SplitError::Fit { gpu, source }),
            },
        },
        SplitError::Nowhere { name } => unknown(rule, members, gpus(), name),
        source => PlanError::Together {
            rule,
            gpus: gpus(),
            source: Box::new(renumbered(source, index)),
        },
    }
}

/// A name that means nothing on any GPU: the first of them says what it has instead.
fn unknown(rule: usize, members: &[Member<'_>], gpus: String, name: String) -> PlanError {
    let known = members.first().and_then(|member| {
        let mut names = member.selected.rule.slices.keys();
        let wrong = names.find(|one| one.to_string() == name)?;
        let source = member.grid.resolve(wrong).err()?;
        let gpu = GpuName::from(member.selected.gpu);
        Some(PlanError::Profile { rule, gpu, source })
    });
    known.unwrap_or(PlanError::Together {
        rule,
        gpus,
        source: Box::new(SplitError::Nowhere { name }),
    })
}

fn renumbered(error: SplitError, index: impl Fn(usize) -> usize) -> SplitError {
    match error {
        SplitError::Ambiguous {
            name,
            gpu,
            candidates,
        } => SplitError::Ambiguous {
            name,
            gpu: index(gpu),
            candidates,
        },
        SplitError::SameProfile { first, second, gpu } => SplitError::SameProfile {
            first,
            second,
            gpu: index(gpu),
        },
        other => other,
    }
}

fn in_use(members: &[Member<'_>]) -> InUse {
    let used = members.iter();
    let used = used.flat_map(|member| users::in_use(member.selected.gpu, &member.uses));
    InUse(used.collect())
}
