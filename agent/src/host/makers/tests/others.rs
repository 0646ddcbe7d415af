//! Makers beside AMD, and the interfaces that go with any of them.

use std::sync::Arc;

use kerf_types::inventory::{Nic, NicKind};
use kerf_types::lease::Holder;
use kerf_types::map::{Accelerator, Vendor};
use kerf_types::{DeviceKind, LeasedDevice};

use crate::host::makers::offer::{Offer, env, offers};
use crate::host::{fixture, policy};

#[test]
fn interfaces_come_where_a_pattern_says_so() {
    let asks = |patterns: &[&str]| -> policy::Asks {
        let own = patterns.iter().map(|pattern| (*pattern).to_owned());
        [("ns".to_owned(), own.collect())].into()
    };
    let table = [
        (&["gpu:8"][..], "gpu:4,nic=pix", false),
        (&["gpu:8,nic=*"], "gpu:4,nic=pix", true),
        (&["gpu:8,nic=pix"], "gpu:4,nic=pix", true),
        (&["gpu:8,nic=pix"], "gpu:4,nic=node", false),
        (&["gpu:2,nic=*"], "gpu:4,nic=pix", false),
        (&["*"], "gpu:4,nic=pix", true),
        (&["gpu:8", "amd-gpu:8,nic=*"], "gpu:4,nic=pix", false),
        (&[], "gpu,nic=pix", false),
    ];
    for (patterns, ask, may) in table {
        assert_eq!(
            policy::may_have_nics(&asks(patterns), "ns", ask),
            may,
            "{patterns:?} {ask}"
        );
    }
    // A lease with one is taken up where such an ask may be made, and nowhere else.
    let mut lease = fixture::lease(Holder::User { uid: 0 }, Vec::new());
    let device = |kind, name: &str| LeasedDevice {
        kind,
        name: name.parse().expect("a name"),
        pci: None,
        board: None,
    };
    lease.devices = vec![
        device(DeviceKind::AmdGpu, "0000:20:00.0"),
        device(DeviceKind::Nic, "mlx5_0"),
    ];
    assert!(policy::may_have(&asks(&["amd-gpu,nic=*"]), "ns", &lease));
    assert!(!policy::may_have(&asks(&["amd-gpu"]), "ns", &lease));
    lease.devices.truncate(1);
    assert!(policy::may_have(&asks(&["amd-gpu"]), "ns", &lease));
}

/// An accelerator with these nodes, at this address if it has one.
fn accelerator(vendor: Vendor, id: &str, nodes: &[&str]) -> Accelerator {
    let pci = id.parse().ok();
    let place = "0000:00:00.0".parse().expect("an address");
    let mut one = Accelerator::at(pci.unwrap_or(place), vendor);
    one.pci = pci;
    id.clone_into(&mut one.id);
    one.nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    one
}

#[test]
fn each_maker_has_its_row() {
    let mut inventory = fixture::inventory(Vec::new());
    let map = Arc::make_mut(&mut inventory.map);
    map.accelerators = vec![
        accelerator(
            Vendor::Intel,
            "0000:03:00.0",
            &["/dev/dri/card0", "/dev/dri/renderD128"],
        ),
        // An FPGA, and a GPU that somebody drives by himself: no GPU that a program finds.
        accelerator(Vendor::Intel, "0000:04:00.0", &["/dev/dfl-fme.0"]),
        accelerator(Vendor::Intel, "0000:05:00.0", &["/dev/vfio/9"]),
        accelerator(Vendor::Habana, "0000:06:00.0", &["/dev/accel/accel0"]),
        accelerator(Vendor::Habana, "0000:07:00.0", &["/dev/hl1"]),
        accelerator(Vendor::Aws, "neuron3", &["/dev/neuron3"]),
        accelerator(Vendor::Google, "0000:08:00.0", &["/dev/accel0"]),
        accelerator(Vendor::Google, "0000:09:00.0", &["/dev/vfio/4"]),
        accelerator(Vendor::Google, "0000:0a:00.0", &["/dev/vfio/5"]),
        accelerator(Vendor::Google, "0000:0b:00.0", &["/dev/vfio/5"]),
        accelerator(Vendor::Nvidia, "0000:0c:00.0", &["/dev/nvidia0"]),
        accelerator(Vendor::Nec, "0000:0d:00.0", &["/dev/ve0"]),
    ];
    inventory.nics = vec![Nic {
        name: "hbl_0".to_owned(),
        kind: NicKind::Rdma,
        pci: "0000:06:00.0".parse().ok(),
        ..Nic::default()
    }];
    let table: Vec<String> = offers(&inventory, Vec::new())
        .iter()
        .map(|offer| {
            let nodes: Vec<&str> = offer.all_nodes().collect();
            let sick = offer.sick.as_deref().unwrap_or("well");
            let env: String = env(std::slice::from_ref(offer))
                .iter()
                .map(|entry| format!(" {entry}"))
                .collect();
            format!(
                "{}: {} {:?} {sick}{env}",
                offer.device,
                nodes.join(" "),
                offer.ports
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r#"
    intel-gpu 0000:03:00.0: /dev/dri/card0 /dev/dri/renderD128 [] well
    gaudi 0000:06:00.0: /dev/accel/accel0 /dev/accel/accel_controlD0 ["hbl_0"] well
    gaudi 0000:07:00.0: /dev/hl1 /dev/hl_controlD1 [] well
    neuron neuron3: /dev/neuron3 [] well
    tpu 0000:08:00.0: /dev/accel0 [] well TPU_CHIPS_PER_PROCESS_BOUNDS=1,1,1 TPU_PROCESS_BOUNDS=1,1,1
    tpu 0000:09:00.0: /dev/vfio/vfio /dev/vfio/4 [] well TPU_CHIPS_PER_PROCESS_BOUNDS=1,1,1 TPU_PROCESS_BOUNDS=1,1,1
    tpu 0000:0a:00.0: /dev/vfio/vfio /dev/vfio/5 [] /dev/vfio/5 opens another device as well TPU_CHIPS_PER_PROCESS_BOUNDS=1,1,1 TPU_PROCESS_BOUNDS=1,1,1
    tpu 0000:0b:00.0: /dev/vfio/vfio /dev/vfio/5 [] /dev/vfio/5 opens another device as well TPU_CHIPS_PER_PROCESS_BOUNDS=1,1,1 TPU_PROCESS_BOUNDS=1,1,1
    "#);
    let offers = offers(&inventory, Vec::new());
    let own = |kind| -> Vec<Offer> {
        let own = offers.iter().filter(|offer| offer.device.kind == kind);
        own.cloned().collect()
    };
    let tpus = own(DeviceKind::Tpu);
    assert_eq!(tpus.iter().filter(|one| one.is_vfio()).count(), 3);
    assert!(env(&tpus).iter().any(|entry| entry.ends_with("=2,2,1")));
    assert_eq!(env(&tpus[..3]), [""; 0]);
}
