//! Which parts share a GPU instance: every way to pack what is wanted of one profile into the fewest.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::Part;
use super::arrange::arrange;
use crate::gpu::Existing;
use crate::grid::GridProfile;

/// Sizes of the parts in one instance, largest first.
pub(super) type Sizes = Vec<u8>;

/// How many parts of each size.
type Counts = BTreeMap<u8, u32>;

/// One way to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packing {
    /// What each instance with a pinned part holds, in the order in which they were given.
    pub fixed: Vec<Sizes>,
    /// What the other instances hold, fullest first.
    pub free: Vec<Sizes>,
}

/// Every set of sizes that an instance can hold together, fullest first.
pub(super) fn contents(profile: &GridProfile) -> Vec<Sizes> {
    let mut sizes: Vec<u8> = profile.parts.iter().map(|part| part.slices).collect();
    sizes.sort_unstable_by_key(|size| Reverse(*size));
    let mut out = Vec::new();
    extend(profile, &sizes, &mut Vec::new(), &mut out);
    out.sort_by_key(|content| (Reverse(volume(content)), content.clone()));
    out
}

fn extend(profile: &GridProfile, sizes: &[u8], chosen: &mut Sizes, out: &mut Vec<Sizes>) {
    for (at, size) in sizes.iter().enumerate() {
        chosen.push(*size);
        let same = chosen.iter().filter(|other| *other == size).count();
        let most = profile.part(*size).map_or(0, |part| part.max_count);
        let allowed = u32::try_from(same).is_ok_and(|same| same <= most);
        // What does not fit now does not fit with more beside it either.
        if allowed && arrange(profile, chosen, &[]).is_some() {
            out.push(chosen.clone());
            extend(profile, sizes.get(at..).unwrap_or(&[]), chosen, out);
        }
        chosen.pop();
    }
}

fn volume(content: &[u8]) -> u32 {
    content.iter().map(|size| u32::from(*size)).sum()
}

/// Every way to pack `wanted` into the instances with pinned parts and the fewest others, of which there can
/// be `most`; none where it does not go.
pub(super) fn packings(
    profile: &GridProfile,
    contents: &[Sizes],
    wanted: &Counts,
    pinned: &[&Existing],
    most: u32,
) -> Vec<Packing> {
    let mut packer = Packer {
        profile,
        contents,
        limit: usize::try_from(most).unwrap_or(usize::MAX),
        found: Vec::new(),
    };
    packer.fix(pinned, wanted, &mut Vec::new());
    packer.found
}

struct Packer<'a> {
    profile: &'a GridProfile,
    contents: &'a [Sizes],
    /// No more free instances than these: as few as the best way so far.
    limit: usize,
    found: Vec<Packing>,
}

impl Packer<'_> {
    fn fix(&mut self, pinned: &[&Existing], left: &Counts, fixed: &mut Vec<Sizes>) {
        let Some((instance, rest)) = pinned.split_first() else {
            return self.fill(left, fixed);
        };
        let stay: Vec<Part> = instance
            .parts
            .iter()
            .filter(|part| part.pinned)
            .cloned()
            .collect();
        let mut own: Sizes = stay.iter().map(|part| part.place.size).collect();
        own.sort_unstable_by_key(|size| Reverse(*size));
        // The driver let the pinned ones live together, whatever it says of places and counts.
        let mut all = self.contents.to_vec();
        if !all.contains(&own) {
            all.push(own);
        }
        for content in all {
            let Some(less) = without(left, &content) else {
                continue;
            };
            if arrange(self.profile, &content, &stay).is_none() {
                continue;
            }
            fixed.push(content);
            self.fix(rest, &less, fixed);
            fixed.pop();
        }
    }

    fn fill(&mut self, left: &Counts, fixed: &[Sizes]) {
        for count in 0..=self.limit {
            let before = self.found.len();
            self.share(left, count, self.contents, fixed, &mut Vec::new());
            if self.found.len() > before {
                if count < self.limit {
                    self.found.drain(..before);
                }
                self.limit = count;
                return;
            }
        }
    }

    /// Shares `left` among `count` more instances, each no fuller than the one before.
    fn share(
        &mut self,
        left: &Counts,
        count: usize,
        contents: &[Sizes],
        fixed: &[Sizes],
        free: &mut Vec<Sizes>,
    ) {
        let volume: u64 = left
            .iter()
            .map(|(size, count)| u64::from(*size) * u64::from(*count))
            .sum();
        if count == 0 {
            if volume == 0 {
                self.found.push(Packing {
                    fixed: fixed.to_vec(),
                    free: free.clone(),
                });
            }
            return;
        }
        let room = u64::try_from(count).unwrap_or(u64::MAX);
        if volume > room.saturating_mul(self.profile.slices.into()) {
            return;
        }
        let mut tail = contents;
        while let Some((content, rest)) = tail.split_first() {
            if let Some(less) = without(left, content) {
                free.push(content.clone());
                self.share(&less, count - 1, tail, fixed, free);
                free.pop();
            }
            tail = rest;
        }
    }
}

/// What is left when these are taken; `None` where there are too few.
fn without(counts: &Counts, content: &[u8]) -> Option<Counts> {
    let mut left = counts.clone();
    for size in content {
        let count = left.get_mut(size)?;
        *count = count.checked_sub(1)?;
    }
    Some(left)
}
