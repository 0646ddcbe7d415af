//! Sets of CPUs in the kernel's two spellings: lists (`0-3,8`) and masks (`0000000f,ffffffff`).
//!
//! Owns parsing and printing; knows nothing of the machine.

use std::fmt;

/// Highest CPU number that is believed; Linux is built for at most 8,192.
const CPU_LIMIT: u32 = 65_535;

/// Most parts that a list may have.
const RUN_LIMIT: usize = 4_096;

/// A set of CPUs, as sorted runs that neither touch nor overlap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuSet {
    runs: Vec<(u32, u32)>,
}

impl CpuSet {
    /// Reads a list; `None` for anything that is not one.
    pub fn from_list(text: &str) -> Option<Self> {
        let mut runs = Vec::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first, 10)?, number(last, 10)?);
            if first > last || last > CPU_LIMIT {
                return None;
            }
            runs.push((first, last));
            // Linux is built for at most 8,192 CPUs, of which every second one may be another node's.
            if runs.len() > RUN_LIMIT {
                return None;
            }
        }
        Some(Self::merged(runs))
    }

    /// Reads a mask: words of 32 bits in hexadecimal, the highest first. Old kernels give only this.
    pub fn from_mask(text: &str) -> Option<Self> {
        let mut runs = Vec::new();
        for (word, base) in text.trim().rsplit(',').zip((0..=CPU_LIMIT).step_by(32)) {
            let word = if word.len() <= 8 {
                number(word, 16)?
            } else {
                return None;
            };
            runs.extend(
                (0..32)
                    .filter(|bit| word & (1 << bit) != 0)
                    .map(|bit| (base + bit, base + bit)),
            );
        }
        Some(Self::merged(runs))
    }

    /// The mask of its CPUs, in words of 32 bits, as many as the highest CPU of `of` needs, which is a list.
    pub fn to_mask(&self, of: &str) -> String {
        let last = |set: &Self| set.runs.last().map_or(0, |run| run.1);
        let highest = Self::from_list(of)
            .map_or(0, |of| last(&of))
            .max(last(self));
        let word = |base: u32| {
            let bits = (0..32).filter(|bit| self.contains(base + bit));
            bits.fold(0u32, |word, bit| word | 1 << bit)
        };
        let words = (0..=highest / 32)
            .rev()
            .map(|at| format!("{:08x}", word(at * 32)));
        words.collect::<Vec<_>>().join(",")
    }

    fn merged(mut runs: Vec<(u32, u32)>) -> Self {
        runs.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in runs {
            match merged.last_mut() {
                Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { runs: merged }
    }

    /// Whether it has no CPU.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many it has.
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Its lowest.
    pub fn first(&self) -> Option<u32> {
        self.runs.first().map(|run| run.0)
    }

    /// Each of them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Whether this one is in it.
    pub fn contains(&self, cpu: u32) -> bool {
        let run = self.runs.partition_point(|run| run.1 < cpu);
        self.runs.get(run).is_some_and(|run| run.0 <= cpu)
    }

    /// Those that are in both.
    pub fn and(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        let (mut mine, mut theirs) = (self.runs.iter(), other.runs.iter());
        let (mut a, mut b) = (mine.next(), theirs.next());
        while let (Some(one), Some(two)) = (a, b) {
            let (first, last) = (one.0.max(two.0), one.1.min(two.1));
            if first <= last {
                runs.push((first, last));
            }
            if one.1 < two.1 {
                a = mine.next();
            } else {
                b = theirs.next();
            }
        }
        Self { runs }
    }

    /// Those that the other has not.
    pub fn without(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        for (first, last) in &self.runs {
            let mut next = *first;
            let begin = other.runs.partition_point(|run| run.1 < *first);
            let met = other.runs.iter().skip(begin);
            for (from, to) in met.take_while(|run| run.0 <= *last) {
                if next < *from {
                    runs.push((next, from - 1));
                }
                next = to + 1;
            }
            if next <= *last {
                runs.push((next, *last));
            }
        }
        Self { runs }
    }

    /// Adds those of another set.
    pub fn join(&mut self, other: &Self) {
        let mut runs = std::mem::take(&mut self.runs);
        runs.extend(&other.runs);
        *self = Self::merged(runs);
    }

    /// Whether both have a CPU in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        !self.and(other).is_empty()
    }
}

fn number(digits: &str, radix: u32) -> Option<u32> {
    let clean = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if clean {
        u32::from_str_radix(digits, radix).ok()
    } else {
        None
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (first, last)) in self.runs.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<T: IntoIterator<Item = u32>>(cpus: T) -> Self {
        Self::merged(cpus.into_iter().map(|cpu| (cpu, cpu)).collect())
    }
}
