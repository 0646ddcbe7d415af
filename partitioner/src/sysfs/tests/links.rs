//! PCIe links of functions.

use kerf_types::map::LinkSpeed;
use kerf_types::map::pci::find;

use super::machine::{machine, nodes};
use crate::sysfs::links::parse_speed;
use crate::sysfs::{Reader, pci};

#[test]
fn speeds_are_read_in_every_spelling() {
    for (text, speed) in [
        ("2.5 GT/s", 2_500),
        ("2.5 GT/s PCIe", 2_500),
        ("8 GT/s", 8_000),
        ("8.0 GT/s PCIe", 8_000),
        ("64.0 GT/s PCIe", 64_000),
        ("0.125 GT/s", 125),
    ] {
        assert_eq!(parse_speed(text), Some(LinkSpeed(speed)), "{text}");
    }
    for wrong in [
        "",
        "8",
        "8 GB/s",
        " GT/s",
        "8. GT/s",
        "0 GT/s",
        "-8 GT/s",
        "8.0000 GT/s",
        "99999 GT/s",
    ] {
        assert_eq!(parse_speed(wrong), None, "{wrong}");
    }
}

const LINKS: &str = r"
bus/pci/devices
  0000:00:01.0 -> devices/pci0000:00/0000:00:01.0
  0000:00:02.0 -> devices/pci0000:00/0000:00:02.0
  0000:00:03.0 -> devices/pci0000:00/0000:00:03.0
devices/pci0000:00/0000:00:01.0
  current_link_speed = \n
  max_link_speed = 32.0 GT/s PCIe
  current_link_width = 8
devices/pci0000:00/0000:00:02.0
  power_state = D3cold
  current_link_speed = 32.0 GT/s PCIe
  max_link_speed = 32.0 GT/s PCIe
devices/pci0000:00/0000:00:03.0
  power_state = unknown
  current_link_speed = 8 GT/s
";

#[test]
fn a_link_is_told_as_far_as_it_is_known_and_of_a_function_that_sleeps_not_at_all() {
    let (_folder, root) = machine(LINKS);
    let functions = pci::functions(&Reader::new(&root), &nodes());
    let link = |address: &str| {
        let address = address.parse().expect("an address");
        let link = find(&functions, address)?.link?;
        Some((link.speed, link.width, link.max_speed))
    };
    let most = Some(LinkSpeed(32_000));
    assert_eq!(link("0000:00:01.0"), Some((None, Some(8), most)));
    assert_eq!(link("0000:00:02.0"), None);
    assert_eq!(
        link("0000:00:03.0"),
        Some((Some(LinkSpeed(8_000)), None, None))
    );
}
