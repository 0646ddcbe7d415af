//! Machine folders: what is in them, what is refused, and that nothing of anybody else's is touched.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use super::*;

/// Makes a machine with a file that stands for the library.
fn make(name: &str, dir: &Path, seed: u64) -> Result<MachineInfo, CreateError> {
    let library = dir.parent().expect("a folder above").join("library");
    fs::write(&library, "library").expect("a writable folder");
    create(name, dir, &library, &CreateOptions { seed: Some(seed) })
}

fn text(info: &MachineInfo, path: &str) -> String {
    fs::read_to_string(info.sysroot.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every path below `root`, links not followed.
fn paths(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.symlink_metadata().expect("it exists").is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

#[test]
fn every_machine_is_made_and_every_link_leads_somewhere() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    for (name, _) in machines() {
        let info = make(name, &temp.path().join(name), 1).expect(name);
        assert_eq!(open(&info.dir).expect("it is there"), info);
        for path in paths(&info.dir) {
            if path.is_symlink() {
                assert!(path.exists(), "{} leads nowhere", path.display());
                let target = path.canonicalize().expect("it leads somewhere");
                assert!(
                    target.starts_with(&info.dir),
                    "{} leads out",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn sysfs_and_proc_read_like_a_host() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let info = make("h100x8", &temp.path().join("m"), 1).expect("a machine");
    let gpu = "sys/bus/pci/devices/0000:0d:00.0";
    for (path, expected) in [
        ("sys/devices/system/node/online", "0-1\n"),
        ("sys/devices/system/node/node1/cpulist", "48-95,144-191\n"),
        ("sys/devices/system/node/node0/distance", "10 32\n"),
        (
            "sys/devices/system/cpu/cpu57/topology/thread_siblings_list",
            "57,153\n",
        ),
        (&format!("{gpu}/vendor"), "0x10de\n"),
        (&format!("{gpu}/device"), "0x2330\n"),
        (&format!("{gpu}/subsystem_device"), "0x16c1\n"),
        (&format!("{gpu}/class"), "0x030200\n"),
        (&format!("{gpu}/max_link_speed"), "32.0 GT/s PCIe\n"),
        (&format!("{gpu}/numa_node"), "0\n"),
        (&format!("{gpu}/local_cpulist"), "0-47,96-143\n"),
        (
            "sys/class/infiniband/mlx5_0/ports/1/link_layer",
            "InfiniBand\n",
        ),
        (
            "sys/class/infiniband/mlx5_0/ports/1/rate",
            "400 Gb/sec (4X NDR)\n",
        ),
        ("sys/class/infiniband/mlx5_0/device/vendor", "0x15b3\n"),
        ("sys/class/net/ib7/device/numa_node", "1\n"),
        ("sys/module/nvidia/version", "590.48.01\n"),
        (
            "proc/driver/nvidia/capabilities/mig/config",
            "DeviceFileMinor: 1\nDeviceFileMode: 256\nDeviceFileModify: 1\n",
        ),
    ] {
        assert_eq!(text(&info, path), expected, "{path}");
    }
    let canonical = info.sysroot.join(gpu).canonicalize().expect("a device");
    assert!(canonical.ends_with(
        "sys/devices/pci0000:08/0000:08:01.0/0000:09:00.0/0000:0a:00.0/0000:0b:00.0/0000:0c:00.0/0000:0d:00.0"
    ), "{}", canonical.display());
    let minors = text(&info, "proc/driver/nvidia-caps/mig-minors");
    assert_eq!(minors.lines().count(), 4_322);
    assert!(minors.starts_with("config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu0/gi0/ci0/access 4\n"));
    assert!(minors.ends_with("gpu31/gi14/ci7/access 4322\n"));
    let information = text(&info, "proc/driver/nvidia/gpus/0000:0d:00.0/information");
    assert!(
        information.contains("Model: \t\t NVIDIA H100 80GB HBM3\n"),
        "{information}"
    );
    assert!(
        information.contains("Device Minor: \t 0\n"),
        "{information}"
    );
}

#[test]
fn configuration_space_agrees_with_the_attributes() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let info = make("a100x1", &temp.path().join("m"), 1).expect("a machine");
    let devices = info.sysroot.join("sys/bus/pci/devices");
    let hex = |text: String| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16);
    for entry in fs::read_dir(devices).expect("devices") {
        let path = entry.expect("an entry").path();
        let space = fs::read(path.join("config")).expect("config");
        let read = |name: &str| fs::read_to_string(path.join(name)).expect(name);
        assert_eq!(space.len(), 256);
        let word = |at: usize| u32::from(u16::from_le_bytes([space[at], space[at + 1]]));
        assert_eq!(Ok(word(0)), hex(read("vendor")));
        assert_eq!(Ok(word(2)), hex(read("device")));
        assert_eq!(
            Ok(word(0x0a) << 8 | u32::from(space[9])),
            hex(read("class"))
        );
        if space[0x0e] == 1 {
            assert_eq!(
                u32::from(space[0x19]).to_string(),
                read("secondary_bus_number").trim()
            );
        }
        // PCI Express capability, with what the link can do and what it does.
        assert_eq!(space[0x60], 0x10);
        for (at, when) in [(0x6c, "max"), (0x72, "current")] {
            let (generation, lanes) = (word(at) & 0xf, word(at) >> 4 & 0x3f);
            assert_eq!(
                read(&format!("{when}_link_width")).trim(),
                lanes.to_string()
            );
            let speed = read(&format!("{when}_link_speed"));
            assert_eq!((generation, speed.trim()), (4, "16.0 GT/s PCIe"));
        }
    }
}

#[test]
fn nodes_are_real_where_the_right_is_there_and_never_shared() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let info = make("h100x1", &temp.path().join("m"), 1).expect("a machine");
    let devices = text(&info, "proc/devices");
    let real = fs::read_to_string("/proc/devices").expect("/proc/devices");
    let major = |name: &str| {
        let line = devices
            .lines()
            .find(|line| line.ends_with(&format!(" {name}")));
        line.and_then(|line| line.split_once(' ')?.0.parse::<u32>().ok())
            .expect(name)
    };
    let majors = ["nvidia", "nvidia-uvm", "nvidia-caps"].map(major);
    for major in majors {
        assert!(
            !real
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("{major} ")))
        );
        assert_ne!(major, 195);
    }
    let nodes = paths(&info.sysroot.join("dev"));
    let nodes: Vec<_> = nodes.iter().filter(|path| !path.is_dir()).collect();
    assert_eq!(nodes.len(), 1 + 3 + 2 + 42);
    if !info.real_nodes {
        kerf_tests::skip(kerf_tests::Capability::Root, "device nodes cannot be made");
        return;
    }
    let mut numbers = BTreeSet::new();
    for node in nodes {
        let facts = node.metadata().expect("a node");
        assert!(facts.file_type().is_char_device(), "{}", node.display());
        assert!(majors.contains(&libc::major(facts.rdev())));
        assert!(
            numbers.insert(facts.rdev()),
            "{} is not alone",
            node.display()
        );
        let opened = fs::File::open(node).expect_err("no driver answers");
        assert_eq!(
            opened.raw_os_error(),
            Some(libc::ENXIO),
            "{}",
            node.display()
        );
    }
}

#[test]
fn majors_differ_between_folders_and_avoid_what_is_taken() {
    let choose = |folder: &str| nodes::choose(Path::new(folder), "").expect("free majors");
    let chosen: BTreeSet<u32> = (0..50)
        .map(|index| choose(&format!("/tmp/machine{index}")).frontend)
        .collect();
    assert!(chosen.len() > 45, "{}", chosen.len());
    assert!(chosen.iter().all(|major| (512..=4_095).contains(major)));
    let taken = format!(
        "Character devices:\n{:>3} something\n",
        choose("/tmp/a").caps
    );
    let refused = nodes::choose(Path::new("/tmp/a"), &taken);
    assert!(matches!(refused, Err(CreateError::MajorTaken { .. })));
}

#[test]
fn a_machine_is_not_made_over_anything() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let dir = temp.path().join("m");
    make("h100x1", &dir, 1).expect("a machine");
    let state = fs::read(dir.join(STATE_FILE)).expect("its state");
    let again = make("a100x1", &dir, 2);
    assert!(
        matches!(again, Err(CreateError::Exists { .. })),
        "{again:?}"
    );
    assert_eq!(fs::read(dir.join(STATE_FILE)).expect("its state"), state);
    let home = temp.path().join("home");
    fs::create_dir_all(home.join("root/precious")).expect("a writable folder");
    assert!(matches!(
        make("h100x1", &home, 1),
        Err(CreateError::Exists { .. })
    ));
    assert!(home.join("root/precious").exists());
    for path in ["/", "/dev/machine", "/proc", "/sys/machine"] {
        let refused = create(
            "h100x1",
            Path::new(path),
            &dir.join(LIBRARY),
            &CreateOptions::default(),
        );
        assert!(refused.is_err(), "{path}");
    }
    let unknown = make("h100x9", &temp.path().join("n"), 1);
    assert!(matches!(unknown, Err(CreateError::UnknownMachine { .. })));
}

#[test]
fn a_library_of_somebody_else_is_never_removed() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let dir = temp.path().join("m");
    fs::create_dir(&dir).expect("a writable folder");
    fs::write(dir.join("libnvidia-ml.so"), "precious").expect("a writable folder");
    let refused = make("h100x1", &dir, 1);
    assert!(
        matches!(&refused, Err(CreateError::Exists { path }) if path.ends_with("libnvidia-ml.so")),
        "{refused:?}"
    );
    let left = fs::read_to_string(dir.join("libnvidia-ml.so")).expect("it is left alone");
    assert_eq!(left, "precious");
}

#[test]
fn of_two_creators_one_makes_the_machine_and_the_other_finds_it() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let library = temp.path().join("library");
    fs::write(&library, "library").expect("a writable folder");
    for round in 0..4 {
        let dir = temp.path().join(round.to_string());
        let create = |seed| {
            create(
                "h100x1",
                &dir,
                &library,
                &CreateOptions { seed: Some(seed) },
            )
        };
        let made: Vec<_> = std::thread::scope(|scope| {
            let creators: Vec<_> = (1..=3)
                .map(|seed| scope.spawn(move || create(seed)))
                .collect();
            creators
                .into_iter()
                .map(|creator| creator.join().expect("no panic"))
                .collect()
        });
        let (whole, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        assert_eq!(whole.len(), 1, "{refused:?}");
        for refused in refused {
            let refused = refused.expect_err("sorted out");
            assert!(matches!(refused, CreateError::Exists { .. }), "{refused}");
        }
        let info = open(&dir).expect("a machine");
        assert!(
            info.sysroot.join("dev/nvidia-caps").is_dir(),
            "the tree is whole"
        );
        assert!(!dir.join(MAKING_FILE).exists());
    }
}

#[test]
fn the_library_can_be_loaded_whatever_the_mode_of_its_source() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let library = temp.path().join("private");
    fs::write(&library, "library").expect("a writable folder");
    fs::set_permissions(&library, fs::Permissions::from_mode(0o600)).expect("ours");
    let options = CreateOptions { seed: Some(1) };
    let info = create("h100x1", &temp.path().join("m"), &library, &options).expect("a machine");
    let mode = info.library.metadata().expect("a library").mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn an_interrupted_creation_can_be_begun_anew() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let dir = temp.path().join("m");
    fs::create_dir_all(dir.join("root/sys")).expect("a writable folder");
    fs::write(dir.join(MAKING_FILE), "").expect("a writable folder");
    fs::write(dir.join(LIBRARY), "half").expect("a writable folder");
    make("h100x1", &dir, 1).expect("a machine");
    assert!(!dir.join(MAKING_FILE).exists());
    assert_eq!(
        fs::read_to_string(dir.join(LIBRARY)).expect("the library"),
        "library"
    );
}

#[test]
fn the_library_can_be_replaced_and_is_offered_under_the_drivers_names() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let info = make("h100x1", &temp.path().join("m"), 1).expect("a machine");
    let newer = temp.path().join("newer");
    fs::write(&newer, "newer").expect("a writable folder");
    replace_library(&info.dir, &newer).expect("a machine");
    let inside = info.sysroot.join("usr/lib/x86_64-linux-gnu");
    for path in [
        info.library.clone(),
        info.dir.join("libnvidia-ml.so"),
        inside.join("libnvidia-ml.so.590.48.01"),
        inside.join("libnvidia-ml.so.1"),
    ] {
        assert_eq!(
            fs::read_to_string(&path).expect("a library"),
            "newer",
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_seed_makes_the_same_machine_twice_and_no_seed_another() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let uuids = |name: &str, seed| {
        let dir = temp.path().join(name);
        let library = temp.path().join("library");
        fs::write(&library, "library").expect("a writable folder");
        create("h100x1", &dir, &library, &CreateOptions { seed }).expect("a machine");
        Store::new(&dir).read().expect("its state").gpus[0].uuid
    };
    assert_eq!(uuids("a", Some(9)), uuids("b", Some(9)));
    assert_ne!(uuids("c", None), uuids("d", None));
}

#[test]
fn a_gpu_that_is_gone_takes_its_files_with_it_and_brings_them_back() {
    use crate::control::{FaultRequest, fault};
    let temp = tempfile::tempdir().expect("a temporary folder");
    let info = make("h100x8", &temp.path().join("m"), 1).expect("a machine");
    let address = "0000:41:00.0";
    let store = Store::new(&info.dir);
    let now = || BTreeSet::from_iter(paths(&info.sysroot));
    let before: BTreeSet<PathBuf> = now();
    let cut = store.change(|machine, now_us| {
        machine.set_mig_mode(3, true, now_us)?;
        machine.create_gi(3, 14, None, now_us)
    });
    cut.expect("a writable state").expect("room");
    assert_ne!(now(), before, "the instance has its capability");
    let is_its = |path: &&PathBuf| path.ends_with(address);
    assert_eq!(before.iter().filter(is_its).count(), 5);
    fault(&info.dir, FaultRequest::Gone { gpu: 3 }).expect("it leaves");
    let mut others = before.clone();
    others.retain(|path| path.iter().all(|name| name != address));
    assert_eq!(now(), others);
    assert!(now().iter().all(|path| path.exists()), "no link is left");
    // What a writer left that was killed in the middle is mended by the next process.
    let proc = Path::new("proc/driver/nvidia/gpus").join(address);
    let (aside, place) = (info.dir.join("gone").join(&proc), info.sysroot.join(&proc));
    fs::rename(aside, place).expect("it was set aside");
    store.repair();
    assert_eq!(now(), others);
    fault(&info.dir, FaultRequest::Hang { gpu: 3 }).expect("it is back, yet not well");
    assert_eq!(now(), before, "without the instance that it had");
}
