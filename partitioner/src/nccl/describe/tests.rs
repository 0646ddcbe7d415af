//! What a text says of a machine, and what is wrong with others.

use nvidia_ml::import::describe::{Description, Holds, ProcessorMaker};

use super::describe;

/// A file with this in the `cpu`, in its third line.
fn text(version: u32, inner: &str) -> String {
    format!(
        "<system version=\"{version}\">\n<cpu numaid=\"1\" affinity=\"f0,000000ff\">\n{inner}</cpu></system>"
    )
}

fn told(version: u32, inner: &str) -> Description {
    let text = text(version, inner);
    describe(&text, "m").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refused(version: u32, inner: &str) -> String {
    let error = describe(&text(version, inner), "m").expect_err(inner);
    crate::in_words(&error)
}

/// A device with these attributes and this in it.
fn pci(attributes: &str, inner: &str) -> String {
    format!("<pci busid=\"0000:01:00.0\" class=\"0x120000\" {attributes}>\n{inner}</pci>\n")
}

const GPU: &str = "<gpu sm=\"104\" gcn=\"gfx90a\">";
const AMD: &str = "<gpu sm=\"104\" gcn=\"gfx90a\" gdr=\"1\"><xgmi target=\"0000:02:00.0\" count=\"4\" tclass=\"0x120000\"/></gpu>";

#[test]
fn what_nobody_says_is_not_known() {
    let told = told(
        1,
        &pci(
            "vendor=\"\" link_speed=\"Unknown speed\" link_width=\"255\"",
            "",
        ),
    );
    assert_eq!(
        (told.maker, told.cpus_per_node),
        (ProcessorMaker::Amd, Some(12))
    );
    assert!(!told.has_peer_memory);
    let [function] = told.functions.as_slice() else {
        panic!("one function");
    };
    assert_eq!(
        (function.node, function.class, function.parent),
        (1, 0x12_0000, None)
    );
    assert_eq!(
        (function.vendor, function.device, function.subsystem),
        (None, None, None)
    );
    assert_eq!((&function.link.speed, function.link.lanes), (&None, None));
    assert_eq!(function.holds, Holds::Nothing);
}

#[test]
fn targets_are_what_kfd_says() {
    for (gcn, target) in [
        ("906", 90_006),
        ("910", 90_010),
        ("gfx90a", 90_010),
        ("940", 90_400),
        ("gfx942", 90_402),
        ("gfx1100", 110_000),
    ] {
        let gpu = format!("<gpu sm=\"1\" gcn=\"{gcn}\"/>");
        let told = told(2, &pci("", &gpu));
        let Holds::Amd(gpu) = &told.functions[0].holds else {
            panic!("{gcn}");
        };
        assert_eq!(gpu.target, target, "{gcn}");
    }
    for gcn in ["", "9", "941", "gfx", "gfx9\u{e4}0", "gfx12345", "gfx9zz"] {
        let gpu = format!("<gpu sm=\"1\" gcn=\"{gcn}\"/>");
        let error = refused(2, &pci("", &gpu));
        assert!(error.starts_with("line 4: <gpu> has gcn="), "{error}");
    }
}

#[test]
fn a_gpu_that_is_left_to_nccl_is_its_drivers_where_that_is_nvidias() {
    let holds = |attributes: &str| told(1, &pci(attributes, "")).functions[0].holds.clone();
    assert!(matches!(holds("vendor=\"0x10de\""), Holds::Nvidia(gpu) if gpu.compute.is_none()));
    assert_eq!(holds("vendor=\"0x1002\""), Holds::Nothing);
    let gpu = |gpu: &str| told(1, &pci("", gpu)).functions[0].holds.clone();
    let bare = gpu("<gpu dev=\"0\" rank=\"0\"/>");
    assert!(matches!(bare, Holds::Nvidia(gpu) if gpu.compute.is_none()));
    let known = gpu("<gpu sm=\"90\"/>");
    assert!(matches!(known, Holds::Nvidia(gpu) if gpu.compute == Some((9, 0))));
    let wrong = refused(1, &pci("", "<gpu sm=\"hopper\"/>"));
    assert_eq!(
        wrong,
        "line 4: <gpu> has sm=\"hopper\", which is no compute capability such as 90"
    );
    // A file with one GPU has them all.
    let other = "<pci busid=\"0000:02:00.0\" class=\"0x120000\"><gpu sm=\"80\"/></pci>";
    let both = told(1, &format!("{}{other}", pci("vendor=\"0x10de\"", "")));
    assert_eq!(both.functions[0].holds, Holds::Nothing);
}

#[test]
fn ports_of_one_device_are_told_from_devices() {
    let net = |name: &str, port: u32, gdr: u32| {
        format!("<net name=\"{name}\" speed=\"1000\" port=\"{port}\" gdr=\"{gdr}\"/>\n")
    };
    let nets = |nets: &[String]| pci("", &format!("<nic>\n{}</nic>", nets.concat()));
    let two = told(2, &nets(&[net("a", 2, 1), net("b", 5, 1), net("b", 7, 1)]));
    let Holds::Nets(found) = &two.functions[0].holds else {
        panic!("{two:?}");
    };
    let numbers = |at: usize| {
        found[at]
            .ports
            .iter()
            .map(|port| port.number)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (found.len(), numbers(0), numbers(1)),
        (2, vec![1], vec![1, 7])
    );
    let same = refused(2, &nets(&[net("a", 1, 1), net("a", 1, 1)]));
    assert_eq!(
        same,
        "line 6: <net> has name=\"a\", which is no name of another interface"
    );
    assert!(refused(2, &nets(&[net("a", 1, 0), net("a", 2, 0)])).starts_with("line 6: "));
}

#[test]
fn what_makes_no_sense_is_said_with_its_line() {
    let expected = [
        (
            pci("vendor=\"10de\"", ""),
            "line 3: <pci> has vendor=\"10de\", which is no PCI id such as 0x10de",
        ),
        (
            pci("device=\"0x12345\"", ""),
            "line 3: <pci> has device=\"0x12345\"",
        ),
        (
            pci("subsystem_vendor=\"0x1\"", ""),
            "line 3: <pci> has subsystem_device=\"\"",
        ),
        (
            pci("link_speed=\"fast\"", ""),
            "line 3: <pci> has link_speed=\"fast\"",
        ),
        (
            pci("link_width=\"256\"", ""),
            "line 3: <pci> has link_width=\"256\"",
        ),
        (
            pci("", AMD).replace("\"4\"", "\"256\""),
            "line 4: <xgmi> has count=\"256\"",
        ),
        (
            pci("", AMD).replace("0000:02", "10000:02"),
            "line 4: <xgmi> has target=\"10000:02:00.0\"",
        ),
        (
            pci("", "").replace("0000:01", "10000:01"),
            "line 3: <pci> has busid=",
        ),
        (
            pci("", AMD).replace("gdr=\"1\"", "gdr=\"2\""),
            "line 4: <gpu> has gdr=\"2\"",
        ),
        (
            pci("", &AMD.repeat(2)),
            "line 3: <pci> in <cpu>: it has more than one <gpu> and <nic>",
        ),
        (
            pci("", &format!("{AMD}{}", pci("", ""))),
            "line 3: <pci> in <cpu>: it is a device and a switch",
        ),
        (
            "<nic/>".to_owned(),
            "line 3: <nic> in <cpu>: there is no PCI device that shows it",
        ),
        ("<gpu/>".to_owned(), "line 3: <gpu> in <cpu>"),
        ("<net/>".to_owned(), "line 3: <net> in <cpu>"),
        (
            pci("", "<gpu><c2c bw=\"44712\" count=\"10\"/></gpu>").replace("<gpu>", GPU),
            "line 4: <c2c> in <gpu>: GPUs on one module",
        ),
        (
            pci("", "<pcilink target=\"0000:02:00.0\" bw=\"20\"/>"),
            "line 4: <pcilink> in <pci>: ways over PCIe",
        ),
    ];
    for (inner, begins) in expected {
        let error = refused(2, &inner);
        assert!(error.starts_with(begins), "{error}\n{begins}");
    }
}

#[test]
fn what_does_not_fit_together_is_said_with_its_line() {
    let other = AMD.replace("gdr=\"1\"", "gdr=\"0\"");
    let mixed = refused(2, &format!("{}{}", pci("", AMD), pci("", &other)));
    assert!(
        mixed.starts_with("line 6: gdr is not the same for all GPUs"),
        "{mixed}"
    );
    let no_cpu = describe("<system version=\"1\"><pci busid=\"1:0.0\"/></system>", "m");
    assert!(
        no_cpu
            .expect_err("no cpu")
            .to_string()
            .contains("is below no <cpu>")
    );
    let numa = text(1, "<pci busid=\"1:0.0\" class=\"0x1\"/>")
        .replace("numaid=\"1\"", "numaid=\"99999999999\"");
    assert!(
        describe(&numa, "m")
            .expect_err("no node")
            .to_string()
            .contains("NUMA node")
    );
}
