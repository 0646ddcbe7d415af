//! Sets of CPUs in both of the kernel's spellings, compared with a plain table of CPUs.

use kerf_partitioner::sysfs::cpus::CpuSet;

/// CPUs that the table has: what is above is refused.
const CPUS: usize = 65_536;
/// Longest text that is looked at: a table is filled for each of its parts.
const LIMIT: usize = 2_048;

/// A text as a list, and as a mask.
pub fn cpu_sets(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes.get(..LIMIT).unwrap_or(bytes)) else {
        return;
    };
    let read = [
        (CpuSet::from_list(text), of_list(text)),
        (CpuSet::from_mask(text), of_mask(text)),
    ];
    for (set, cpus) in read {
        let Some(set) = set else { continue };
        let printed = set.to_string();
        assert_eq!(CpuSet::from_list(&printed).as_ref(), Some(&set), "{text:?}");
        let cpus = cpus.unwrap_or_else(|| panic!("{text:?} is read as {printed}"));
        assert!(
            of_list(&printed) == Some(cpus.clone()),
            "{text:?} is read as {printed}"
        );
        assert_eq!(set.is_empty(), !cpus.contains(&true));
        assert_eq!(set.overlaps(&set), !set.is_empty());
        // Runs neither touch nor overlap: there is no shorter way to write it.
        let runs = cpus.split(|one| !one).filter(|run| !run.is_empty()).count();
        let parts = printed.split(',').filter(|part| !part.is_empty()).count();
        assert_eq!(parts, runs, "{printed}");
    }
}

fn of_list(text: &str) -> Option<Vec<bool>> {
    let mut cpus = vec![false; CPUS];
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (first.parse::<usize>().ok()?, last.parse().ok()?),
            None => (part.parse().ok()?, part.parse().ok()?),
        };
        cpus.get_mut(first..=last)?.fill(true);
    }
    Some(cpus)
}

fn of_mask(text: &str) -> Option<Vec<bool>> {
    let mut cpus = vec![false; CPUS];
    for (word, base) in text.trim().rsplit(',').zip((0..CPUS).step_by(32)) {
        let word = u32::from_str_radix(word, 16).ok()?;
        let bits = (0..32).filter(|bit| word >> bit & 1 == 1);
        bits.for_each(|bit: usize| cpus[base + bit] = true);
    }
    Some(cpus)
}
