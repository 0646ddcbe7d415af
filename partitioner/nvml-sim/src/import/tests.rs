//! What is made of descriptions, and where the ports lie that they leave out.

mod refused;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::describe::{
    AmdGpu, Description, Function, Holds, Link, Links, Net, NvidiaGpu, Port, ProcessorMaker,
};
use super::plan::plan;
use super::{ImportError, has_library, import};
use crate::control::{FaultRequest, fault, reload, show};
use crate::kernel::Kernel;
use crate::machine::{CreateError, CreateOptions, open};
use crate::model::nvlink::LinkEnd;
use crate::model::spec::{Bdf, Role};
use crate::store::Store;

fn bdf(bus: u8, function: u8) -> Bdf {
    Bdf {
        domain: 0,
        bus,
        device: 0,
        function,
    }
}

/// A function on node 0 without anything.
fn function(bdf: Bdf, parent: Option<usize>, holds: Holds) -> Function {
    Function {
        bdf,
        parent,
        node: 0,
        class: 0x03_0200,
        vendor: Some(0x10de),
        device: Some(0x2330),
        subsystem: None,
        link: Link::default(),
        holds,
    }
}

fn links(target: Bdf, is_switch: bool, count: u8) -> Links {
    Links {
        target: Some(target),
        is_switch,
        count,
    }
}

fn nvidia(links: &[Links]) -> Holds {
    Holds::Nvidia(NvidiaGpu {
        compute: Some((9, 0)),
        links: links.to_vec(),
    })
}

fn amd(links: &[Links]) -> Holds {
    Holds::Amd(AmdGpu {
        compute_units: 104,
        target: 90_010,
        links: links.to_vec(),
    })
}

fn net(name: &str, is_rdma: bool) -> Net {
    let port = Port {
        number: 1,
        megabits: 2_500,
    };
    Net {
        name: name.to_owned(),
        is_rdma,
        ports: vec![port],
    }
}

fn description(functions: Vec<Function>) -> Description {
    Description {
        name: "told".to_owned(),
        maker: ProcessorMaker::Intel,
        cpus_per_node: Some(4),
        functions,
        has_peer_memory: false,
    }
}

/// Two GPUs with links to each other and to a switch that is not listed, one of them below a PCIe switch.
fn pair() -> Description {
    let switch = bdf(0x40, 0);
    let near = [links(switch, true, 3), links(bdf(0x20, 0), false, 2)];
    let far = [links(bdf(0x12, 0), false, 2), links(switch, true, 3)];
    let mut bridge = function(bdf(0x10, 0), None, Holds::Nothing);
    bridge.class = 0x06_0400;
    description(vec![
        bridge,
        function(bdf(0x12, 0), Some(0), nvidia(&near)),
        function(bdf(0x20, 0), None, nvidia(&far)),
    ])
}

#[test]
fn ports_have_addresses_that_nothing_else_has() {
    let told = pair();
    let plan = plan(&told).expect("a machine");
    let all: Vec<_> = plan.placed.iter().map(|placed| &placed.function).collect();
    let addresses: BTreeSet<Bdf> = all.iter().map(|function| function.bdf).collect();
    // Three root ports, a downstream port, what is told, and the NVSwitch.
    assert_eq!((all.len(), addresses.len()), (8, 8));
    let at = |bus| {
        all.iter()
            .find(|one| one.bdf == bdf(bus, 0))
            .expect("it is there")
    };
    assert_eq!(
        at(0x12).sysfs_folder(),
        "sys/devices/pci0000:0f/0000:0f:00.0/0000:10:00.0/0000:11:00.0/0000:12:00.0"
    );
    assert_eq!(
        at(0x20).sysfs_folder(),
        "sys/devices/pci0000:0f/0000:0f:01.0/0000:20:00.0"
    );
    assert_eq!(
        at(0x40).sysfs_folder(),
        "sys/devices/pci0000:3f/0000:3f:00.0/0000:40:00.0"
    );
    assert_eq!(
        (at(0x10).buses, at(0x10).role),
        (Some((0x11, 0x12)), Role::Upstream)
    );
    assert_eq!((at(0x12).role, at(0x20).role), (Role::Gpu(0), Role::Gpu(1)));
    assert_eq!(at(0x40).role, Role::NvSwitch(0));
}

/// A machine in a temporary folder.
fn made(told: &Description, dir: &Path) -> crate::MachineInfo {
    let library = dir.join("library");
    fs::write(&library, "library").expect("a writable folder");
    let options = CreateOptions { seed: Some(1) };
    import(told, &dir.join("m"), &library, &options).expect("a machine")
}

#[test]
fn gpus_of_a_known_product_are_a_driver_with_its_links() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let info = made(&pair(), temp.path());
    assert!(info.has_library && info.library.is_file());
    assert_eq!(
        (open(&info.dir).expect("a machine"), info.name.as_str()),
        (info.clone(), "told")
    );
    let machine = Store::new(&info.dir).read().expect("its state");
    let ends: Vec<Option<(Bdf, bool)>> = (0..6)
        .map(
            |link| match machine.link_end(0, link).expect("eighteen links") {
                Some(LinkEnd::Switch(end)) => Some((end.bdf, true)),
                Some(LinkEnd::Gpu(end)) => Some((end.bdf, false)),
                Some(LinkEnd::Outside | LinkEnd::Hidden) | None => None,
            },
        )
        .collect();
    let (switch, peer) = (Some((bdf(0x40, 0), true)), Some((bdf(0x20, 0), false)));
    assert_eq!(ends, [switch, switch, switch, peer, peer, None]);
    assert!(
        machine.link_active(1, 4).expect("a link") && !machine.link_active(1, 5).expect("a link")
    );
    assert_eq!((machine.switch_links(0), machine.switch_links(1)), (3, 3));
    // It is a machine like any other to those who break it.
    let shown = show(&info.dir).expect("a machine");
    assert_eq!(shown.gpus.len(), 2);
    let folder = info.sysroot.join("sys/bus/pci/devices/0000:12:00.0");
    fault(&info.dir, FaultRequest::Gone { gpu: 0 }).expect("it leaves");
    assert!(
        folder.symlink_metadata().is_err()
            && !info
                .sysroot
                .join("proc/driver/nvidia/gpus/0000:12:00.0")
                .exists()
    );
    fault(&info.dir, FaultRequest::Clear { gpu: 0 }).expect("it returns");
    assert!(folder.is_dir());
    reload(&info.dir).expect("a driver");
}

#[test]
fn what_kfd_shows_stays_whoever_opens_the_kernel() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let both = [links(bdf(0x21, 0), false, 4)];
    let mut told = description(vec![
        function(bdf(0x20, 0), None, amd(&both)),
        function(bdf(0x21, 0), None, amd(&[links(bdf(0x20, 0), false, 4)])),
    ]);
    for one in &mut told.functions {
        (one.vendor, one.device) = (None, None);
    }
    assert!(!has_library(&told));
    let info = made(&told, temp.path());
    assert!(!info.has_library && !info.library.exists());
    let read = |path: &str| fs::read_to_string(info.sysroot.join(path)).expect(path);
    let node = "sys/class/kfd/kfd/topology/nodes/1";
    let before = read(&format!("{node}/properties"));
    for line in [
        "simd_count 416",
        "gfx_target_version 90010",
        "location_id 8192",
        "io_links_count 2",
    ] {
        assert!(before.lines().any(|one| one == line), "{line}:\n{before}");
    }
    let link = read(&format!("{node}/io_links/1/properties"));
    for line in [
        "type 11",
        "node_to 2",
        "min_bandwidth 50000",
        "max_bandwidth 200000",
    ] {
        assert!(link.lines().any(|one| one == line), "{line}:\n{link}");
    }
    let kernel = Kernel::open(&info.dir).expect("its kernel");
    let seen = kernel.read(&format!("{node}/properties")).expect("a file");
    assert_eq!(String::from_utf8(seen).expect("text"), before);
    assert_eq!(read(&format!("{node}/properties")), before);
    let ids = ["vendor", "device", "subsystem_vendor", "config", "modalias"];
    let folder = info.sysroot.join("sys/bus/pci/devices/0000:20:00.0");
    assert!(folder.join("class").is_file());
    assert!(
        ids.iter().all(|id| !folder.join(id).exists()),
        "nobody says its ids"
    );
}

#[test]
fn nothing_is_written_of_what_cannot_be_made_nor_over_anything() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let (dir, library) = (temp.path().join("m"), temp.path().join("library"));
    fs::write(&library, "library").expect("a writable folder");
    let options = CreateOptions::default();
    let mut wrong = pair();
    wrong.functions[2].bdf = bdf(0x12, 0);
    import(&wrong, &dir, &library, &options).expect_err("a wrong machine");
    assert!(!dir.exists(), "nothing is left");
    let info = made(&pair(), temp.path());
    let again = import(&pair(), &info.dir, &library, &options);
    assert!(
        matches!(again, Err(ImportError::Create(CreateError::Exists { .. }))),
        "{again:?}"
    );
}

#[test]
fn a_state_with_an_unknown_product_is_foreign() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let info = made(&pair(), temp.path());
    let machine = Store::new(&info.dir).read().expect("its state");
    let text = serde_json::to_string(&*machine).expect("a document");
    let known: crate::model::machine::Machine = serde_json::from_str(&text).expect("a machine");
    // One machine has one fixed part in a process, however often its state is read.
    assert!(std::ptr::eq(
        known.spec().expect("it carries one"),
        machine.spec().expect("it carries one")
    ));
    let text = text.replace("\"device_id\":9008", "\"device_id\":1");
    let unknown: Result<crate::model::machine::Machine, _> = serde_json::from_str(&text);
    assert!(
        unknown
            .expect_err("a product")
            .to_string()
            .contains("not known")
    );
}

#[test]
fn an_uneven_machine_has_an_id_of_its_own_for_each_cache() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut told = pair();
    // Ten cores of a socket, of which six share a cache and four the next.
    (told.maker, told.cpus_per_node) = (ProcessorMaker::Amd, Some(20));
    told.functions[2].node = 1;
    let info = made(&told, temp.path());
    let mut caches = BTreeSet::new();
    for cpu in 0..40 {
        let folder = format!("sys/devices/system/cpu/cpu{cpu}/cache/index3");
        let read = |name| fs::read_to_string(info.sysroot.join(&folder).join(name)).expect(name);
        caches.insert((read("id"), read("shared_cpu_list")));
    }
    let ids: BTreeSet<_> = caches.iter().map(|(id, _)| id).collect();
    assert_eq!((ids.len(), caches.len()), (4, 4), "{caches:?}");
}
