//! Processors: which hang together, what they share, what they are and can do.
//!
//! Owns the reading of `/sys/devices/system/cpu` and of what `/proc/cpuinfo` adds. Decides nothing. A fact that a group
//! of threads shares is read once, at the group's first thread: a machine of 256 threads would else cost ten thousand
//! files. Threads that are not online have no topology, and are in nothing here but [`Cpus::offline`].
//! Sources: `Documentation/ABI/stable/sysfs-devices-system-cpu`, `Documentation/admin-guide/cputopology.rst` of the
//! kernel; each module names its own.

mod caches;
mod confidential;
mod groups;
mod info;
mod kinds;
mod midr;
mod topology;
mod units;

use kerf_types::map::Cpus;

use super::Reader;
use super::cpus::CpuSet;

const FOLDER: &str = "sys/devices/system/cpu";

/// The processors of a host.
pub fn cpus(reader: &Reader<'_>) -> Cpus {
    let present = reader.numbered(FOLDER, "cpu").into_iter().collect();
    let online = online(reader, &present);
    let info = info::read(reader, &online);
    let topology = topology::read(reader, &online);
    let kinds = kinds::Kinds::read(reader, &online, &topology.cores);
    let caches = caches::read(reader, &online, &topology.cores, &kinds);
    Cpus {
        offline: offline(reader, &present, &online).to_string(),
        architecture: architecture(reader, &info),
        vendor: info.identity.vendor,
        family: info.identity.family,
        model_number: info.identity.model,
        model: info.model.or_else(|| midr::model(reader, &online)),
        cores: topology.known(&online),
        kinds: kinds.told(),
        packages: topology.packages,
        threads: Some(online.len()).filter(|threads| *threads > 0),
        caches,
        units: info.units,
        confidential: confidential::read(reader),
        online: online.to_string(),
    }
}

/// The threads that the kernel runs. `present` have a folder: what it names beyond them is not believed, since every
/// one would be looked for.
fn online(reader: &Reader<'_>, present: &CpuSet) -> CpuSet {
    let path = format!("{FOLDER}/online");
    let Some(online) = reader.set(&path).filter(|online| !online.is_empty()) else {
        return present.clone();
    };
    let beyond = online.without(present);
    if !beyond.is_empty() {
        reader.odd::<()>(&path, format_args!("names {beyond}, which have no folder"));
    }
    online.and(present)
}

/// The file `offline` names every thread that the kernel could ever have; only what is there now counts.
fn offline(reader: &Reader<'_>, folders: &CpuSet, online: &CpuSet) -> CpuSet {
    let present = reader.set(&format!("{FOLDER}/present"));
    present.as_ref().unwrap_or(folders).without(online)
}

/// The kernel's own word since Linux 6.1, else what the form of `/proc/cpuinfo` leaves no doubt of.
fn architecture(reader: &Reader<'_>, info: &info::Info) -> Option<String> {
    let told = reader.text("proc/sys/kernel/arch");
    told.or_else(|| info.architecture.map(str::to_owned))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
