//! Who holds a GPU.

use std::collections::BTreeSet;

use super::super::kerf::elements;
use super::super::reading::Heard;
use super::{Gpu, NOTHING, Row, number};

/// Process ids: kerf must see those that were there before and after, and none that was there at neither
/// time.
pub fn gpu(gpu: &Gpu<'_>, smi: &Heard) -> Option<Row> {
    let at = |details: &super::super::parse::details::Details| {
        let gpu = details.gpus.get(gpu.place())?;
        Some(
            gpu.pids()
                .into_iter()
                .map(u64::from)
                .collect::<BTreeSet<_>>(),
        )
    };
    let before = at(&smi.before.details)?;
    let after = at(&smi.after.details)?;
    let processes = elements(gpu.sample, "processes").iter();
    let ours: BTreeSet<u64> = processes
        .filter_map(|process| number(process, "/pid"))
        .collect();
    let all_that_stayed = before.intersection(&after).all(|pid| ours.contains(pid));
    let none_other = ours
        .iter()
        .all(|pid| before.contains(pid) || after.contains(pid));
    let theirs: BTreeSet<u64> = before.union(&after).copied().collect();
    let agree = all_that_stayed && none_other;
    Some(
        Row::of(
            &gpu.name(),
            "processes",
            &shown(&ours),
            &shown(&theirs),
            agree,
        )
        .moving(),
    )
}

fn shown(pids: &BTreeSet<u64>) -> String {
    if pids.is_empty() {
        return NOTHING.to_owned();
    }
    let pids: Vec<String> = pids.iter().map(u64::to_string).collect();
    pids.join(" ")
}
