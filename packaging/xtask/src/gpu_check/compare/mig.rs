//! What MIG offers and what is cut: profiles with their places, GPU instances, compute instances.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::super::kerf::elements;
use super::super::parse::mig::{ListedPlaces, ListedProfile};
use super::super::reading::{Heard, Told};
use super::{Gpu, NOTHING, Row, number, text};

/// Bytes of a GiB, the unit of `-lgip`.
const GIB: f64 = 1_073_741_824.0;
/// `-lgip` prints hundredths of a GiB.
const HALF_A_HUNDREDTH: f64 = 0.005_001;

/// A profile as either side tells it.
#[derive(Debug, Clone, PartialEq)]
struct Offer {
    name: String,
    max_count: u64,
    memory_gib: f64,
    sm_count: u64,
    /// Decoders, encoders, copy engines, JPEG decoders, optical flow units.
    engines: [u64; 5],
    /// Size, and the starts.
    places: (u64, BTreeSet<u64>),
}

impl Offer {
    fn agrees(&self, other: &Self) -> bool {
        let close = (self.memory_gib - other.memory_gib).abs() < HALF_A_HUNDREDTH;
        let memory_gib = other.memory_gib;
        close
            && Self {
                memory_gib,
                ..self.clone()
            } == *other
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [decoder, encoder, copy, jpeg, ofa] = self.engines;
        let (size, starts) = &self.places;
        let starts: Vec<String> = starts.iter().map(u64::to_string).collect();
        write!(
            f,
            "{} x{} {:.2}GiB {}SM dec{decoder} enc{encoder} ce{copy} jpeg{jpeg} ofa{ofa} {{{}}}:{size}",
            self.name,
            self.max_count,
            self.memory_gib,
            self.sm_count,
            starts.join(",")
        )
    }
}

/// Profiles. While MIG is off some drivers tell nothing of them; then only those that nvidia-smi tells
/// are compared.
pub fn profiles(gpu: &Gpu<'_>, smi: &Heard) -> Vec<Row> {
    let ours: BTreeMap<u64, Offer> = elements(gpu.gpu, "profiles")
        .iter()
        .filter_map(|profile| Some((number(profile, "/id")?, our_offer(profile)?)))
        .collect();
    let (Told::Yes(profiles), Told::Yes(places)) = (&smi.profiles, &smi.places) else {
        return declined(
            gpu,
            "profiles",
            ours.len(),
            smi.profiles.why().or(smi.places.why()),
        );
    };
    let theirs: BTreeMap<u64, Offer> = profiles
        .iter()
        .filter(|profile| u64::from(profile.gpu) == gpu.index)
        .map(|profile| (u64::from(profile.id), their_offer(profile, places)))
        .collect();
    if theirs.is_empty() && !gpu.has_mig_on() {
        return declined(
            gpu,
            "profiles",
            ours.len(),
            Some("not listed while MIG is off"),
        );
    }
    union(&ours, &theirs, |id, ours, theirs| {
        let agree = ours
            .zip(theirs)
            .is_some_and(|(ours, theirs)| ours.agrees(theirs));
        Row::of(
            &gpu.name(),
            &format!("profile {id}"),
            &shown(ours),
            &shown(theirs),
            agree,
        )
    })
}

fn our_offer(profile: &Value) -> Option<Offer> {
    let engine = |name: &str| number(profile, &format!("/engines/{name}"));
    let places = elements(profile, "placements");
    let starts = places.iter().filter_map(|place| number(place, "/start"));
    Some(Offer {
        name: text(profile, "/name")?,
        max_count: number(profile, "/max_count")?,
        memory_gib: profile.get("memory_bytes")?.as_f64()? / GIB,
        sm_count: number(profile, "/sm_count")?,
        engines: [
            engine("decoder")?,
            engine("encoder")?,
            engine("copy")?,
            engine("jpeg")?,
            engine("ofa")?,
        ],
        places: (
            places.first().and_then(|place| number(place, "/size"))?,
            starts.collect(),
        ),
    })
}

fn their_offer(profile: &ListedProfile, places: &[ListedPlaces]) -> Offer {
    let own = places
        .iter()
        .find(|places| places.gpu == profile.gpu && places.profile == profile.id);
    Offer {
        name: profile.name.clone(),
        max_count: profile.max_count.into(),
        memory_gib: profile.memory_gib,
        sm_count: profile.sm_count.into(),
        engines: profile.engines.map(u64::from),
        places: own.map_or_else(Default::default, |own| {
            let starts = own.starts.iter().map(|start| u64::from(*start));
            (own.size.into(), starts.collect())
        }),
    }
}

/// GPU instances with profile and place, compute instances with profile.
pub fn instances(gpu: &Gpu<'_>, smi: &Heard) -> Vec<Row> {
    let (ours_gi, ours_ci) = our_instances(gpu);
    let here = |index: u32| u64::from(index) == gpu.index;
    let theirs_gi = smi.gpu_instances.listed(|all| {
        let own = all.iter().filter(|gi| here(gi.gpu));
        own.map(|gi| {
            let said = format!("profile {} at {}:{}", gi.profile, gi.place.0, gi.place.1);
            (u64::from(gi.gi), said)
        })
        .collect()
    });
    let theirs_ci = smi.compute_instances.listed(|all| {
        let own = all.iter().filter(|ci| here(ci.gpu));
        own.map(|ci| {
            let key = (ci.gi.into(), ci.ci.into());
            (key, format!("profile {}", ci.profile))
        })
        .collect()
    });
    let gi_name = |gi: &u64| format!("{} gi {gi}", gpu.name());
    let ci_name = |(gi, ci): &(u64, u64)| format!("{} gi {gi} ci {ci}", gpu.name());
    let mut rows = both(gpu, "-lgi", &ours_gi, theirs_gi, gi_name);
    rows.extend(both(gpu, "-lci", &ours_ci, theirs_ci, ci_name));
    rows
}

/// What kerf says of each GPU instance, and of each compute instance.
type Instances = (BTreeMap<u64, String>, BTreeMap<(u64, u64), String>);

fn our_instances(gpu: &Gpu<'_>) -> Instances {
    let mut found = Instances::default();
    for instance in elements(gpu.gpu, "instances") {
        let figure = |pointer: &str| number(instance, pointer).unwrap_or(u64::MAX);
        let gi = figure("/id");
        let (start, size) = (figure("/placement/start"), figure("/placement/size"));
        let said = format!("profile {} at {start}:{size}", figure("/profile"));
        found.0.insert(gi, said);
        for compute in elements(instance, "compute") {
            let figure = |pointer: &str| number(compute, pointer).unwrap_or(u64::MAX);
            let said = format!("profile {}", figure("/profile"));
            found.1.insert((gi, figure("/id")), said);
        }
    }
    found
}

fn both<K: Ord>(
    gpu: &Gpu<'_>,
    field: &str,
    ours: &BTreeMap<K, String>,
    theirs: Result<BTreeMap<K, String>, &str>,
    name: impl Fn(&K) -> String,
) -> Vec<Row> {
    match theirs {
        Ok(theirs) => union(ours, &theirs, |key, ours, theirs| {
            let agree = ours == theirs;
            Row::of(&name(key), field, &shown(ours), &shown(theirs), agree)
        }),
        Err(why) => declined(gpu, field, ours.len(), Some(why)),
    }
}

impl<T> Told<T> {
    fn why(&self) -> Option<&str> {
        match self {
            Self::Yes(_) => None,
            Self::No(why) => Some(why),
        }
    }

    /// What `of` makes of the answer; nothing where nvidia-smi says that there is nothing; else why it
    /// does not answer.
    fn listed<L: Default>(&self, of: impl FnOnce(&T) -> L) -> Result<L, &str> {
        match self {
            Self::Yes(told) => Ok(of(told)),
            Self::No(why) if why.contains("Not Found") || why.starts_with("No MIG") => {
                Ok(L::default())
            }
            Self::No(why) => Err(why),
        }
    }
}

/// A row that says why there was no comparison, where kerf has something to compare.
fn declined(gpu: &Gpu<'_>, field: &str, ours: usize, why: Option<&str>) -> Vec<Row> {
    if ours == 0 {
        return Vec::new();
    }
    let why = why.unwrap_or("nvidia-smi does not tell");
    vec![Row::not_compared(
        &gpu.name(),
        field,
        &format!("{ours} known"),
        why,
    )]
}

/// A row for each key that either side knows.
fn union<K: Ord, V>(
    ours: &BTreeMap<K, V>,
    theirs: &BTreeMap<K, V>,
    row: impl Fn(&K, Option<&V>, Option<&V>) -> Row,
) -> Vec<Row> {
    let keys: BTreeSet<&K> = ours.keys().chain(theirs.keys()).collect();
    keys.into_iter()
        .map(|key| row(key, ours.get(key), theirs.get(key)))
        .collect()
}

fn shown(value: Option<&impl fmt::Display>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), ToString::to_string)
}
