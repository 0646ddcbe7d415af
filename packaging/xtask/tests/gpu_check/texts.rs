//! What nvidia-smi would print of a simulated machine, in the words of the captures.

use std::collections::BTreeMap;
use std::fmt::Write;

use nvidia_ml::control::GpuShown;
use nvidia_ml::model::gpu::Gpu;
use nvidia_ml::model::spec::Role;
use nvidia_ml::{DRIVER_VERSION, NVML_VERSION};

use crate::fake::Fake;
use crate::known::Known;
use crate::world::World;

/// Its answers for a machine on which nothing runs.
pub fn of(world: &World) -> Fake {
    let known = Known::new(&world.info.dir);
    let gpus = || known.gpus.iter().zip(&known.shown);
    let texts = [
        ("L", list(&known)),
        ("q", details(&known)),
        ("version", version()),
        ("topo", topology(&known)),
        ("nvlink", links(&known)),
        ("lgip", profiles(&known)),
        ("lgipp", places(&known)),
        ("lgi", gpu_instances(&known)),
        ("lci", compute_instances(&known)),
    ];
    let no_mig = ("No MIG-enabled devices found.\n".to_owned(), 6);
    let any_mig = known.shown.iter().any(|gpu| gpu.mig.0);
    let texts = texts.into_iter().map(|(name, text)| {
        let answer = match name {
            "lgi" | "lci" if !any_mig => no_mig.clone(),
            _ => (text, 0),
        };
        (name, answer)
    });
    Fake {
        facts: gpus()
            .map(|(gpu, shown)| facts(&known, gpu, shown))
            .collect(),
        later: Vec::new(),
        texts: texts.collect(),
    }
}

fn mode(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

/// `0000:0f:00.0` as nvidia-smi writes it.
fn bus_id(pci: &str) -> String {
    format!("0000{}", pci.to_ascii_uppercase())
}

fn facts(known: &Known, gpu: &Gpu, shown: &GpuShown) -> BTreeMap<String, String> {
    let product = known.product();
    let busy = if shown.mig.0 { "[N/A]" } else { "0" };
    let watts = |milliwatts: u32| format!("{:.2}", f64::from(milliwatts) / 1e3);
    let (major, minor) = product.compute_capability;
    let facts = [
        ("index", gpu.index.to_string()),
        ("name", product.name.to_owned()),
        ("uuid", shown.uuid.clone()),
        ("serial", gpu.serial.clone()),
        ("pci.bus_id", bus_id(&shown.pci)),
        ("pci.device_id", format!("0x{:08X}", product.device_id)),
        (
            "pci.sub_device_id",
            format!("0x{:08X}", product.subsystem_id),
        ),
        ("driver_version", DRIVER_VERSION.to_owned()),
        ("vbios_version", product.vbios.to_owned()),
        ("compute_cap", format!("{major}.{minor}")),
        ("memory.total", product.memory_mib.to_string()),
        ("memory.used", known.used_mib(shown).to_string()),
        ("mig.mode.current", mode(shown.mig.0).to_owned()),
        ("mig.mode.pending", mode(shown.mig.1).to_owned()),
        ("pcie.link.gen.max", product.pcie_generation.to_string()),
        ("pcie.link.gen.current", product.pcie_generation.to_string()),
        ("pcie.link.width.max", "16".to_owned()),
        ("pcie.link.width.current", "16".to_owned()),
        ("ecc.errors.corrected.volatile.total", "0".to_owned()),
        ("ecc.errors.uncorrected.volatile.total", "0".to_owned()),
        ("temperature.gpu", product.thermal.idle_c.to_string()),
        (
            "temperature.memory",
            (product.thermal.idle_c + product.thermal.memory_offset_c).to_string(),
        ),
        ("power.draw", watts(product.power.idle_mw)),
        ("enforced.power.limit", watts(product.power.max_limit_mw)),
        ("clocks.current.sm", product.clocks.idle.to_string()),
        ("clocks.current.memory", product.clocks.memory.to_string()),
        ("utilization.gpu", busy.to_owned()),
        ("utilization.memory", busy.to_owned()),
        (
            "clocks_event_reasons.active",
            "0x0000000000000001".to_owned(),
        ),
    ];
    let named = facts.into_iter();
    named
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
}

fn head(known: &Known, gpu: &GpuShown) -> String {
    format!(
        "GPU {}: {} (UUID: {})\n",
        gpu.index,
        known.product().name,
        gpu.uuid
    )
}

/// GPU instance, compute instance, its name and UUID, in the order of MIG device indices, which is that
/// of creation where nothing was destroyed.
fn mig_devices(gpu: &GpuShown) -> impl Iterator<Item = (u32, u32, &str, &str)> {
    gpu.instances.iter().flat_map(|gi| {
        let compute = gi.compute.iter();
        compute.map(|ci| (gi.id, ci.id, ci.profile.as_str(), ci.uuid.as_str()))
    })
}

fn list(known: &Known) -> String {
    let mut text = String::new();
    for gpu in &known.shown {
        text += &head(known, gpu);
        for (index, (_, _, name, uuid)) in mig_devices(gpu).enumerate() {
            writeln!(text, "  MIG {name:<12}Device {index:>2}: (UUID: {uuid})").expect("text");
        }
    }
    text
}

fn details(known: &Known) -> String {
    let mut text = format!(
        "\n==============NVSMI LOG==============\n\nDriver Version    : {DRIVER_VERSION}\n\
         CUDA Version      : 13.1\n\nAttached GPUs     : {}\n",
        known.gpus.len()
    );
    for (gpu, shown) in known.gpus.iter().zip(&known.shown) {
        write!(
            text,
            "GPU {}\n    Product Architecture    : {:?}\n    MIG Mode\n        Current    : {}\n",
            bus_id(&shown.pci),
            known.product().architecture,
            mode(shown.mig.0)
        )
        .expect("text");
        for (index, (gi, ci, name, _)) in mig_devices(shown).enumerate() {
            text += &mig_device(known, index, (gi, ci), name);
        }
        write!(
            text,
            "    Serial Number    : {}\n    GPU UUID         : {}\n    GPU PDI          : 0xd52bae2e458244e2\n    \
             Minor Number     : {}\n    PCI\n        Replays Since Reset    : 0\n",
            gpu.serial, shown.uuid, gpu.minor
        )
        .expect("text");
        text += &processes(shown);
    }
    text
}

fn processes(gpu: &GpuShown) -> String {
    if gpu.processes.is_empty() {
        return "    Processes    : None\n".to_owned();
    }
    let mut text = "    Processes\n".to_owned();
    for process in &gpu.processes {
        let id = |id: Option<u32>| id.map_or_else(|| "N/A".to_owned(), |id| id.to_string());
        write!(
            text,
            "        GPU instance ID    : {}\n        Compute instance ID    : {}\n        \
             Process ID    : {}\n            Type    : C\n            Name    : /usr/bin/secret-model\n            \
             Used GPU Memory    : {} MiB\n",
            id(process.gi),
            id(process.ci),
            process.pid,
            process.memory_bytes >> 20
        )
        .expect("text");
    }
    text
}

fn mig_device(known: &Known, index: usize, (gi, ci): (u32, u32), name: &str) -> String {
    let (part, whole) = match name.split_once("c.") {
        Some((slices, whole)) => (slices.parse::<u32>().ok(), whole),
        None => (None, name),
    };
    let profile = known.profile(whole);
    let multiprocessors = match part {
        Some(slices) => slices * known.product().multiprocessors_per_slice,
        None => profile.multiprocessors,
    };
    let used = known.overhead_mib(profile.slices.into());
    format!(
        "    MIG Device\n        Index    : {index}\n        GPU Instance ID    : {gi}\n        \
         Compute Instance ID    : {ci}\n        Device Attributes\n            Shared\n                \
         Multiprocessor count    : {multiprocessors}\n        Shared FB Memory Usage\n            \
         Total    : {} MiB\n            Used    : {used} MiB\n",
        profile.memory_mib
    )
}

fn version() -> String {
    // 13.590.48.01 is 590.48 to nvidia-smi.
    let parts: Vec<&str> = NVML_VERSION.split('.').skip(1).take(2).collect();
    format!(
        "NVIDIA-SMI version  : {DRIVER_VERSION}\nNVML version        : {}\n\
         DRIVER version      : {DRIVER_VERSION}\nCUDA Version        : 13.1\n",
        parts.join(".")
    )
}

fn topology(known: &Known) -> String {
    let devices = known.devices();
    let name = |role: &Role| match role {
        Role::Gpu(index) => format!("GPU{index}"),
        Role::Nic(index) => format!("NIC{index}"),
        other => panic!("{other:?} has no row"),
    };
    let names: Vec<String> = devices.iter().map(|device| name(&device.role)).collect();
    let mut text = format!(
        "\t\u{1b}[4m{}\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\u{1b}[0m\n",
        names.join("\t")
    );
    for (device, name) in devices.iter().zip(&names) {
        let links = devices.iter().map(|other| known.level(device, other));
        write!(text, "{name}\t{}", links.collect::<Vec<_>>().join("\t")).expect("text");
        let cpus = known.spec.node_cpus(device.node);
        let [(a, b), (c, d)] = cpus[..] else {
            panic!("two threads to a core");
        };
        match device.role {
            Role::Gpu(_) => writeln!(text, "\t{a}-{b},{c}-{d}\t{}\t\tN/A", device.node),
            _ => writeln!(text, "\t\t"),
        }
        .expect("text");
    }
    text += "\nLegend:\n\n  X    = Self\n\nNIC Legend:\n\n";
    let nics = devices.iter().filter_map(|device| match device.role {
        Role::Nic(index) => Some(format!("  NIC{index}: mlx5_{index}\n")),
        _ => None,
    });
    text + &nics.collect::<String>()
}

fn links(known: &Known) -> String {
    let mut text = String::new();
    for gpu in &known.shown {
        text += &head(known, gpu);
        if gpu.mig.0 {
            text += "Nvlink queries are not supported for Devices in MIG mode\n";
            continue;
        }
        let state = if known.has_switches() {
            "26.562 GB/s"
        } else {
            "<inactive>"
        };
        for link in 0..known.product().nvlink.links {
            writeln!(text, "\t Link {link}: {state}").expect("text");
        }
    }
    text
}

/// The lines of a table in bars.
fn barred(title: &str, rows: &[String]) -> String {
    let bar = "+-----------------------------------------------------------------------------+\n";
    let rows: String = rows.iter().map(|row| format!("{row}\n{bar}")).collect();
    format!("{bar}| {title:<75} |\n|{:=<77}|\n{rows}", "")
}

fn profiles(known: &Known) -> String {
    let mut rows = Vec::new();
    for gpu in known.shown.iter().filter(|gpu| known.tells_profiles(gpu)) {
        for profile in known.product().gi_profiles {
            let engines = profile.engines;
            let gib = f64::from(u32::try_from(profile.memory_mib).expect("some GiB")) / 1024.0;
            rows.push(format!(
                "|{:>4}  MIG {:<12} {:>4}     {}/{}   {gib:>8.2}       No  {:>5} {:>5}     0   |\n\
                 |        {:>5} {:>5} {:>5}   |",
                gpu.index,
                profile.name,
                profile.id,
                profile.max_count,
                profile.max_count,
                profile.multiprocessors,
                engines.decoder,
                engines.copy,
                engines.jpeg,
                engines.ofa
            ));
        }
    }
    barred("GPU instance profiles:", &rows)
}

fn places(known: &Known) -> String {
    let mut text = String::new();
    for gpu in known.shown.iter().filter(|gpu| known.tells_profiles(gpu)) {
        for profile in known.product().gi_profiles {
            let starts: Vec<String> = profile.starts.iter().map(u32::to_string).collect();
            let word = if starts.len() > 1 {
                "Placements"
            } else {
                "Placement "
            };
            writeln!(
                text,
                "GPU {:>2} Profile ID {:>2} {word}: {{{}}}:{}",
                gpu.index,
                profile.id,
                starts.join(","),
                profile.size
            )
            .expect("text");
        }
    }
    text
}

fn gpu_instances(known: &Known) -> String {
    let mut rows = Vec::new();
    for gpu in &known.shown {
        for gi in &gpu.instances {
            let id = known.profile(&gi.profile).id;
            let (start, size) = gi.placement;
            rows.push(format!(
                "|{:>4}  MIG {:<12} {id:>5} {:>8}          {start}:{size}     |",
                gpu.index, gi.profile, gi.id
            ));
        }
    }
    barred("GPU instances:", &rows)
}

fn compute_instances(known: &Known) -> String {
    let mut rows = Vec::new();
    for gpu in &known.shown {
        for gi in &gpu.instances {
            let whole = known.profile(&gi.profile);
            let id = |name: &str| {
                let mut all = nvidia_ml::model::profile::CI_PROFILES.iter();
                let found = all.find(|profile| profile.name(whole) == name);
                found.expect("a profile").id
            };
            for ci in &gi.compute {
                rows.push(format!(
                    "|{:>4} {:>6}       MIG {:<14} {:>4} {:>9}          0:1     |",
                    gpu.index,
                    gi.id,
                    ci.profile,
                    id(&ci.profile),
                    ci.id
                ));
            }
        }
    }
    barred("Compute instances:", &rows)
}
