//! What is written of hosts that were put together by hand.

use std::sync::Arc;

use kerf_types::inventory::{Inventory, Nic, NicKind, NicPort, NumaNode, Rate};
use kerf_types::map::{
    Accelerator, Capability, CapabilityKey as Key, CapabilityValue as Value, End, HostMap, Link,
    LinkKind, LinkSpeed, PciFunction, PciLink, Provenance, Vendor,
};
use kerf_types::{Bytes, PciAddress};

use super::write;

fn at(address: &str) -> PciAddress {
    address.parse().expect(address)
}

/// A function at a path below `/sys/devices`, with ids, on node 1.
fn function(path: &str, class: u32, link: (u32, u32)) -> PciFunction {
    let (above, name) = path.rsplit_once('/').expect("a path");
    let mut function = PciFunction::at(at(name), format!("/sys/devices/{path}"));
    function.class = Some(class);
    function.vendor = Some(0x1002);
    function.device = Some(0x740c);
    function.subsystem = Some((0x1002, 0x0b0c));
    function.numa_node = Some(1);
    function.parent = above.rsplit('/').next().and_then(|name| name.parse().ok());
    function.link = Some(PciLink {
        max_speed: Some(LinkSpeed(link.0)),
        max_width: Some(link.1),
        is_old_spelling: true,
        ..PciLink::default()
    });
    function
}

fn gpu(address: &str, target: Option<&str>, dma: Option<Provenance>) -> Accelerator {
    let mut gpu = Accelerator::at(at(address), Vendor::Amd);
    gpu.architecture = target.map(str::to_owned);
    let mut tell = |key, value, provenance| {
        gpu.capabilities
            .insert(key, Capability { value, provenance });
    };
    tell(Key::ComputeUnits, Value::Count(104), Provenance::Kernel);
    if let Some(provenance) = dma {
        tell(Key::PeerDma, Value::Flag(true), provenance);
    }
    gpu
}

fn rdma(name: &str, address: &str, ports: &[u32]) -> Nic {
    let port = |(number, gbps): (u32, &u32)| NicPort {
        number,
        rate: Some(Rate(*gbps * 1_000)),
        ..NicPort::default()
    };
    Nic {
        name: name.to_owned(),
        pci: Some(at(address)),
        ports: (1..).zip(ports).map(port).collect(),
        ..Nic::default()
    }
}

const SWITCH: &str = "pci0000:00/0000:00:01.0/0000:10:00.0";

/// A switch with a GPU and a card of two functions, a GPU at a root port, and what is not written.
fn functions() -> Vec<PciFunction> {
    let below = |port: u32, name: &str| format!("{SWITCH}/0000:11:0{port}.0/{name}");
    let mut lonely = function("pci0000:00/0000:00:02.0/0000:20:00.0", 0x038000, (8_000, 8));
    (lonely.vendor, lonely.device, lonely.subsystem) = (None, None, None);
    lonely.numa_node = None;
    let mut part = function(&below(1, "0000:12:00.1"), 0x038000, (16_000, 16));
    part.physical_function = Some(at("0000:12:00.0"));
    vec![
        function("pci0000:00/0000:00:01.0", 0x060400, (16_000, 16)),
        function("pci0000:00/0000:00:02.0", 0x060400, (8_000, 16)),
        function("pci0000:00/0000:00:1f.0", 0x010802, (2_500, 1)),
        function(SWITCH, 0x060400, (16_000, 16)),
        function(&format!("{SWITCH}/0000:11:01.0"), 0x060400, (16_000, 8)),
        function(&format!("{SWITCH}/0000:11:02.0"), 0x060400, (32_000, 16)),
        function(&below(1, "0000:12:00.0"), 0x038000, (32_000, 16)),
        part,
        function(&below(2, "0000:13:00.0"), 0x020700, (2_500, 4)),
        function(&below(2, "0000:13:00.1"), 0x020700, (2_500, 4)),
        lonely,
    ]
}

/// The host that has them.
fn host() -> Inventory {
    let mut virtual_part = gpu("0000:12:00.1", Some("gfx90a"), None);
    let virtualised = Capability {
        value: Value::Flag(true),
        provenance: Provenance::Kernel,
    };
    virtual_part
        .capabilities
        .insert(Key::Virtualised, virtualised);
    let ends = ["0000:12:00.0", "0000:20:00.0"].map(|id| End::Accelerator(id.to_owned()));
    let [a, b] = ends;
    let map = HostMap {
        pci: functions(),
        accelerators: vec![
            gpu("0000:12:00.0", Some("gfx90a"), Some(Provenance::Kernel)),
            virtual_part,
            gpu("0000:20:00.0", Some("gfx942"), Some(Provenance::Published)),
        ],
        links: vec![
            Link {
                a: a.clone(),
                b: b.clone(),
                kind: LinkKind::Xgmi,
                count: 2,
                gbps: Some(100),
                ancestor: String::new(),
            },
            Link {
                a,
                b,
                kind: LinkKind::Phb,
                count: 1,
                gbps: None,
                ancestor: String::new(),
            },
        ],
        ..HostMap::default()
    };
    let node = |id, cpus: &str| NumaNode {
        id,
        cpus: Some(cpus.to_owned()),
        memory: Some(Bytes(1)),
        ..NumaNode::default()
    };
    Inventory {
        host: "h".to_owned(),
        driver: None,
        gpus: Vec::new(),
        amd: Vec::new(),
        numa_nodes: vec![node(0, "0-3"), node(1, "4-7")],
        nics: vec![
            rdma("mlx5_0", "0000:13:00.0", &[200]),
            rdma("mlx5_1", "0000:13:00.1", &[100, 40]),
            Nic {
                name: "ib0".to_owned(),
                kind: NicKind::Net,
                pci: Some(at("0000:13:00.0")),
                rate: Some(Rate(2_500)),
                ..Nic::default()
            },
        ],
        problems: Vec::new(),
        map: Arc::new(map),
    }
}

#[test]
fn a_host_is_written_as_rccl_would_find_it() {
    let expected = r#"<system version="2">
  <cpu numaid="0" affinity="0000000f">
    <pci busid="0000:20:00.0" class="0x038000" link_speed="8 GT/s" link_width="8">
      <gpu dev="1" sm="104" gcn="gfx942" arch="38911" rank="1">
        <xgmi target="0000:12:00.0" count="2" tclass="0x038000"/>
      </gpu>
    </pci>
  </cpu>
  <cpu numaid="1" affinity="000000f0">
    <pci busid="0000:10:00.0" class="0x060400" vendor="0x1002" device="0x740c" subsystem_vendor="0x1002" subsystem_device="0x0b0c" link_speed="16 GT/s" link_width="16">
      <pci busid="0000:12:00.0" class="0x038000" vendor="0x1002" device="0x740c" subsystem_vendor="0x1002" subsystem_device="0x0b0c" link_speed="16 GT/s" link_width="8">
        <gpu dev="0" sm="104" gcn="910" arch="38911" rank="0" gdr="1">
          <xgmi target="0000:20:00.0" count="2" tclass="0x038000"/>
        </gpu>
      </pci>
      <pci busid="0000:13:00.0" class="0x020700" vendor="0x1002" device="0x740c" subsystem_vendor="0x1002" subsystem_device="0x0b0c" link_speed="2.5 GT/s" link_width="4">
        <nic>
          <net name="mlx5_0" dev="0" speed="200000" port="1" gdr="1"/>
          <net name="mlx5_1" dev="1" speed="100000" port="1" gdr="1"/>
          <net name="mlx5_1" dev="2" speed="40000" port="2" gdr="1"/>
        </nic>
      </pci>
    </pci>
  </cpu>
</system>
"#;
    assert_eq!(write(&host(), None), expected);
}

#[test]
fn of_some_devices_the_others_are_not_told() {
    let only = [at("0000:12:00.0")].into_iter().collect();
    let text = write(&host(), Some(&only));
    let gpus: Vec<&str> = text.lines().filter(|line| line.contains("<gpu ")).collect();
    let [gpu] = gpus.as_slice() else {
        panic!("one GPU in {text}");
    };
    assert!(gpu.contains("\"910\""), "{text}");
    // The container counts for itself, and NCCL asks what reaches what when it starts.
    for counted in [" dev=", " rank=", " gdr=", " speed="] {
        assert!(!text.contains(counted), "{counted} in {text}");
    }
    // Every interface is there, and the switch above it; a link to what is not there names it still.
    assert!(
        text.contains("0000:10:00.0") && text.contains("mlx5_1"),
        "{text}"
    );
}

#[test]
fn devices_without_a_driver_are_told_by_their_class_alone() {
    let mut host = host();
    let map = Arc::make_mut(&mut host.map);
    for one in &mut map.accelerators {
        (one.vendor, one.architecture) = (None, None);
    }
    map.pci[6].class = Some(0x030200);
    host.nics.clear();
    let text = write(&host, None);
    assert!(text.starts_with("<system version=\"1\">"), "{text}");
    assert_eq!(text.matches("<gpu ").count(), 1, "{text}");
    assert_eq!(text.matches("<nic").count(), 0, "{text}");
    assert!(
        text.contains("0000:13:00.0") && !text.contains("0000:13:00.1"),
        "{text}"
    );
}

#[test]
fn of_two_functions_with_one_address_each_says_what_it_is() {
    let mut host = host();
    let map = Arc::make_mut(&mut host.map);
    // The bus lists the card, which has the address of the switch.
    let path = "pci0000:00/0000:00:03.0/0000:10:00.0";
    map.pci.insert(3, function(path, 0x020000, (8_000, 2)));
    let text = write(&host, None);
    let card = "<pci busid=\"0000:10:00.0\" class=\"0x020000\"";
    let switch = "<pci busid=\"0000:10:00.0\" class=\"0x060400\"";
    assert_eq!(
        (text.matches(card).count(), text.matches(switch).count()),
        (1, 1),
        "{text}"
    );
}

#[test]
fn what_the_kernel_does_not_say_is_no_attribute() {
    let mut host = host();
    host.numa_nodes[1].cpus = None;
    let text = write(&host, None);
    // NCCL reads the kernel's file then, where zeros would be no processors.
    assert!(text.contains("<cpu numaid=\"1\">"), "{text}");
    host.numa_nodes[1].cpus = Some(String::new());
    let text = write(&host, None);
    assert!(
        text.contains("<cpu numaid=\"1\" affinity=\"00000000\">"),
        "{text}"
    );
}

#[test]
fn a_name_stays_inside_its_attribute() {
    let mut host = host();
    host.nics[0].name = "a\"><b&\n".to_owned();
    let text = write(&host, None);
    assert!(text.contains("name=\"a&quot;>&lt;b&amp;?\""), "{text}");
}
