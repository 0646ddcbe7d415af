//! MIG devices: the UUID, name and memory of each slice. `-L` has UUIDs and `-q` instance ids; both count
//! the devices of a GPU by one index.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::kerf::elements;
use super::super::parse::NotUnderstood;
use super::super::parse::details::MigDevice;
use super::super::reading::Heard;
use super::exact::is_mib;
use super::{Gpu, NOTHING, Row, Verdict, number, text};

/// How far kerf's value of used memory may be from nvidia-smi's, in MiB.
const USED_SLACK_MIB: u64 = 64;

/// A slice as kerf tells it.
struct Ours<'a> {
    uuid: String,
    profile: Option<&'a Value>,
    whole: bool,
}

/// A slice as nvidia-smi tells it.
struct Theirs {
    uuid: String,
    name: String,
    device: MigDevice,
}

/// GPU instance and compute instance.
type Key = (u64, u64);

/// Rows for every slice that either side knows.
pub fn gpu(gpu: &Gpu<'_>, smi: &Heard) -> Result<Vec<Row>, NotUnderstood> {
    let ours = ours(gpu);
    let theirs = theirs(gpu, smi)?;
    let keys: BTreeSet<Key> = ours.keys().chain(theirs.keys()).copied().collect();
    let mut rows = Vec::new();
    for key in keys {
        let of = format!("{} gi {} ci {}", gpu.name(), key.0, key.1);
        let uuid = |uuid: Option<&String>| uuid.map_or(NOTHING, String::as_str).to_owned();
        let (ours, theirs) = (ours.get(&key), theirs.get(&key));
        let our_uuid = uuid(ours.map(|slice| &slice.uuid));
        let their_uuid = uuid(theirs.map(|slice| &slice.uuid));
        let same = our_uuid == their_uuid;
        rows.push(Row::of(&of, "uuid", &our_uuid, &their_uuid, same));
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            rows.push(name(&of, ours, theirs));
            rows.extend(multiprocessors(&of, ours, theirs));
            rows.extend(memory(gpu, &of, key, theirs));
        }
    }
    Ok(rows)
}

fn ours<'a>(gpu: &Gpu<'a>) -> BTreeMap<Key, Ours<'a>> {
    let mut found = BTreeMap::new();
    for instance in elements(gpu.gpu, "instances") {
        let id = number(instance, "/profile");
        let profile = elements(gpu.gpu, "profiles")
            .iter()
            .find(|profile| id.is_some() && number(profile, "/id") == id);
        for compute in elements(instance, "compute") {
            let key = number(instance, "/id").zip(number(compute, "/id"));
            let (Some(key), Some(uuid)) = (key, text(compute, "/uuid")) else {
                continue;
            };
            let full = profile.and_then(|profile| number(profile, "/full_compute_profile"));
            let whole = full.is_some() && full == number(compute, "/profile");
            found.insert(
                key,
                Ours {
                    uuid,
                    profile,
                    whole,
                },
            );
        }
    }
    found
}

fn theirs(gpu: &Gpu<'_>, smi: &Heard) -> Result<BTreeMap<Key, Theirs>, NotUnderstood> {
    let listed = smi
        .list
        .iter()
        .find(|listed| u64::from(listed.index) == gpu.index);
    let Some(details) = smi.after.details.gpus.get(gpu.place()) else {
        return Ok(BTreeMap::new());
    };
    let mut found = BTreeMap::new();
    for device in details.mig_devices()? {
        let names = listed.and_then(|gpu| gpu.mig.iter().find(|mig| mig.index == device.index));
        let of = |text: fn(&super::super::parse::list::ListedMig) -> &String| {
            names.map_or_else(String::new, |mig| text(mig).clone())
        };
        found.insert(
            (device.gi.into(), device.ci.into()),
            Theirs {
                uuid: of(|mig| &mig.uuid),
                name: of(|mig| &mig.name),
                device,
            },
        );
    }
    Ok(found)
}

/// A slice that fills its GPU instance has the profile's name; another one has `1c.` before it.
fn name(of: &str, ours: &Ours<'_>, theirs: &Theirs) -> Row {
    let profile = ours.profile.and_then(|profile| text(profile, "/name"));
    let profile = profile.unwrap_or_else(|| NOTHING.to_owned());
    if ours.whole {
        return Row::of(of, "name", &profile, &theirs.name, profile == theirs.name);
    }
    let part = theirs.name.split_once("c.");
    let agree = part.is_some_and(|(_, whole)| whole == profile);
    Row::of(
        of,
        "name",
        &format!("a part of {profile}"),
        &theirs.name,
        agree,
    )
}

/// Known to kerf of a slice that fills its GPU instance.
fn multiprocessors(of: &str, ours: &Ours<'_>, theirs: &Theirs) -> Option<Row> {
    let known = number(ours.profile?, "/sm_count").filter(|_| ours.whole)?;
    let told = u64::from(theirs.device.sm_count?);
    Some(Row::of(
        of,
        "multiprocessors",
        &known.to_string(),
        &told.to_string(),
        known == told,
    ))
}

fn memory(gpu: &Gpu<'_>, of: &str, key: Key, theirs: &Theirs) -> Vec<Row> {
    let mut readings = elements(gpu.sample, "slices").iter();
    let reading = readings
        .find(|slice| (number(slice, "/gi"), number(slice, "/ci")) == (Some(key.0), Some(key.1)));
    let Some(reading) = reading else {
        return vec![Row::of(of, "sampled", "no", "yes", false).moving()];
    };
    let row = |field, pointer, told: Option<u64>| {
        let known = number(reading, pointer);
        let shown = |figure: Option<u64>, unit: &str| {
            figure.map_or_else(|| NOTHING.to_owned(), |figure| format!("{figure} {unit}"))
        };
        let agree = match (known, told) {
            (Some(bytes), Some(mib)) => is_mib(bytes, mib),
            (known, told) => known.is_none() && told.is_none(),
        };
        Row::of(of, field, &shown(known, "B"), &shown(told, "MiB"), agree)
    };
    let total = row(
        "memory.total",
        "/memory_total_bytes",
        theirs.device.memory_total_mib,
    );
    let told = theirs.device.memory_used_mib;
    let mut used = row("memory.used", "/memory_used_bytes", told).moving();
    let known = number(reading, "/memory_used_bytes");
    let near = known.zip(told).is_some_and(|(bytes, mib)| {
        let slack = USED_SLACK_MIB * super::exact::MIB;
        bytes.abs_diff(mib.saturating_mul(super::exact::MIB)) <= slack
    });
    if used.verdict == Verdict::Different && near {
        used.verdict = Verdict::Near;
    }
    vec![total, used]
}
