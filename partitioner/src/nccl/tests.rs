//! What public files say, and what is wrong with others.

use std::path::PathBuf;

use kerf_types::topology::LinkClass;

use super::NcclSystem;
use crate::topology::Near;

fn files() -> Option<PathBuf> {
    let folder = kerf_tests::tree::data_dir().join("nccl-topo");
    if folder.is_dir() {
        return Some(folder);
    }
    let why = format!("{} is not there", folder.display());
    kerf_tests::skip(kerf_tests::Capability::Data, &why);
    None
}

fn system(name: &str) -> Option<NcclSystem> {
    let text = std::fs::read_to_string(files()?.join(name)).expect("a file");
    Some(text.parse().expect(name))
}

fn near(level: LinkClass, links: u32) -> Option<Near> {
    Some(Near { level, links })
}

#[test]
fn every_public_file_is_read_and_as_near_from_both_ends() {
    let Some(folder) = files() else {
        return;
    };
    let entries = std::fs::read_dir(folder).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let (mut read, mut accelerators) = (0, 0);
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "xml")) {
        let name = path.display();
        let text = std::fs::read_to_string(&path).expect("a file");
        let system: NcclSystem = text
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let count = system.accelerators().len();
        assert!(count > 2, "{name}: {count}");
        for a in 0..count {
            for b in 0..a {
                assert_eq!(system.near(a, b), system.near(b, a), "{name}: {a} {b}");
            }
        }
        read += 1;
        accelerators += count;
    }
    // 235 have an element of their own; two clouds' files leave eight each to NCCL.
    assert_eq!((read, accelerators), (32, 235 + 16));
}

#[test]
fn switches_and_links_are_as_the_files_have_them() {
    let Some(h100) = system("oci-H100-topology.xml") else {
        return;
    };
    assert_eq!(h100.near(0, 1), near(LinkClass::Phb, 18));
    assert_eq!(h100.near(0, 7), near(LinkClass::Sys, 18));
    assert_eq!(h100.near(0, 8), None);
    assert_eq!((h100.numa_node(0), h100.numa_node(7)), (Some(0), Some(1)));
    let nets = h100.nets();
    assert_eq!((nets[0].name.as_str(), nets.len()), ("mlx5_0", 16));
    assert_eq!(h100.near_net(0, &nets[0]), Some(LinkClass::Pxb));
    assert_eq!(h100.near_net(1, &nets[0]), Some(LinkClass::Phb));
    let mi250 = system("topo_8p1h_1.xml").expect("the others are there");
    assert_eq!(mi250.near(0, 1), near(LinkClass::Pxb, 4));
    assert_eq!(mi250.near(0, 3), near(LinkClass::Phb, 0));
    let p4d = system("aws-p4d-24xl-topo.xml").expect("the others are there");
    let first = p4d.accelerators().next().expect("eight");
    assert_eq!(first.to_string(), "0000:10:1c.0");
    assert_eq!(p4d.near(0, 1), near(LinkClass::Pix, 0));
    let nets = p4d.nets();
    let nearest = nets.iter().filter_map(|net| p4d.near_net(0, net)).min();
    assert_eq!((nets.len(), nearest), (4, Some(LinkClass::Pix)));
}

#[test]
fn what_is_no_machine_is_said_with_its_line() {
    let refused = |text: &str| {
        let error = text.parse::<NcclSystem>().expect_err(text);
        crate::in_words(&error)
    };
    assert!(refused("<system").starts_with("it is no XML: "));
    assert!(refused("<graphs version=\"1\"/>").contains("its root is <graphs>"));
    assert!(refused("<system version=\"3\"/>").contains("its version is \"3\""));
    let below = |inner: &str| {
        refused(&format!(
            "<system version=\"1\">\n<cpu numaid=\"0\">\n{inner}</cpu></system>"
        ))
    };
    let pci = |busid: &str, inner: &str| {
        format!("<pci busid=\"{busid}\" class=\"0x030200\">{inner}</pci>\n")
    };
    let wrong = below(&pci("first", ""));
    assert_eq!(
        wrong,
        "line 3: <pci> has busid=\"first\", which is no PCI address"
    );
    let one = pci("0000:01:00.0", "");
    assert_eq!(
        below(&one.repeat(2)),
        "line 4: there is another accelerator 0000:01:00.0"
    );
    let link = pci(
        "0000:01:00.0",
        "<gpu>\n<nvlink target=\"0000:02:00.0\" count=\"-1\"/></gpu>",
    );
    assert!(below(&link).starts_with("line 4: <nvlink> has count=\"-1\""));
    let no_class = below("<pci busid=\"0000:01:00.0\"/>\n");
    assert!(no_class.contains("class=\"\""), "{no_class}");
    let alone = format!("<system version=\"1\">{one}</system>");
    assert_eq!(refused(&alone), "line 1: 0000:01:00.0 is below no <cpu>");
    let bomb = "<!DOCTYPE system [<!ENTITY a \"a\">]><system version=\"1\">&a;</system>";
    assert!(refused(bomb).starts_with("it is no XML: "));
    let deep = pci_below_pci(50_000);
    assert!(refused(&deep).contains("is below more others"));
    let far = pci_below_pci(64).parse::<NcclSystem>().expect("odd");
    assert_eq!((far.accelerators().len(), far.numa_node(0)), (1, None));
    let named = |name: &str| below(&format!("<nic><net name=\"{name}\"/></nic>"));
    assert!(named("a&#10;b").contains("which is no name"));
    let many = pci_below_pci(300_000);
    assert!(refused(&many).starts_with("it is no XML: "));
}

/// So many bridges, each below the one before it, and a device of class 0x030200 below the last.
fn pci_below_pci(count: usize) -> String {
    let bridge = "<pci busid=\"0000:02:00.0\" class=\"0x060400\">";
    let last = "<pci busid=\"0000:01:00.0\" class=\"0x030200\"/>";
    let (begin, end) = (bridge.repeat(count), "</pci>".repeat(count));
    format!("<system version=\"1\"><cpu numaid=\"-1\">{begin}{last}{end}</cpu></system>")
}

#[test]
fn links_into_a_cpu_are_none_into_a_switch_and_an_interface_may_be_on_no_bus() {
    // As on POWER9, where NVLink joins GPUs and CPUs.
    let gpu = |bus: u32| {
        format!(
            "<pci busid=\"0000:0{bus}:00.0\" class=\"0x030200\"><gpu>\
             <nvlink target=\"0000:0f:00.0\" count=\"3\" tclass=\"0x068001\"/></gpu></pci>"
        )
    };
    let text = format!(
        "<system version=\"1\"><cpu numaid=\"0\">{}<nic><net name=\"virtual\"/></nic></cpu>\
         <cpu numaid=\"8\">{}</cpu></system>",
        gpu(1),
        gpu(2)
    );
    let system: NcclSystem = text.parse().expect("a machine");
    assert_eq!(system.near(0, 1), near(LinkClass::Sys, 0));
    let [net] = system.nets() else {
        panic!("one interface");
    };
    assert_eq!(system.near_net(0, net), Some(LinkClass::Phb));
    assert_eq!(system.near_net(1, net), Some(LinkClass::Sys));
}

#[test]
fn links_into_switches_that_a_guest_does_not_see_count() {
    let gpu = |bus: u32, count: u32, target: &str| {
        format!(
            "<pci busid=\"0000:0{bus}:00.0\" class=\"0x030200\"><gpu sm=\"90\">\
             <nvlink target=\"{target}\" count=\"{count}\" tclass=\"0x068000\"/></gpu></pci>"
        )
    };
    let of = |target: &str| {
        let (one, other) = (gpu(1, 18, target), gpu(2, 6, target));
        format!("<system version=\"1\"><cpu numaid=\"0\">{one}{other}</cpu></system>")
    };
    let system: NcclSystem = of("fffffff:ffff:ff").parse().expect("a machine");
    assert_eq!(system.near(0, 1), near(LinkClass::Phb, 6));
    let refused = of("ffffffff:ffff:ff").parse::<NcclSystem>();
    let why = refused.expect_err("no address").to_string();
    assert!(why.contains("target=\"ffffffff:ffff:ff\""), "{why}");
    let xgmi = of("fffffff:ffff:ff").replace("0x068000", "0x030200");
    let told = super::describe(&xgmi, "m").expect("a description");
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("library");
    std::fs::write(&library, "library").expect("a file");
    let options = nvidia_ml::CreateOptions { seed: Some(1) };
    let made = nvidia_ml::import::import(&told, &folder.path().join("m"), &library, &options);
    let why = made.expect_err("a GPU is seen").to_string();
    assert!(
        why.contains("a link of 0000:01:00.0 ends at nothing"),
        "{why}"
    );
}

#[test]
fn what_contradicts_itself_is_refused_with_its_line() {
    let refused = |text: &str| {
        let error = text.parse::<NcclSystem>().expect_err(text);
        assert_eq!(
            super::describe(text, "m").expect_err(text).to_string(),
            error.to_string()
        );
        error.to_string()
    };
    let system =
        |version: u32, inner: &str| format!("<system version=\"{version}\">\n{inner}</system>");
    let cpu = |attributes: &str| format!("<cpu {attributes}/>\n");
    let nodes = system(1, &cpu("numaid=\"0\"").repeat(2));
    assert_eq!(
        refused(&nodes),
        "line 3: <cpu> in <system>: there is another one of that NUMA node"
    );
    let hosts = ["0x1", "0x2"].map(|host| cpu(&format!("numaid=\"0\" host_hash=\"{host}\"")));
    assert!(system(1, &hosts.concat()).parse::<NcclSystem>().is_ok());
    let linked = |version: u32, link: &str, target: &str| {
        let link = format!("<{link} target=\"{target}\" count=\"2\" tclass=\"0x030200\"/>");
        let gpu = format!("<gpu sm=\"80\" gcn=\"gfx90a\">\n{link}</gpu>");
        let pci = format!("<pci busid=\"0000:01:00.0\" class=\"0x030200\">{gpu}</pci>");
        system(version, &format!("<cpu numaid=\"0\">{pci}</cpu>"))
    };
    for (version, link) in [(1, "nvlink"), (2, "xgmi")] {
        let itself = refused(&linked(version, link, "0:01:00.0"));
        let expected = format!("line 3: <{link}> in <gpu>: it leads to the GPU that it is of");
        assert_eq!(itself, expected);
        // A switch is at no place of the file.
        let away = linked(version, link, "0000:0f:00.0");
        assert!(away.parse::<NcclSystem>().is_ok() && super::describe(&away, "m").is_ok());
    }
    let other = refused(&linked(2, "nvlink", "0000:0f:00.0"));
    assert!(
        other.starts_with("line 3: <nvlink> in <gpu>: version 2 is RCCL's"),
        "{other}"
    );
    let other = refused(&linked(1, "xgmi", "0000:0f:00.0"));
    assert!(
        other.starts_with("line 3: <xgmi> in <gpu>: version 1 is NCCL's"),
        "{other}"
    );
}
