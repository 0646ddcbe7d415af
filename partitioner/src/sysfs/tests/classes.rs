//! Devices of the kernel's classes: what is hardware, what is a part or a view of it, and what hangs where.

use kerf_types::inventory::{Nic, NicKind, NicPort, Rate};
use kerf_types::map::{ClassDevice, Namespace, Nvme};

use super::machine::{machine, nodes};
use crate::sysfs::{Reader, Root, devices, nics, nvme, pci};

fn found(root: &Root) -> (Vec<ClassDevice>, Vec<Nvme>, Vec<Nic>) {
    found_but(root, &[])
}

/// What is found where this is odd.
fn found_but(root: &Root, expected: &[&str]) -> (Vec<ClassDevice>, Vec<Nvme>, Vec<Nic>) {
    let (reader, nodes) = (Reader::new(root), nodes());
    let functions = pci::functions(&reader, &nodes);
    let devices = devices::devices(&reader, &functions, &nodes);
    let nvme = nvme::controllers(&reader, &functions, &nodes);
    let nics = nics::nics(&reader, &functions, &nodes);
    let odd = reader.into_oddities().into_iter();
    let odd: Vec<String> = odd
        .map(|odd| format!("{}: {}", odd.path, odd.what))
        .collect();
    assert_eq!(odd, expected);
    (devices, nvme, nics)
}

/// A line for each: class, name, function, node.
fn words(devices: &[ClassDevice]) -> Vec<String> {
    let unknown = || "-".to_owned();
    let line = |device: &ClassDevice| {
        let pci = device.pci.map_or_else(unknown, |pci| pci.to_string());
        let node = device
            .numa_node
            .map_or_else(unknown, |node| node.to_string());
        format!("{} {} {pci} {node}", device.class.as_str(), device.name)
    };
    devices.iter().map(line).collect()
}

const DANGLING: &str =
    "/sys/class/dma/dma0chan0: leads to \"/sys/devices/gone\", which is not there";

const PARTS_AND_VIEWS: &str = r"
bus/pci/devices
  0000:00:02.0 -> devices/pci0000:00/0000:00:02.0
devices/pci0000:00/0000:00:02.0
  numa_node = 1
  drm/card1/dev = 226:1
  drm/card1/card1-DP-1/status = connected
  drm/renderD128/dev = 226:128
  accel/accel0/dev = 261:0
class/drm
  card1 -> devices/pci0000:00/0000:00:02.0/drm/card1
  card1-DP-1 -> devices/pci0000:00/0000:00:02.0/drm/card1/card1-DP-1
  renderD128 -> devices/pci0000:00/0000:00:02.0/drm/renderD128
  version = drm 1.1.0
class/accel
  accel0 -> devices/pci0000:00/0000:00:02.0/accel/accel0
devices/virtual
  block/dm-0/size = 8
  net/lo/type = 772
class/net
  lo -> devices/virtual/net/lo
  bonding_masters = bond0
devices/platform/disk.0
  numa_node = 0
  block/vda/vda1/partition = 1
class/block
  dm-0 -> devices/virtual/block/dm-0
  vda -> devices/platform/disk.0/block/vda
  vda1 -> devices/platform/disk.0/block/vda/vda1
devices/platform/hmem.0
  dax0.0/driver -> bus/dax/drivers/device_dax
  dax1.0/driver -> bus/dax/drivers/kmem
bus/dax/devices
  dax0.0 -> devices/platform/hmem.0/dax0.0
  dax1.0 -> devices/platform/hmem.0/dax1.0
class/mic
  ctrl -> devices/platform/hmem.0
class/ve
  ve0/device -> devices/pci0000:00/0000:00:02.0
class/dma
  dma0chan0 -> devices/gone
";

#[test]
fn hardware_is_told_from_parts_and_views() {
    let (_folder, root) = machine(PARTS_AND_VIEWS);
    let (devices, _, nics) = found_but(&root, &[DANGLING]);
    assert_eq!(
        words(&devices),
        [
            "accel accel0 0000:00:02.0 1",
            "block vda - 0",
            "dax dax0.0 - -",
            "drm card1 0000:00:02.0 1",
            "drm renderD128 0000:00:02.0 1",
            "ve ve0 0000:00:02.0 1",
        ]
    );
    assert_eq!(nics, Vec::new());
}

/// A controller with a disk that others could reach too, one without that, two that share a disk, and one over a
/// network.
const DISKS: &str = r"
bus/pci/devices
  0000:01:00.0 -> devices/pci0000:00/0000:00:01.0/0000:01:00.0
devices/pci0000:00/0000:00:01.0/0000:01:00.0
  numa_node = 1
devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0
  model = Fast Disk   \n
  serial = S1
  firmware_rev = 1.0
  state = live
  transport = pcie
  nvme0c0n1/size = 2048
  nvme0c0n1/hidden = 1
  nvme0n10/size = 8
  nvme0n2/irq = 1
  ng0n1/dev = 1:1
  hwmon0/name = nvme
devices/virtual/nvme-subsystem/nvme-subsys0
  nvme0n1/size = 2048
  nvme0 -> devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0
devices/virtual/nvme-subsystem/nvme-subsys1
  nvme1n1/size = 8
  nvme1 -> devices/pci0000:00/0000:00:01.0/0000:02:00.0/nvme/nvme1
  nvme2 -> devices/pci0000:00/0000:00:01.0/0000:03:00.0/nvme/nvme2
devices/pci0000:00/0000:00:01.0
  0000:02:00.0/nvme/nvme1/irq = 1
  0000:03:00.0/nvme/nvme2/irq = 1
devices/virtual/nvme-fabrics/ctl/nvme9
  transport = tcp
class/block
  nvme0n1 -> devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1
  nvme0c0n1 -> devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0/nvme0c0n1
  nvme1n1 -> devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1
class/nvme
  nvme0 -> devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0
  nvme9 -> devices/virtual/nvme-fabrics/ctl/nvme9
";

#[test]
fn disks_of_several_paths_are_told_once() {
    let (_folder, root) = machine(DISKS);
    let (devices, nvme, _) = found(&root);
    assert_eq!(
        words(&devices),
        ["block nvme0n1 0000:01:00.0 1", "block nvme1n1 - -"]
    );
    let [disk, remote] = nvme.as_slice() else {
        panic!("{nvme:?}")
    };
    let known = |text: &str| Some(text.to_owned());
    let namespace = |name: &str, bytes| Namespace {
        name: name.to_owned(),
        bytes,
    };
    assert_eq!(
        *disk,
        Nvme {
            name: "nvme0".to_owned(),
            pci: "0000:01:00.0".parse().ok(),
            numa_node: Some(1),
            transport: known("pcie"),
            model: known("Fast Disk"),
            serial: known("S1"),
            firmware: known("1.0"),
            state: known("live"),
            namespaces: vec![
                namespace("nvme0n1", Some(1 << 20)),
                namespace("nvme0n2", None),
                namespace("nvme0n10", Some(4096)),
            ],
        }
    );
    assert_eq!(
        (
            remote.name.as_str(),
            remote.pci,
            remote.transport.as_deref()
        ),
        ("nvme9", None, Some("tcp"))
    );
}

/// A card of three ports and two network interfaces, two interfaces of a virtual machine, and one on USB.
const INTERFACES: &str = r"
devices/pci0000:00/0000:00:01.0/infiniband/mlx4_0/ports
  1/link_layer = InfiniBand
  1/state = 4: ACTIVE
  1/rate = 56 Gb/sec (4X FDR)
  1/lid = 0x3a4
  2/link_layer = Ethernet
  2/state = 1: DOWN
  2/rate = 40 Gb/sec (4X QDR)
  2/lid = 0x0
  10/link_layer = InfiniBand
  10/state = 2: INIT
  10/lid = 0x0
class/infiniband
  mlx4_0 -> devices/pci0000:00/0000:00:01.0/infiniband/mlx4_0
devices/pci0000:00/0000:00:01.0/net
  ib0/type = 32
  eth1/type = 1
bus/pci/devices
  0000:00:02.0 -> devices/pci0000:00/0000:00:02.0
devices/pci0000:00/0000:00:02.0
  numa_node = 1
  virtio0/net/usb0/type = 1
  virtio0/net/usb0/speed = 25000
  virtio0/net/down0/type = 1
  virtio0/net/down0/speed = -1
  virtio0/net/down0/operstate = down
devices/pci0000:00/0000:00:03.0/usb1/1-1/1-1:1.0/net
  enx0/type = 1
class/net
  ib0 -> devices/pci0000:00/0000:00:01.0/net/ib0
  eth1 -> devices/pci0000:00/0000:00:01.0/net/eth1
  usb0 -> devices/pci0000:00/0000:00:02.0/virtio0/net/usb0
  down0 -> devices/pci0000:00/0000:00:02.0/virtio0/net/down0
  enx0 -> devices/pci0000:00/0000:00:03.0/usb1/1-1/1-1:1.0/net/enx0
";

#[test]
fn interfaces_with_and_without_rdma() {
    let (_folder, root) = machine(INTERFACES);
    let (_, _, nics) = found(&root);
    let port = |number, link_layer: &str, state: &str, rate, lid| NicPort {
        number,
        link_layer: link_layer.to_owned(),
        state: state.to_owned(),
        rate: Some(Rate(rate)),
        lid,
    };
    let net = |name: &str, rate: Option<u32>| Nic {
        name: name.to_owned(),
        kind: NicKind::Net,
        pci: "0000:00:02.0".parse().ok(),
        numa_node: Some(1),
        link_layer: "Ethernet".to_owned(),
        rate: rate.map(Rate),
        ..Default::default()
    };
    assert_eq!(
        nics,
        [
            Nic {
                name: "mlx4_0".to_owned(),
                kind: NicKind::Rdma,
                pci: "0000:00:01.0".parse().ok(),
                numa_node: None,
                link_layer: "InfiniBand".to_owned(),
                rate: Some(Rate(56_000)),
                ports: vec![
                    port(1, "InfiniBand", "ACTIVE", 56_000, Some(0x3a4)),
                    port(2, "Ethernet", "DOWN", 0, None),
                    port(10, "InfiniBand", "INIT", 0, None),
                ],
                netdevs: vec!["eth1".to_owned(), "ib0".to_owned()],
            },
            net("down0", Some(0)),
            net("usb0", Some(25_000)),
        ]
    );
}

/// A card with a sub-function, and the other end of a virtual function beside its own interface.
const SHARED: &str = r"
devices/pci0000:00/0000:00:01.0
  infiniband/mlx5_0/ports/1/gid_attrs/ndevs/0 = eth0
  infiniband/mlx5_0/ports/1/gid_attrs/ndevs/1 = eth0.7
  mlx5_core.sf.2/infiniband/mlx5_1/ports/1/gid_attrs/ndevs/0 = eth1
  mlx5_core.sf.3/infiniband/mlx5_2/ports/1/gid_attrs/ndevs/0 = \n
  net/eth0/type = 1
  net/pf0vf0/type = 1
  mlx5_core.sf.2/net/eth1/type = 1
class/infiniband
  mlx5_0 -> devices/pci0000:00/0000:00:01.0/infiniband/mlx5_0
  mlx5_1 -> devices/pci0000:00/0000:00:01.0/mlx5_core.sf.2/infiniband/mlx5_1
  mlx5_2 -> devices/pci0000:00/0000:00:01.0/mlx5_core.sf.3/infiniband/mlx5_2
class/net
  eth0 -> devices/pci0000:00/0000:00:01.0/net/eth0
  pf0vf0 -> devices/pci0000:00/0000:00:01.0/net/pf0vf0
  eth1 -> devices/pci0000:00/0000:00:01.0/mlx5_core.sf.2/net/eth1
";

#[test]
fn interfaces_that_share_a_function_have_their_own_names() {
    let (_folder, root) = machine(SHARED);
    let (_, _, nics) = found(&root);
    let told: Vec<_> = nics
        .iter()
        .map(|nic| (nic.name.as_str(), nic.netdevs.join(" ")))
        .collect();
    let expected = [
        ("mlx5_0", "eth0"),
        ("mlx5_1", "eth1"),
        ("mlx5_2", "eth0 eth1 pf0vf0"),
    ];
    assert_eq!(
        told,
        expected.map(|(name, netdevs)| (name, netdevs.to_owned()))
    );
}

#[test]
fn an_rdma_device_without_a_port_is_told_and_odd() {
    let (_folder, root) = machine(
        r"
devices/pci0000:00/0000:00:02.0/infiniband/mlx5_0
  fw_ver = 28.1
class/infiniband
  mlx5_0 -> devices/pci0000:00/0000:00:02.0/infiniband/mlx5_0
  mlx5_1 -> devices/pci0000:00/0000:00:03.0/infiniband/mlx5_1
",
    );
    let reader = Reader::new(&root);
    let nics = nics::nics(&reader, &[], &nodes());
    let names: Vec<_> = nics.iter().map(|nic| nic.name.as_str()).collect();
    assert_eq!(names, ["mlx5_0", "mlx5_1"]);
    let odd: Vec<_> = reader.into_oddities();
    let odd: Vec<_> = odd
        .iter()
        .map(|odd| (odd.path.as_str(), odd.what.as_str()))
        .collect();
    let gone =
        "leads to \"/sys/devices/pci0000:00/0000:00:03.0/infiniband/mlx5_1\", which is not there";
    assert_eq!(
        odd,
        [
            ("/sys/class/infiniband/mlx5_0/ports", "names no port"),
            ("/sys/class/infiniband/mlx5_1", gone),
            ("/sys/class/infiniband/mlx5_1/ports", "names no port"),
        ]
    );
}
