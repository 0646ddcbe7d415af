//! Network interfaces: those that do RDMA, from `/sys/class/infiniband`, then the plain ones of PCI functions, from
//! `/sys/class/net` (Documentation/ABI/stable/sysfs-class-infiniband, Documentation/ABI/testing/sysfs-class-net).
//!
//! Owns which of them are told, and in which order. Never asks for counters, and knows nothing of addresses.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::PciAddress;
use kerf_types::inventory::{Nic, NicKind, NicPort, NumaNode, Rate};
use kerf_types::map::pci::find;
use kerf_types::map::{DeviceClass, PciFunction};

use super::devices::{Entry, Place, entries, hardware};
use super::folder::hex;
use super::{Device, Folder, Reader, pci};

const RDMA: &str = "sys/class/infiniband";
const NET: &str = "sys/class/net";
/// GIDs of a port that are asked for their interface.
const GIDS: u32 = 4;

/// Every RDMA interface by name, then every other interface of a PCI function by name. A network interface of a
/// function that does RDMA is named by that, and not told again. A bond has no PCI function of its own.
pub fn nics(reader: &Reader<'_>, functions: &[PciFunction], nodes: &[NumaNode]) -> Vec<Nic> {
    let place = Place::new(reader, functions, nodes);
    let mut netdevs = netdevs(reader);
    let mut found = rdma(reader, &place);
    let mut devices: BTreeMap<PciAddress, u32> = BTreeMap::new();
    for pci in found.iter().filter_map(|nic| nic.pci) {
        *devices.entry(pci).or_default() += 1;
    }
    for nic in &mut found {
        let Some(pci) = nic.pci else { continue };
        let of_function = netdevs.get(&pci).map_or(&[][..], Vec::as_slice);
        let is_alone = devices.get(&pci) == Some(&1);
        nic.netdevs = if is_alone && of_function.len() < 2 {
            of_function.to_vec()
        } else {
            own_netdevs(reader, &nic.name, of_function)
        };
    }
    netdevs.retain(|address, _| !found.iter().any(|nic| nic.pci == Some(*address)));
    let plain = netdevs.into_iter();
    let plain = plain.flat_map(|(pci, names)| names.into_iter().map(move |name| (name, pci)));
    let mut plain: Vec<Nic> = plain
        .map(|(name, pci)| net(reader, functions, name, pci))
        .collect();
    plain.sort_by(|a, b| a.name.cmp(&b.name));
    found.append(&mut plain);
    found
}

fn rdma(reader: &Reader<'_>, place: &Place<'_, '_>) -> Vec<Nic> {
    let Some(class) = Folder::open(reader, RDMA.to_owned()) else {
        return Vec::new();
    };
    let names = reader.list(RDMA).into_iter();
    names
        .map(|name| {
            let path = hardware(reader, &class, &name).unwrap_or_default();
            let pci = pci::nearest(&path);
            let ports = ports(reader, &name);
            let first = ports.first().cloned().unwrap_or_default();
            Nic {
                kind: NicKind::Rdma,
                numa_node: place.numa_node(pci, &path),
                link_layer: first.link_layer,
                rate: first.rate,
                netdevs: Vec::new(),
                name,
                pci,
                ports,
            }
        })
        .collect()
}

/// Of the network interfaces of a function, those that carry an RDMA device: a function has several where it is cut
/// into sub-functions, or shows the other end of its virtual functions (`gid_attrs/ndevs`,
/// Documentation/ABI/stable/sysfs-class-infiniband). All of them where the device names none.
fn own_netdevs(reader: &Reader<'_>, device: &str, of_function: &[String]) -> Vec<String> {
    let mut own = BTreeSet::new();
    let ports = format!("{RDMA}/{device}/ports");
    for port in reader.numbered(&ports, "") {
        let folder = format!("{ports}/{port}/gid_attrs/ndevs");
        // The first ones are the port's own; those of its VLANs follow. An unused one cannot be read.
        for gid in 0..GIDS {
            own.extend(reader.text(&format!("{folder}/{gid}")));
        }
    }
    let named = of_function.iter().filter(|name| own.contains(*name));
    let named: Vec<String> = named.cloned().collect();
    if named.is_empty() {
        return of_function.to_vec();
    }
    named
}

fn ports(reader: &Reader<'_>, name: &str) -> Vec<NicPort> {
    let device = Device::new(reader, format!("{RDMA}/{name}"));
    let folder = format!("{RDMA}/{name}/ports");
    let numbers = reader.numbered(&folder, "");
    // A driver registers no RDMA device without a port (`ib_register_device`).
    if numbers.is_empty() {
        reader.odd::<()>(&folder, "names no port");
    }
    let numbers = numbers.into_iter();
    numbers.map(|number| port(&device, number)).collect()
}

/// For its state and rate the driver asks the interface (`ib_query_port`).
fn port(device: &Device<'_, '_>, number: u32) -> NicPort {
    let file = |name: &str| format!("ports/{number}/{name}");
    let link_layer = device.text(&file("link_layer")).unwrap_or_default();
    // `4: ACTIVE`
    let state = device.parsed(&file("state"), "a number and a state", |text| {
        let (_, state) = text.split_once(": ")?;
        Some(state.to_owned())
    });
    let rate = device.parsed(&file("rate"), "a rate in Gb/sec", rate);
    // A port that is down still shows the rate that it last had.
    let is_down = state.as_ref().is_some_and(|state| state != "ACTIVE");
    // The manager of an InfiniBand subnet gives none that is 0; Ethernet has no such manager.
    let lid: Option<u32> = device.parsed(&file("lid"), "a local id", hex);
    NicPort {
        number,
        rate: if is_down { Some(Rate(0)) } else { rate },
        lid: lid.filter(|lid| *lid != 0 && link_layer != "Ethernet"),
        state: state.unwrap_or_default(),
        link_layer,
    }
}

/// `400 Gb/sec (4X NDR)`; old links have half gigabits (`2.5 Gb/sec (1X SDR)`), told with one digit.
fn rate(text: &str) -> Option<Rate> {
    let number = text.split_once(" Gb/sec")?.0.trim();
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let tenths: u32 = tenths.parse().ok().filter(|tenths| *tenths < 10)?;
    let whole: u32 = whole.parse().ok()?;
    Some(Rate(whole.checked_mul(1_000)?.checked_add(tenths * 100)?))
}

/// Names of network interfaces by the PCI function that they are part of, each function's in order.
fn netdevs(reader: &Reader<'_>) -> BTreeMap<PciAddress, Vec<String>> {
    let mut by_function: BTreeMap<PciAddress, Vec<String>> = BTreeMap::new();
    for Entry { name, path } in entries(reader, DeviceClass::Net) {
        // What is plugged into a USB host controller is no part of that.
        let device = path
            .rsplit_once("/net/")
            .map_or(path.as_str(), |(device, _)| device);
        let is_usb = device.split('/').any(|part| part.starts_with("usb"));
        if let Some(pci) = pci::nearest(&path).filter(|_| !is_usb) {
            by_function.entry(pci).or_default().push(name);
        }
    }
    by_function
}

fn net(reader: &Reader<'_>, functions: &[PciFunction], name: String, pci: PciAddress) -> Nic {
    let device = Device::new(reader, format!("{NET}/{name}"));
    let number = |file| device.number::<i64>(file);
    // ARPHRD_ETHER and ARPHRD_INFINIBAND (include/uapi/linux/if_arp.h).
    let link_layer = match number("type") {
        Some(1) => "Ethernet",
        Some(32) => "InfiniBand",
        _ => "",
    };
    // Megabits a second; -1 where the driver does not know. One that is down says that, or does not answer.
    let rate = number("speed").and_then(|megabits| u32::try_from(megabits).ok());
    let state = device.text("operstate");
    let is_down = state.is_some_and(|state| state == "down");
    Nic {
        kind: NicKind::Net,
        numa_node: find(functions, pci).and_then(|function| function.numa_node),
        link_layer: link_layer.to_owned(),
        rate: if is_down {
            Some(Rate(0))
        } else {
            rate.map(Rate)
        },
        pci: Some(pci),
        ports: Vec::new(),
        netdevs: Vec::new(),
        name,
    }
}
