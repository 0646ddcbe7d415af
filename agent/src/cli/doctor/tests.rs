//! Hosts with one fault each, and what is said of it.

use std::sync::Arc;

use kerf_api::json::{Doctor, Finding, Severity};
use kerf_types::fabric::{C2cLink, Fabric, FabricHealth, FabricState};
use kerf_types::inventory::{Gpu, Health, Inventory, Nic, Rate};
use kerf_types::map::{
    Accelerator, AcceleratorHealth, Acs, LinkSpeed, Oddity, PciFunction, PciLink, Vendor,
};
use kerf_types::{HostMap, Timestamp};

use super::look::findings;
use super::render;
use crate::cli::style::Style;
use crate::host::fixture;

const GPU: &str = "0000:16:00.0";
const PORT: &str = "0000:15:01.0";

/// An accelerator below a bridge; `change` makes it sick.
fn host(change: impl FnOnce(&mut Inventory, &mut HostMap)) -> Inventory {
    let at = |text: &str| text.parse().expect(text);
    let mut port = PciFunction::at(at(PORT), format!("/sys/devices/pci0000:15/{PORT}"));
    let mut gpu = PciFunction::at(at(GPU), format!("{}/{GPU}", port.path));
    let link = PciLink {
        speed: Some(LinkSpeed(2_500)),
        width: Some(16),
        max_speed: Some(LinkSpeed(32_000)),
        max_width: Some(16),
        is_old_spelling: false,
    };
    (gpu.link, port.link) = (Some(link), Some(link));
    gpu.parent = Some(port.address);
    let mut map = HostMap {
        accelerators: vec![Accelerator::at(gpu.address, Vendor::Amd)],
        pci: vec![port, gpu],
        ..HostMap::default()
    };
    let mut inventory = Inventory::default();
    change(&mut inventory, &mut map);
    inventory.map = Arc::new(map);
    inventory
}

fn check(change: impl FnOnce(&mut Inventory, &mut HostMap), expected: &[(Severity, &str, &str)]) {
    let found = findings(&host(change), &[]);
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.severity, one.what.as_str(), one.why.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_idle_device_that_has_lowered_its_speed_is_well() {
    check(|_, _| {}, &[]);
}

#[test]
fn a_narrow_link_is_told_unless_the_port_has_no_more() {
    let why = "its PCIe link has 8 lanes, and both ends have 16";
    let lanes = |map: &mut HostMap, at: usize, now: u32, most: u32| {
        let link = map.pci[at].link.as_mut().expect("a link");
        (link.width, link.max_width) = (Some(now), Some(most));
    };
    check(
        |_, map| lanes(map, 1, 8, 16),
        &[(Severity::Warning, GPU, why)],
    );
    check(
        |_, map| {
            lanes(map, 1, 8, 16);
            lanes(map, 0, 8, 8);
        },
        &[],
    );
}

#[test]
fn a_sick_accelerator_is_an_error() {
    check(
        |_, map| {
            map.accelerators[0].health = AcceleratorHealth::Failed("in reset".to_owned());
            map.accelerators[0].model = "Gaudi".to_owned();
        },
        &[(Severity::Error, GPU, "Gaudi is not well: in reset")],
    );
}

/// A GPU of NVML's, in the fabric that `mask` tells of.
fn in_fabric(state: FabricState, mask: u32) -> Gpu {
    Gpu {
        pci: GPU.parse().expect("an address"),
        fabric: Some(Fabric {
            state,
            status: (state == FabricState::Completed).then_some(0),
            cluster: None,
            clique: None,
            health: Some(FabricHealth {
                mask,
                summary: None,
            }),
        }),
        ..fixture::gpu(0)
    }
}

#[test]
fn a_gpu_outside_of_its_fabric_or_sick_in_it_is_told() {
    let with = |state, mask| {
        move |host: &mut Inventory, _: &mut HostMap| host.gpus = vec![in_fabric(state, mask)]
    };
    check(with(FabricState::Completed, 0x1aa), &[]);
    check(with(FabricState::NotSupported, 0), &[]);
    let why = "NVLink fabric: its bandwidth is degraded";
    check(
        with(FabricState::Completed, 0x1a9),
        &[(Severity::Warning, GPU, why)],
    );
    let why = "NVLink fabric: joining it has not started";
    check(
        with(FabricState::NotStarted, 0),
        &[(Severity::Error, GPU, why)],
    );
    // What a lost GPU said last counts no more.
    check(
        |host, _| {
            let lost = Health::Lost {
                since: Timestamp(1),
            };
            let gpu = in_fabric(FabricState::NotStarted, 0);
            host.gpus = vec![Gpu {
                health: lost,
                ..gpu
            }];
        },
        &[],
    );
}

#[test]
fn links_to_the_processor_that_are_down_are_told() {
    let link = |link, active| C2cLink {
        link,
        active,
        mbps: None,
    };
    check(
        |host, _| {
            host.gpus = vec![in_fabric(FabricState::Completed, 0)];
            host.gpus[0].c2c = vec![link(0, Some(true)), link(1, Some(false)), link(2, None)];
        },
        &[(Severity::Warning, GPU, "NVLink-C2C links 1 of 3 are down")],
    );
}

#[test]
fn what_kerfd_tells_of_an_accelerator_is_not_told_again() {
    let sick = host(|_, map| {
        map.accelerators[0].health = AcceleratorHealth::Failed("lost".to_owned());
    });
    let told = |what: String| Finding {
        severity: Severity::Error,
        what,
        why: "the driver has lost it".to_owned(),
        hint: String::new(),
    };
    assert_eq!(findings(&sick, &[told(format!("gpu 0 ({GPU})"))]), []);
    let other = told("gpu 1 (0000:17:00.0)".to_owned());
    assert_eq!(findings(&sick, &[other]).len(), 1);
}

#[test]
fn a_machine_that_shows_no_bus_is_not_well() {
    check(
        |_, map| (map.pci, map.accelerators) = (Vec::new(), Vec::new()),
        &[(
            Severity::Error,
            "/sys/bus/pci",
            "the kernel shows no PCI functions, so that no accelerator can be found",
        )],
    );
}

#[test]
fn several_interfaces_of_one_function_have_one_narrow_link() {
    let why = "its PCIe link has 8 lanes, and both ends have 16";
    check(
        |host, map| {
            map.pci[1].link.as_mut().expect("a link").width = Some(8);
            for name in ["eth0", "eth1"] {
                host.nics.push(Nic {
                    name: name.to_owned(),
                    pci: Some(map.pci[1].address),
                    ..Nic::default()
                });
            }
        },
        &[(Severity::Warning, GPU, why)],
    );
}

/// Two functions, each of which lies below the other in one of two places: parents by address alone lead in a circle.
#[test]
fn bridges_that_lie_below_each_other_end() {
    let why = "its access control sends what accelerators and interfaces below it say to each other through the root complex";
    check(
        |_, map| {
            let mut port = map.pci[1].clone();
            port.path = format!("/sys/devices/pci0000:15/{GPU}");
            map.pci[0].path = format!("{}/{PORT}", port.path);
            map.pci[0].parent = Some(port.address);
            map.pci.push(port);
            map.pci[0].acs = Some(Acs {
                capable: 0x7f,
                enabled: 1 << 2,
            });
            map.pci[1].path = format!("{}/{GPU}", map.pci[0].path);
        },
        &[(Severity::Warning, PORT, why)],
    );
}

#[test]
fn access_control_above_an_accelerator_is_told_once() {
    let acs = |enabled| {
        Some(Acs {
            capable: 0x7f,
            enabled,
        })
    };
    let why = "its access control sends what accelerators and interfaces below it say to each other through the root complex";
    check(
        |_, map| map.pci[0].acs = acs(1 << 2),
        &[(Severity::Warning, PORT, why)],
    );
    check(|_, map| map.pci[0].acs = acs(1 << 0), &[]);
}

#[test]
fn what_the_kernel_wrote_oddly_and_what_is_down_is_told() {
    check(
        |host, map| {
            map.oddities.push(Oddity {
                path: "/sys/x".to_owned(),
                what: "is not text".to_owned(),
            });
            map.cpus.offline = "3".to_owned();
            host.nics.push(Nic {
                name: "mlx5_3".to_owned(),
                rate: Some(Rate(0)),
                ..Nic::default()
            });
        },
        &[
            (Severity::Note, "/sys/x", "is not text"),
            (Severity::Warning, "mlx5_3", "its first port is down"),
            (Severity::Note, "processors", "CPUs 3 are offline"),
        ],
    );
}

#[test]
fn notes_alone_are_well() {
    let with = |offline: &str| {
        let host = host(|_, map| map.cpus.offline = offline.to_owned());
        Doctor::new("h1".to_owned(), findings(&host, &[]))
    };
    assert!(with("3").ok);
    let plain = Style { color: false };
    assert_eq!(render(&with(""), plain), "h1  everything is well\n");
    let expected = "\
h1  1 finding

      ABOUT       WHY                 WHAT TO DO
note  processors  CPUs 3 are offline  none, where somebody took them away on purpose
";
    assert_eq!(render(&with("3"), plain), expected);
}
