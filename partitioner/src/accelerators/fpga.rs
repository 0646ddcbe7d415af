//! FPGAs: cards of Xilinx's under XRT, cards with Intel's Device Feature List, and chips that only an FPGA manager
//! knows. One accelerator for a board, however many functions and platform devices it has.
//!
//! After `Documentation/ABI/testing/sysfs-class-fpga-manager`, `sysfs-class-fpga-region`, `sysfs-platform-dfl-fme`,
//! `sysfs-platform-dfl-port`, and XRT (`src/runtime_src/core/pcie/driver/linux/xocl`).

use std::collections::BTreeMap;

use kerf_types::PciAddress;
use kerf_types::map::{Accelerator, AcceleratorHealth, Capabilities, PciFunction, Vendor};

use super::Found;
use super::facts::{self, Scene, folder, is_processing_accelerator};
use super::tables::{self, fpga as table};
use crate::sysfs::Device;
use crate::sysfs::pci::nearest;

const XILINX: u16 = 0x10ee;
const MANAGERS: &str = "sys/class/fpga_manager";
const REGIONS: &str = "sys/class/fpga_region";
const PLATFORM: &str = "sys/bus/platform/devices";

/// Whether a function is one of an FPGA card's.
pub(super) fn is_mine(function: &PciFunction) -> bool {
    let is_xilinx = function.vendor == Some(XILINX) && is_processing_accelerator(function);
    let has_driver = matches!(
        function.driver.as_deref(),
        Some("xocl" | "xclmgmt" | "dfl-pci")
    );
    is_xilinx || has_driver || known(function).is_some()
}

/// A manager, region or platform device of an FPGA.
struct Part {
    name: String,
    folder: String,
}

impl Part {
    fn device<'a>(&self, scene: &Scene<'a>) -> Device<'a, 'a> {
        scene.device(self.folder.clone())
    }
}

/// All of them, by the function above each.
struct Parts {
    managers: BTreeMap<Option<PciAddress>, Vec<Part>>,
    engines: BTreeMap<Option<PciAddress>, Vec<Part>>,
    ports: BTreeMap<Option<PciAddress>, Vec<Part>>,
    regions: BTreeMap<Option<PciAddress>, Vec<Part>>,
    /// Managers that hang on no bus.
    alone: Vec<Part>,
}

pub(super) fn find(scene: &Scene<'_>) -> Found {
    let mut boards: BTreeMap<(u32, u8, u8), Vec<&PciFunction>> = BTreeMap::new();
    let mut virtuals: Vec<&PciFunction> = Vec::new();
    for function in scene.functions(is_mine) {
        let PciAddress {
            domain,
            bus,
            device,
            ..
        } = function.address;
        if function.physical_function.is_some() {
            virtuals.push(function);
        } else {
            boards
                .entry((domain, bus, device))
                .or_default()
                .push(function);
        }
    }
    let parts = Parts::read(scene);
    let single: Vec<[&PciFunction; 1]> = virtuals.into_iter().map(|one| [one]).collect();
    let boards = boards.values().map(Vec::as_slice);
    let boards = boards.chain(single.iter().map(<[_; 1]>::as_slice));
    let boards = boards.filter_map(|functions| board(scene, functions, &parts));
    let mut accelerators: Vec<Accelerator> = boards.collect();
    accelerators.extend(parts.alone.iter().map(|one| chip(scene, one)));
    Found {
        accelerators,
        links: Vec::new(),
    }
}

impl Parts {
    fn read(scene: &Scene<'_>) -> Self {
        let by_function = |class: &str, prefix: &str| {
            let mut found: BTreeMap<Option<PciAddress>, Vec<Part>> = BTreeMap::new();
            for number in scene.reader.numbered(class, prefix) {
                let name = format!("{prefix}{number}");
                let folder = format!("{class}/{name}");
                let path = scene.reader.root().canonical(&folder);
                let pci = path.as_deref().and_then(nearest);
                found.entry(pci).or_default().push(Part { name, folder });
            }
            found
        };
        let mut managers = by_function(MANAGERS, "fpga");
        Self {
            alone: managers.remove(&None).unwrap_or_default(),
            managers,
            engines: by_function(PLATFORM, "dfl-fme."),
            ports: by_function(PLATFORM, "dfl-port."),
            regions: by_function(REGIONS, "region"),
        }
    }
}

/// The parts of a board.
fn of<'a>(
    parts: &'a BTreeMap<Option<PciAddress>, Vec<Part>>,
    functions: &[&PciFunction],
) -> Vec<&'a Part> {
    let own = functions
        .iter()
        .filter_map(|function| parts.get(&Some(function.address)));
    own.flatten().collect()
}

/// All functions of one board, the lowest first, which is the management's where there are two.
fn board(scene: &Scene<'_>, functions: &[&PciFunction], parts: &Parts) -> Option<Accelerator> {
    let first = functions.first()?;
    let table = known(first);
    let vendor = first.vendor.map(table::maker);
    let mut accelerator = scene.accelerator(first, vendor);
    for other in functions.iter().skip(1) {
        let other = scene.accelerator(other, vendor);
        accelerator.nodes.extend(other.nodes);
        accelerator.numa_node = accelerator.numa_node.or(other.numa_node);
        accelerator.driver = match (accelerator.driver, other.driver) {
            (Some(one), Some(other)) if one != other => Some(format!("{one}, {other}")),
            (one, other) => one.or(other),
        };
    }
    let managers = of(&parts.managers, functions);
    let manager = managers.first().copied();
    let name = manager.and_then(|manager| manager.device(scene).label("name"));
    if let Some(name) = table.map(|board| board.name.to_owned()).or(name) {
        accelerator.model = name;
    }
    accelerator.architecture = table
        .and_then(|board| board.architecture)
        .map(str::to_owned);
    let engines = of(&parts.engines, functions);
    let engine = engines.first().copied();
    let regions = of(&parts.regions, functions);
    let ways = match has_region(scene, &regions) {
        true => vec!["region".to_owned()],
        false => Vec::new(),
    };
    let ports = engine.and_then(|engine| ports(scene, engine));
    facts::ways(&mut accelerator.capabilities, first, ways, ports);
    let opened = engines.iter().copied().chain(of(&parts.ports, functions));
    accelerator
        .nodes
        .extend(opened.map(|part| format!("/dev/{}", part.name)));
    accelerator.nodes.sort();
    accelerator.nodes.dedup();
    let told = [
        engine.map(|engine| engine_health(scene, engine)),
        manager.map(|manager| manager_health(scene, manager)),
        Some(card_health(scene, functions)),
    ];
    accelerator.health = worst(told.into_iter().flatten());
    tables::fill(
        &mut accelerator.capabilities,
        table.map_or(&[], |board| board.facts),
    );
    Some(accelerator)
}

/// Whether a region can be configured by itself: it says which images fit (`compat_id`), which the static part of a
/// board, a region as well, does not.
fn has_region(scene: &Scene<'_>, regions: &[&Part]) -> bool {
    regions.iter().any(|region| {
        let device = region.device(scene);
        device.text("compat_id").is_some()
    })
}

/// A chip beside its processor, which hangs on no bus.
fn chip(scene: &Scene<'_>, manager: &Part) -> Accelerator {
    let name = manager.device(scene).label("name");
    Accelerator {
        id: manager.name.clone(),
        vendor: vendor_of(name.as_deref().unwrap_or_default()),
        model: name.unwrap_or_else(|| manager.name.clone()),
        pci: None,
        numa_node: None,
        memory: None,
        memory_used: None,
        architecture: None,
        serial: None,
        unique_id: None,
        driver: None,
        nodes: Vec::new(),
        health: manager_health(scene, manager),
        utilisation_percent: None,
        capabilities: Capabilities::new(),
    }
}

/// Whose chip a manager programs, by the names that the drivers in `drivers/fpga` give themselves; `None` for one that
/// names no maker.
fn vendor_of(name: &str) -> Option<Vendor> {
    let name = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["xilinx", "zynq", "versal"]) {
        Some(Vendor::Amd)
    } else if has(&["altera", "intel", "stratix", "socfpga", "dfl"]) {
        Some(Vendor::Intel)
    } else {
        None
    }
}

/// Ports of the management engine (FME) of a Device Feature List: they are what users get.
fn ports(scene: &Scene<'_>, engine: &Part) -> Option<u64> {
    let ports = engine.device(scene).number("ports_num");
    ports.filter(|ports| *ports > 0)
}

/// A failure that anybody tells, else that somebody tells that it works.
fn worst(told: impl Iterator<Item = AcceleratorHealth>) -> AcceleratorHealth {
    let rank = |health: &AcceleratorHealth| match health {
        AcceleratorHealth::Failed(_) => 0,
        AcceleratorHealth::Ok => 1,
        AcceleratorHealth::Unknown => 2,
    };
    told.min_by_key(rank).unwrap_or_default()
}

/// XRT's drivers say of each function whether they have taken it offline (`dev_offline` of `userpf/xocl_sysfs.c` and
/// `mgmtpf/mgmt-sysfs.c`).
fn card_health(scene: &Scene<'_>, functions: &[&PciFunction]) -> AcceleratorHealth {
    let is_offline = |function: &&PciFunction| {
        let device = scene.device(folder(function.address));
        let told = device.parsed("dev_offline", "0 or 1", |text| match text {
            "0" => Some(AcceleratorHealth::Ok),
            "1" => Some(AcceleratorHealth::Failed("offline".to_owned())),
            _ => None,
        });
        Some(facts::heard(&device, told.unwrap_or_default()))
    };
    worst(functions.iter().filter_map(is_offline))
}

/// `errors/catfatal_errors` is a mask.
fn engine_health(scene: &Scene<'_>, engine: &Part) -> AcceleratorHealth {
    let device = engine.device(scene);
    let told = match device.hex("errors/catfatal_errors") {
        None => AcceleratorHealth::Unknown,
        Some(0) => AcceleratorHealth::Ok,
        Some(errors) => {
            AcceleratorHealth::Failed(format!("catastrophic or fatal errors {errors:#x}"))
        }
    };
    facts::heard(&device, told)
}

/// `operating`, `unknown`, or a step or an error of programming it, when nobody can use it.
fn manager_health(scene: &Scene<'_>, manager: &Part) -> AcceleratorHealth {
    let device = manager.device(scene);
    let told = match device.label("state").as_deref() {
        None | Some("unknown") => AcceleratorHealth::Unknown,
        Some("operating") => AcceleratorHealth::Ok,
        Some(state) => AcceleratorHealth::Failed(state.to_owned()),
    };
    facts::heard(&device, told)
}

fn known(function: &PciFunction) -> Option<&'static table::Board> {
    table::board(function.vendor?, function.device?)
}
