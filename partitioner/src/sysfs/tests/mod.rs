//! Trees that a kernel, a careless packager or an attacker may put before us.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use kerf_types::{CiId, DeviceMinor, GiId};
use tempfile::TempDir;

use crate::sysfs::capabilities::{Capability, CapabilityTable};
use crate::sysfs::cpus::CpuSet;
use crate::sysfs::{Folder, Reader, Root, SysfsError, driver, majors};

mod classes;
mod functions;
mod guard;
mod imex;
mod links;
mod lstopo_io;
mod machine;
mod mangled;
mod places;

/// A tree with these files; a content that begins with `->` is a link.
pub fn tree(files: &[(&str, &str)]) -> (TempDir, Root) {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        match content.strip_prefix("->") {
            Some(target) => symlink(target, path).expect("a link"),
            None => fs::write(path, content).expect("a file"),
        }
    }
    let root = Root::open(folder.path()).expect("a root");
    (folder, root)
}

#[test]
fn links_never_lead_out_of_the_root() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("secret"), "secret").expect("a file");
    let absolute = format!("->{}/secret", outside.path().display());
    let climbing = format!(
        "->../../../../../../../..{}/secret",
        outside.path().display()
    );
    let (_folder, root) = tree(&[
        ("absolute", absolute.as_str()),
        ("a/climbing", climbing.as_str()),
        ("etc/inside", "mine"),
        ("to-inside", "->/etc/inside"),
        ("loop", "->loop"),
        ("magic", "->/proc/self/root/etc/passwd"),
    ]);
    for path in [
        "absolute",
        "a/climbing",
        "loop",
        "magic",
        "../../../etc/passwd",
    ] {
        assert_eq!(root.fact(path), None, "{path}");
        assert_eq!(root.canonical(path), None, "{path}");
    }
    assert_eq!(root.fact("to-inside").as_deref(), Some("mine"));
    assert_eq!(root.canonical("to-inside").as_deref(), Some("/etc/inside"));
    assert_eq!(
        root.canonical("../../etc/inside").as_deref(),
        Some("/etc/inside")
    );
}

#[test]
fn a_link_that_leads_to_itself_is_odd() {
    let (_folder, root) = tree(&[("device/speed", "->speed"), ("device/other", "->/nowhere")]);
    let reader = Reader::new(&root);
    assert_eq!(reader.text("device/speed"), None);
    assert_eq!(reader.text("device/absent"), None);
    let folder = Folder::open(&reader, "device".to_owned()).expect("a folder");
    assert_eq!(folder.text("other"), None);
    let odd = reader.into_oddities().into_iter();
    let odd: Vec<String> = odd.map(|odd| odd.path).collect();
    assert_eq!(odd, ["/device/other", "/device/speed"]);
}

#[test]
fn what_is_no_readable_text_is_unknown() {
    let (folder, root) = tree(&[("text", " a b \n"), ("folder/file", "x")]);
    fs::write(folder.path().join("binary"), [0xff, 0xfe]).expect("a file");
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    assert_eq!(root.fact("text").as_deref(), Some("a b"));
    for path in ["absent", "binary", "folder", "pipe", "text/below", ""] {
        assert!(matches!(root.read(path), Ok(None)), "{path}");
    }
    let large = fs::File::create(folder.path().join("large")).expect("a file");
    large.set_len(3 << 20).expect("a length");
    assert!(matches!(
        root.read("large"),
        Err(SysfsError::TooLarge { .. })
    ));
    assert_eq!(root.list("folder").expect("a folder"), ["file"]);
    assert!(root.list("absent").expect("nothing").is_empty());
    assert!(Root::open(&folder.path().join("text")).is_err());
}

#[test]
fn cpu_sets_read_both_spellings() {
    for (list, mask, printed) in [
        ("0-3,8", "0000010f", "0-3,8"),
        ("8,0-3", "10f", "0-3,8"),
        ("32-63", "ffffffff,00000000", "32-63"),
        ("31-32", "1,80000000", "31-32"),
        ("", "0", ""),
    ] {
        for set in [CpuSet::from_list(list), CpuSet::from_mask(mask)] {
            assert_eq!(set.expect(list).to_string(), printed);
        }
    }
    for wrong in ["3-0", "a", "-1", "1-", "0-99999999", "1;2", "0x1"] {
        assert_eq!(CpuSet::from_list(wrong), None, "{wrong}");
    }
    for wrong in ["", "xyz", "100000000", "1,,2"] {
        assert_eq!(CpuSet::from_mask(wrong), None, "{wrong}");
    }
    let set = |list| CpuSet::from_list(list).expect(list);
    assert!(set("0-3").overlaps(&set("3-9")));
    assert!(!set("0-3").overlaps(&set("4")));
    assert!(set("").is_empty());
}

#[test]
fn cpu_sets_are_sets() {
    let set = |list| CpuSet::from_list(list).expect(list);
    let sets = ["", "0", "0-3", "2-5,9", "1,3,5,7,9", "64-127,0-63", "4,6-8"].map(set);
    let (most, all): (u32, Vec<u32>) = (130, (0..130).collect());
    for a in &sets {
        let members: Vec<u32> = all.iter().copied().filter(|cpu| a.contains(*cpu)).collect();
        assert_eq!(a.iter().collect::<Vec<_>>(), members, "{a}");
        assert_eq!(usize::try_from(a.len()), Ok(members.len()), "{a}");
        assert_eq!(a.first(), members.first().copied(), "{a}");
        assert_eq!(&members.iter().copied().collect::<CpuSet>(), a);
        for b in &sets {
            let mut joined = a.clone();
            joined.join(b);
            let (both, rest) = (a.and(b), a.without(b));
            for cpu in 0..most {
                let (in_a, in_b) = (a.contains(cpu), b.contains(cpu));
                assert_eq!(both.contains(cpu), in_a && in_b, "{cpu} in {a} and {b}");
                assert_eq!(
                    rest.contains(cpu),
                    in_a && !in_b,
                    "{cpu} in {a} without {b}"
                );
                assert_eq!(joined.contains(cpu), in_a || in_b, "{cpu} in {a} or {b}");
            }
            assert_eq!(a.overlaps(b), !both.is_empty(), "{a} and {b}");
        }
    }
}

#[test]
fn one_wrong_line_voids_the_capability_table() {
    let good = "config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu0/gi0/ci0/access 4\ngpu31/gi14/ci7/access 4322\n";
    let table = CapabilityTable::parse(good).expect("the driver's form");
    let ci = Capability::Ci(DeviceMinor(31), GiId(14), CiId(7));
    assert_eq!(table.minor(ci), Some(DeviceMinor(4322)));
    assert_eq!(table.capability(DeviceMinor(4322)), Some(ci));
    assert_eq!(
        table.minor(Capability::Gi(DeviceMinor(0), GiId(0))),
        Some(DeviceMinor(3))
    );
    assert_eq!(table.minor(Capability::Gi(DeviceMinor(1), GiId(0))), None);
    for wrong in [
        "",
        "config",
        "config 1 2",
        "config one",
        "Config 1",
        "config/access 1",
        "gpu0/gi0/access",
        "gpu0/gi0/access -3",
        "gpu0/gi0/access 03",
        "gpu0/gi0/access 99999999999",
        "gpu00/gi0/access 3",
        "gpu+0/gi0/access 3",
        "gpu0/gi0/access  3",
        "gpu0/gi0/access 3 ",
        "gpu0/access 3",
        "gpu0/gi0/ci0 4",
        "gpu0/gi0/ci0/ci1/access 4",
        "gpu0/gi0/ci0/access/access 4",
        "../gi0/access 5",
        "gpu0/gi1/access 3",
        "gpu0/gi0/access 77",
    ] {
        let text = format!("gpu0/gi0/access 3\n{wrong}\nmonitor 2\n");
        let error = CapabilityTable::parse(&text).expect_err(wrong);
        assert!(
            matches!(error, SysfsError::Malformed { line: 2, .. }),
            "{wrong}: {error}"
        );
    }
    let (_folder, root) = tree(&[]);
    assert_eq!(
        CapabilityTable::read(&root).expect("no driver"),
        CapabilityTable::default()
    );
}

#[test]
fn majors_are_those_of_character_devices() {
    let text = "Character devices:\n  1 mem\n195 nvidia\n195 nvidia-modeset\n510 nvidia-uvm\n\
                511 nvidia-caps\n\nBlock devices:\n259 blkext\n  7 loop\n";
    let (_folder, root) = tree(&[("proc/devices", text)]);
    let majors = majors::majors(&root).expect("a table");
    assert_eq!(majors.get(majors::NVIDIA_CAPS), Some(&511));
    assert_eq!(majors.get("mem"), Some(&1));
    assert_eq!(majors.get("loop"), None);
    let (_folder, root) = tree(&[]);
    assert!(majors::majors(&root).expect("no table").is_empty());
}

#[test]
fn the_kernel_driver_names_its_gpus() {
    let information = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 18\nGPU UUID: \t \
                       GPU-11111111-2222-3333-4444-555555555555\nBus Location: \t 0000:0d:00.0\n\
                       Device Minor: \t 3\n";
    let fresh = "Model: \t\t Unknown\nGPU UUID: \t GPU-????????-????-????-????-????????????\n";
    let (_folder, root) = tree(&[
        ("proc/driver/nvidia/gpus/0000:1d:00.0/information", fresh),
        (
            "proc/driver/nvidia/gpus/0000:0d:00.0/information",
            information,
        ),
        ("proc/driver/nvidia/gpus/nonsense/information", information),
    ]);
    let gpus = driver::gpus(&root).expect("GPUs");
    let [first, second] = gpus.as_slice() else {
        panic!("{gpus:?}")
    };
    assert_eq!(first.model.as_deref(), Some("NVIDIA H100 80GB HBM3"));
    assert_eq!(first.minor, Some(DeviceMinor(3)));
    let uuid = first.uuid.as_ref().map(kerf_types::GpuUuid::as_str);
    assert_eq!(uuid, Some("GPU-11111111-2222-3333-4444-555555555555"));
    assert_eq!((&second.uuid, second.minor), (&None, None));
}

#[test]
fn the_kernels_proc_is_known_under_any_root() {
    let real = Root::open(Path::new("/")).expect("the root");
    assert!(real.is_on_proc("proc/sys"));
    assert!(!real.is_on_proc("dev") && !real.is_on_proc("proc/no-such-folder"));
    // As under a root that is bound somewhere: its path is not `/`, and what it shows is the kernel's.
    let bound = Root::open(Path::new("/proc")).expect("a root");
    assert!(!bound.is_real() && bound.is_on_proc("sys/kernel"));
    let (_folder, copy) = tree(&[("proc/driver/nvidia/gpus/0000:01:00.0/information", "")]);
    assert!(!copy.is_on_proc("proc/driver/nvidia/gpus"));
}

#[test]
fn the_real_root_is_known() {
    assert!(Root::open(Path::new("/")).expect("the root").is_real());
    let (_folder, root) = tree(&[]);
    assert!(!root.is_real());
}
