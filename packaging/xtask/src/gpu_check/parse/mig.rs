//! `nvidia-smi mig -lgip`, `-lgipp`, `-lgi`, `-lci`: profiles, their places, and what is cut.
//!
//! The first, third and fourth are tables drawn with bars. A driver that has nothing to list says so in a
//! sentence, which gives an empty list.

use super::{NotUnderstood, not_understood};

/// A profile of `-lgip`.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedProfile {
    /// NVML index of the GPU.
    pub gpu: u32,
    /// `1g.10gb`.
    pub name: String,
    /// The driver's id.
    pub id: u32,
    /// Most instances at one time.
    pub max_count: u32,
    /// Memory in GiB, rounded to hundredths.
    pub memory_gib: f64,
    /// Streaming multiprocessors.
    pub sm_count: u32,
    /// Decoders, encoders, copy engines, JPEG decoders and optical flow units.
    pub engines: [u32; 5],
}

/// Places of a profile, of `-lgipp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPlaces {
    /// NVML index of the GPU.
    pub gpu: u32,
    /// Profile id.
    pub profile: u32,
    /// Starts.
    pub starts: Vec<u32>,
    /// Size.
    pub size: u32,
}

/// A GPU instance of `-lgi`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGi {
    /// NVML index of the GPU.
    pub gpu: u32,
    /// Profile id.
    pub profile: u32,
    /// Its id.
    pub gi: u32,
    /// Start and size.
    pub place: (u32, u32),
}

/// A compute instance of `-lci`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCi {
    /// NVML index of the GPU.
    pub gpu: u32,
    /// Its GPU instance.
    pub gi: u32,
    /// `1g.10gb`, or `1c.3g.40gb` where it is a part of its GPU instance.
    pub name: String,
    /// Profile id.
    pub profile: u32,
    /// Its id.
    pub ci: u32,
}

/// Reads `-lgip`; a profile has two lines.
pub fn profiles(text: &str) -> Result<Vec<ListedProfile>, NotUnderstood> {
    let mut found = Vec::new();
    let mut rows = rows(text);
    while let Some((line, words)) = rows.next() {
        if words.get(1) != Some(&"MIG") {
            continue;
        }
        let (next, second) = rows.next().unwrap_or_default();
        let read = || {
            let [gpu, _, name, id, counts, memory, _p2p, sm, dec, enc] = words.as_slice() else {
                return None;
            };
            let [ce, jpeg, ofa] = second.as_slice() else {
                return None;
            };
            let engine = |word: &&str| word.parse().ok();
            Some(ListedProfile {
                gpu: gpu.parse().ok()?,
                name: (*name).to_owned(),
                id: id.parse().ok()?,
                max_count: counts.split_once('/')?.1.parse().ok()?,
                memory_gib: memory.parse().ok()?,
                sm_count: sm.parse().ok()?,
                engines: [
                    engine(dec)?,
                    engine(enc)?,
                    engine(ce)?,
                    engine(jpeg)?,
                    engine(ofa)?,
                ],
            })
        };
        let wrong = || not_understood("a profile of mig -lgip", &format!("{line}\n{next}"));
        found.push(read().ok_or_else(wrong)?);
    }
    Ok(found)
}

/// Reads `-lgipp`: `GPU  0 Profile ID 19 Placements: {0,1,2}:1`.
pub fn places(text: &str) -> Result<Vec<ListedPlaces>, NotUnderstood> {
    let lines = text.lines().filter(|line| line.contains("Profile ID"));
    let read = |line: &str| {
        let (head, tail) = line.split_once('{')?;
        let (starts, size) = tail.split_once("}:")?;
        let words: Vec<&str> = head.split_whitespace().collect();
        let ["GPU", gpu, "Profile", "ID", profile, ..] = words.as_slice() else {
            return None;
        };
        let starts = starts.split(',').map(|start| start.trim().parse().ok());
        Some(ListedPlaces {
            gpu: gpu.parse().ok()?,
            profile: profile.parse().ok()?,
            starts: starts.collect::<Option<_>>()?,
            size: size.trim().parse().ok()?,
        })
    };
    lines
        .map(|line| read(line).ok_or_else(|| not_understood("a line of mig -lgipp", line)))
        .collect()
}

/// Reads `-lgi`.
pub fn gpu_instances(text: &str) -> Result<Vec<ListedGi>, NotUnderstood> {
    let mut found = Vec::new();
    for (line, words) in rows(text) {
        if words.get(1) != Some(&"MIG") {
            continue;
        }
        let read = || {
            let [gpu, _, _name, profile, gi, place] = words.as_slice() else {
                return None;
            };
            let (start, size) = place.split_once(':')?;
            Some(ListedGi {
                gpu: gpu.parse().ok()?,
                profile: profile.parse().ok()?,
                gi: gi.parse().ok()?,
                place: (start.parse().ok()?, size.parse().ok()?),
            })
        };
        found.push(read().ok_or_else(|| not_understood("a line of mig -lgi", line))?);
    }
    Ok(found)
}

/// Reads `-lci`; older drivers leave its last column out.
pub fn compute_instances(text: &str) -> Result<Vec<ListedCi>, NotUnderstood> {
    let mut found = Vec::new();
    for (line, words) in rows(text) {
        if words.get(2) != Some(&"MIG") {
            continue;
        }
        let read = || {
            let [gpu, gi, _, name, profile, ci, ..] = words.as_slice() else {
                return None;
            };
            Some(ListedCi {
                gpu: gpu.parse().ok()?,
                gi: gi.parse().ok()?,
                name: (*name).to_owned(),
                profile: profile.parse().ok()?,
                ci: ci.parse().ok()?,
            })
        };
        found.push(read().ok_or_else(|| not_understood("a line of mig -lci", line))?);
    }
    Ok(found)
}

/// Lines between bars, with their words.
fn rows(text: &str) -> impl Iterator<Item = (&str, Vec<&str>)> {
    text.lines().filter_map(|line| {
        let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some((line, inner.split_whitespace().collect()))
    })
}
