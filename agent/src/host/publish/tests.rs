//! Which differences between two looks are worth placing anew for.

use kerf_types::map::{Accelerator, AcceleratorHealth, Vendor};
use kerf_types::{Bytes, ComputePartition, Inventory};

use super::{Arc, HostMap, nothing_yet, offers_same};
use crate::host::fixture::amd;

fn host() -> Inventory {
    let gpu = amd(0);
    let map = HostMap {
        accelerators: vec![Accelerator::at(gpu.pci, Vendor::Amd)],
        ..HostMap::default()
    };
    Inventory {
        amd: vec![gpu],
        map: Arc::new(map),
        ..nothing_yet("node")
    }
}

#[test]
fn a_host_offers_the_same_however_busy_it_is() {
    let offers = |change: fn(&mut Inventory, &mut HostMap)| {
        let mut after = host();
        let mut map = HostMap::clone(&after.map);
        change(&mut after, &mut map);
        after.map = Arc::new(map);
        offers_same(&host(), &after)
    };
    assert!(offers(|_, _| {}));
    assert!(offers(|host, _| host.amd[0].utilisation_percent = Some(97)));
    assert!(offers(|host, _| host.amd[0].memory_used = Some(Bytes(1))));
    assert!(offers(
        |_, map| map.accelerators[0].utilisation_percent = Some(97)
    ));
    assert!(offers(
        |_, map| map.accelerators[0].memory_used = Some(Bytes(1))
    ));
    assert!(!offers(
        |_, map| map.accelerators[0].health = AcceleratorHealth::Ok
    ));
    assert!(!offers(|_, map| map.accelerators.clear()));
    assert!(!offers(
        |host, _| host.amd[0].compute = Some(ComputePartition::Cpx)
    ));
    assert!(!offers(|host, _| host.amd[0].health =
        kerf_types::Health::Lost {
            since: kerf_types::Timestamp(1)
        }));
}
