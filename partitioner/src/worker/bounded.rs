//! Holds what a tree says to the bounds of the wire, so that one text without end does not take the rest of a host's
//! facts with it: it is cut, or the list is, and an oddity says so.

use kerf_api::convert::{ACCELERATOR_LIMIT, FUNCTION_LIMIT, NAME_LIMIT, NIC_LIMIT};
use kerf_types::HostMap;
use kerf_types::inventory::Nic;
use kerf_types::map::AcceleratorHealth;

use crate::sysfs::Reader;

/// Cuts what is too long.
pub fn bound(reader: &Reader<'_>, map: &mut HostMap, nics: &mut Vec<Nic>) {
    list(reader, "sys/bus/pci/devices", &mut map.pci, FUNCTION_LIMIT);
    list(reader, "sys/class", &mut map.devices, FUNCTION_LIMIT);
    list(reader, "sys/class/nvme", &mut map.nvme, FUNCTION_LIMIT);
    list(reader, "sys/class/net", nics, NIC_LIMIT);
    let accelerators = &mut map.accelerators;
    list(
        reader,
        "sys/bus/pci/devices",
        accelerators,
        ACCELERATOR_LIMIT,
    );
    for text in texts(map).into_iter().chain(of_nics(nics)) {
        if text.len() > NAME_LIMIT {
            let shown: String = text.chars().take(40).collect();
            reader.odd::<()>("sys", format_args!("a name without end: {shown:?}"));
            // At most four bytes a character.
            *text = text.chars().take(NAME_LIMIT / 4).collect();
        }
    }
}

fn list<T>(reader: &Reader<'_>, path: &str, all: &mut Vec<T>, limit: usize) {
    if all.len() > limit {
        reader.odd::<()>(path, format_args!("has more than {limit} entries"));
        all.truncate(limit);
    }
}

fn of_nics(nics: &mut [Nic]) -> Vec<&mut String> {
    let mut texts = Vec::new();
    for nic in nics {
        texts.extend([&mut nic.name, &mut nic.link_layer]);
        texts.extend(&mut nic.netdevs);
        let ports = nic.ports.iter_mut();
        texts.extend(ports.flat_map(|port| [&mut port.link_layer, &mut port.state]));
    }
    texts
}

/// Every name in a map: what the wire takes up to [`NAME_LIMIT`].
fn texts(map: &mut HostMap) -> Vec<&mut String> {
    let cpus = &mut map.cpus;
    let mut texts: Vec<&mut String> = Vec::new();
    texts.extend(
        [&mut cpus.architecture, &mut cpus.model, &mut cpus.vendor]
            .into_iter()
            .flatten(),
    );
    texts.extend(cpus.kinds.iter_mut().map(|kind| &mut kind.name));
    for function in &mut map.pci {
        texts.push(&mut function.host_bridge);
        texts.extend(&mut function.driver);
    }
    texts.extend(map.devices.iter_mut().map(|device| &mut device.name));
    for nvme in &mut map.nvme {
        texts.push(&mut nvme.name);
        let words = [
            &mut nvme.transport,
            &mut nvme.model,
            &mut nvme.serial,
            &mut nvme.firmware,
            &mut nvme.state,
        ];
        texts.extend(words.into_iter().flatten());
        texts.extend(nvme.namespaces.iter_mut().map(|one| &mut one.name));
    }
    for one in &mut map.accelerators {
        texts.extend([&mut one.id, &mut one.model]);
        let words = [
            &mut one.architecture,
            &mut one.serial,
            &mut one.unique_id,
            &mut one.driver,
        ];
        texts.extend(words.into_iter().flatten());
        texts.extend(&mut one.nodes);
        if let AcceleratorHealth::Failed(word) = &mut one.health {
            texts.push(word);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use kerf_types::map::PciFunction;

    use super::*;
    use crate::sysfs::Root;

    #[test]
    fn one_text_without_end_does_not_take_the_rest_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::open(folder.path()).expect("a root");
        let reader = Reader::new(&root);
        let at = "0000:16:00.0".parse().expect("an address");
        let mut function = PciFunction::at(at, String::new());
        function.driver = Some("d".repeat(3_000));
        let mut map = HostMap {
            pci: vec![function],
            ..HostMap::default()
        };
        let nic = Nic {
            name: "é".repeat(200),
            ..Nic::default()
        };
        let mut nics = vec![nic; NIC_LIMIT + 1];
        bound(&reader, &mut map, &mut nics);
        let driver = map.pci[0].driver.as_ref().expect("its beginning");
        assert_eq!((driver.len(), nics.len()), (NAME_LIMIT / 4, NIC_LIMIT));
        assert!(nics.iter().all(|nic| nic.name.len() <= NAME_LIMIT));
        map.oddities = reader.into_oddities();
        assert_eq!(map.oddities.len(), 3, "{:?}", map.oddities);
        let message = kerf_api::v1::HostMap::from(&map);
        assert_eq!(HostMap::try_from(message), Ok(map));
    }
}
