//! What is there, read from the driver, the store's file and the folders, and never from kerfd; and what must
//! hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use nvidia_ml::control::{GpuShown, show};
use nvidia_ml::model::gpu::Fault;
use rusqlite::Connection;
use serde_json::Value;

use crate::lane::Lane;

/// How many faults are told of all that were found.
const TOLD: usize = 8;

/// A place on a GPU: index, start, size.
pub type Place = (u32, u32, u32);

/// One GPU instance: what it is, which life it is, what runs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub profile: String,
    pub gi: u32,
    pub compute: Vec<(u32, String, String)>,
    pub processes: Vec<u32>,
}

/// One lease: its holder in words, its state, and the place and UUID of each subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSeen {
    pub id: String,
    pub holder: String,
    pub state: String,
    pub fence: u64,
    /// PCI address; `start:size`, for a part with `/start:size` in its instance, or nothing for a whole GPU; UUID.
    pub subjects: Vec<(String, Option<String>, String)>,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct Picture {
    /// MIG mode now and pending, by index.
    pub modes: BTreeMap<u32, (bool, bool)>,
    pub instances: BTreeMap<Place, Instance>,
    pub leases: Vec<LeaseSeen>,
    /// Intents that are open, as the store has them.
    pub intents: Vec<Value>,
    /// The highest fence that the store has given out.
    pub fence: u64,
    /// Ids of leases with a copy, and of those with a CDI file.
    pub copies: BTreeSet<String>,
    pub names: BTreeSet<String>,
    /// PCI address by index.
    addresses: BTreeMap<String, u32>,
}

/// A state of the host without the names of lives: what two runs of one plan have in common.
pub type Shape = String;

impl Picture {
    /// Reads everything; nothing runs meanwhile.
    pub fn take(lane: &Lane) -> Self {
        let machine = show(&lane.info.dir).expect("the machine");
        let (mut modes, mut instances, mut addresses) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for gpu in machine.gpus.iter().filter(|gpu| gpu.fault != Fault::Gone) {
            modes.insert(gpu.index, gpu.mig);
            addresses.insert(gpu.pci.to_lowercase(), gpu.index);
            instances.extend(instances_of(gpu));
        }
        let paths = &lane.config.paths;
        let store = Connection::open(paths.state_dir.join("state.db")).expect("the store");
        let leases = documents(&store, "leases").iter().map(lease).collect();
        let fence = store.query_row("SELECT value FROM meta WHERE key = 'fence'", [], |row| {
            row.get::<_, i64>(0)
        });
        Self {
            modes,
            instances,
            leases,
            intents: documents(&store, "work"),
            fence: fence.map_or(0, i64::cast_unsigned),
            copies: stems(&paths.run_dir.join("leases"), ""),
            names: stems(&paths.cdi_dir, "kerf.dev-lease-"),
            addresses,
        }
    }

    /// The shape: modes, instances with their profiles, leases by holder with their places.
    pub fn shape(&self) -> Shape {
        let mut text = String::new();
        for (gpu, (now, next)) in &self.modes {
            let on = |mode: &bool| if *mode { "on" } else { "off" };
            write!(text, "gpu {gpu}: mig {}", on(now)).expect("text");
            if now != next {
                write!(text, ", then {}", on(next)).expect("text");
            }
            text.push('\n');
        }
        for ((gpu, start, size), instance) in &self.instances {
            let compute: Vec<&str> = instance.compute.iter().map(|ci| ci.1.as_str()).collect();
            let (profile, compute) = (&instance.profile, compute.join("+"));
            writeln!(text, "gpu {gpu}: {start}:{size} {profile} [{compute}]").expect("text");
        }
        let mut leases: Vec<String> = self.leases.iter().map(LeaseSeen::words).collect();
        leases.sort();
        text + &leases.join("\n")
    }

    /// The same picture with every promise made good: what a container that comes after a kill finds.
    pub fn with_promises_kept(&self) -> Self {
        let mut kept = self.clone();
        for lease in &mut kept.leases {
            if lease.holder.contains("drilled") {
                "active".clone_into(&mut lease.state);
            }
        }
        kept
    }

    /// The addresses of the GPUs, in small letters.
    pub fn addresses(&self) -> Vec<&String> {
        self.addresses.keys().collect()
    }

    /// The index of the GPU at an address.
    pub fn index(&self, pci: &str) -> Option<u32> {
        self.addresses.get(&pci.to_lowercase()).copied()
    }

    /// Whether a lease is for this life.
    pub fn is_leased(&self, instance: &Instance) -> bool {
        let mut subjects = self.leases.iter().flat_map(|lease| &lease.subjects);
        subjects.any(|(_, _, uuid)| instance.compute.iter().any(|ci| ci.2 == *uuid))
    }

    /// What must hold at any time when nothing is under way.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (place, instance) in &self.instances {
            if !instance.is_whole_or_divided() {
                faults.push(format!("{place:?} is an orphan: {instance:?}"));
            }
        }
        for (first, lease) in self.leases.iter().enumerate() {
            let others = self.leases.iter().skip(first + 1);
            faults.extend(others.filter_map(|other| lease.shares_with(other)));
            faults.extend(self.missing(lease));
            if lease.state == "releasing" {
                faults.push(format!("{} is still releasing", lease.holder));
            }
            if lease.fence & 0xffff_ffff_ffff > self.fence {
                faults.push(format!("fence {} was never counted", lease.fence));
            }
        }
        let ids: BTreeSet<String> = self.leases.iter().map(|lease| lease.id.clone()).collect();
        for (what, there) in [("copies", &self.copies), ("CDI files", &self.names)] {
            if *there != ids {
                faults.push(format!("{what} of leases {there:?}, and leases {ids:?}"));
            }
        }
        if !self.intents.is_empty() {
            faults.push(format!("intents are open: {:?}", self.intents));
        }
        faults
    }

    fn missing(&self, lease: &LeaseSeen) -> Vec<String> {
        let gone = |subject: &&(String, Option<String>, String)| {
            let (pci, place, uuid) = subject;
            let gpu = self.addresses.get(pci).copied();
            match (gpu, place) {
                (Some(gpu), Some(place)) => !self.instances.iter().any(|(at, instance)| {
                    at.0 == gpu
                        && format!("{}:{}", at.1, at.2) == instance_of(place)
                        && instance.compute.iter().any(|ci| ci.2 == *uuid)
                }),
                (Some(gpu), None) => self.modes.get(&gpu).is_none_or(|mode| mode.0),
                (None, _) => true,
            }
        };
        let lost = lease.subjects.iter().filter(gone);
        lost.map(|subject| {
            format!(
                "{} has a lease on {subject:?}, which is not there",
                lease.holder
            )
        })
        .collect()
    }

    /// Instances of `before` that are not the same life in `self`.
    pub fn disturbed<'a>(
        &self,
        before: impl Iterator<Item = (&'a Place, &'a Instance)>,
    ) -> Vec<String> {
        before
            .filter(|(place, instance)| self.instances.get(place) != Some(instance))
            .map(|(place, instance)| {
                let now = self.instances.get(place);
                format!("{place:?} was disturbed: {instance:?} is now {now:?}")
            })
            .collect()
    }
}

impl Instance {
    /// Whether one compute instance fills it, or it is divided into parts.
    fn is_whole_or_divided(&self) -> bool {
        let is_part = |profile: &str| profile.split_once("c.").is_some();
        match self.compute.as_slice() {
            [] => false,
            [_] => true,
            several => several.iter().all(|(_, profile, _)| is_part(profile)),
        }
    }
}

impl LeaseSeen {
    fn words(&self) -> String {
        let places: Vec<String> = self
            .subjects
            .iter()
            .map(|(pci, place, _)| format!("{pci}/{}", place.as_deref().unwrap_or("all")))
            .collect();
        format!("{} {} {}", self.holder, self.state, places.join(" "))
    }

    fn shares_with(&self, other: &Self) -> Option<String> {
        let shared = self.subjects.iter().any(|(pci, place, _)| {
            other.subjects.iter().any(|(other_pci, other_place, _)| {
                pci == other_pci && overlap(place.as_deref(), other_place.as_deref())
            })
        });
        shared.then(|| format!("{} and {} share hardware", self.holder, other.holder))
    }
}

fn overlap(first: Option<&str>, second: Option<&str>) -> bool {
    let (Some(first), Some(second)) = (first, second) else {
        return true;
    };
    let share = |first: &str, second: &str| {
        let (first, second) = (span(first), span(second));
        first.0 < second.1 && second.0 < first.1
    };
    let parts = first.split_once('/').zip(second.split_once('/'));
    share(instance_of(first), instance_of(second))
        // Parts of one instance share its memory and no compute slice.
        && parts.is_none_or(|((_, first), (_, second))| share(first, second))
}

/// The place of the instance, also of a part of one.
fn instance_of(place: &str) -> &str {
    place
        .split_once('/')
        .map_or(place, |(instance, _)| instance)
}

fn span(place: &str) -> (u32, u32) {
    let (start, size) = place.split_once(':').expect("a place");
    let (start, size): (u32, u32) = (
        start.parse().expect("a start"),
        size.parse().expect("a size"),
    );
    (start, start + size)
}

fn instances_of(gpu: &GpuShown) -> Vec<(Place, Instance)> {
    let instances = gpu.instances.iter().map(|gi| {
        let (start, size) = gi.placement;
        let compute = gi.compute.iter();
        let on_it = gpu
            .processes
            .iter()
            .filter(|process| process.gi == Some(gi.id));
        let instance = Instance {
            profile: gi.profile.clone(),
            gi: gi.id,
            compute: compute
                .map(|ci| (ci.id, ci.profile.clone(), ci.uuid.clone()))
                .collect(),
            processes: on_it.map(|process| process.pid).collect(),
        };
        ((gpu.index, start, size), instance)
    });
    instances.collect()
}

/// Fails where something is wrong, with the first of it.
pub fn assert_no_faults(faults: &[String]) {
    let (count, first) = (faults.len(), faults.iter().take(TOLD).collect::<Vec<_>>());
    assert!(faults.is_empty(), "{count} faults, of which {first:#?}");
}

/// A table of the store.
pub fn documents(store: &Connection, table: &str) -> Vec<Value> {
    let query = format!("SELECT document FROM {table} ORDER BY rowid");
    let mut statement = store.prepare(&query).expect("a query");
    let rows = statement.query_map([], |row| row.get::<_, String>(0));
    rows.expect("rows")
        .map(|text| serde_json::from_str(&text.expect("a row")).expect("a document"))
        .collect()
}

fn lease(document: &Value) -> LeaseSeen {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let subjects = document["subjects"].as_array().expect("subjects");
    let subject = |subject: &Value| {
        let (slice, gpu) = (&subject["slice"], &subject["gpu"]);
        let inner = if slice.is_object() { slice } else { gpu };
        let place = inner["placement"].as_str();
        let place = place.map(|place| match inner["compute"].as_str() {
            Some(part) => format!("{place}/{part}"),
            None => place.to_owned(),
        });
        (text(&inner["gpu"]), place, text(&inner["uuid"]))
    };
    LeaseSeen {
        id: text(&document["id"]),
        holder: document["holder"].to_string(),
        state: text(&document["state"]),
        fence: document["fence"].as_u64().expect("a fence"),
        subjects: subjects.iter().map(subject).collect(),
    }
}

/// Names of a folder's JSON files without what stands around them.
fn stems(folder: &Path, prefix: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let stem = name.strip_prefix(prefix)?.strip_suffix(".json")?;
            Some(stem.to_owned())
        })
        .collect()
}
