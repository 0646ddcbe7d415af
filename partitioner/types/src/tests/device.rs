//! Names of devices, and which of them are never given together.

use crate::device::{DeviceKind, DeviceName, LeasedDevice};

fn device(kind: DeviceKind, name: &str, pci: Option<&str>) -> LeasedDevice {
    LeasedDevice {
        kind,
        name: name.parse().expect("a name"),
        pci: pci.map(|pci| pci.parse().expect("an address")),
        board: None,
    }
}

#[test]
fn words_lead_back_to_their_kind() {
    for kind in DeviceKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    let error = "amd".parse::<DeviceKind>().expect_err("no kind");
    assert!(error.to_string().contains("a kind of device"), "{error}");
}

#[test]
fn names_are_names_of_cdi() {
    let good = ["0000:c1:00.0", "0000:c1:00.0-renderD129", "neuron3", "7"];
    for name in good {
        assert!(name.parse::<DeviceName>().is_ok(), "{name}");
    }
    let long = "a".repeat(65);
    let bad = ["", "-a", "a-", "a/b", "a b", "a\nb", "ä", &long];
    for name in bad {
        assert!(name.parse::<DeviceName>().is_err(), "{name}");
    }
}

#[test]
fn a_board_and_its_parts_are_never_given_together() {
    use DeviceKind::{AmdGpu, AmdPartition};
    let (here, there) = (Some("0000:c1:00.0"), Some("0000:c2:00.0"));
    let whole = device(AmdGpu, "0000:c1:00.0", here);
    let part = device(AmdPartition, "0000:c1:00.0-renderD129", here);
    let sibling = device(AmdPartition, "0000:c1:00.0-renderD130", here);
    let other = device(AmdGpu, "0000:c2:00.0", there);
    let table = [
        (&whole, &whole, true),
        (&whole, &part, true),
        (&part, &part, true),
        (&part, &sibling, false),
        (&whole, &other, false),
        (&part, &other, false),
    ];
    for (one, next, expected) in table {
        assert_eq!(one.conflicts(next), expected, "{one} {next}");
        assert_eq!(next.conflicts(one), expected, "{next} {one}");
    }
    // An interface is nobody's own.
    let nic = device(DeviceKind::Nic, "mlx5_0", here);
    assert!(!nic.conflicts(&nic) && !nic.conflicts(&whole) && !whole.conflicts(&nic));
    assert_eq!((nic.accelerator(), whole.accelerator()), (None, whole.pci));
    assert_eq!(DeviceKind::from_ask("nic"), None);
    // Two devices without a function are told apart by their names alone.
    let without = |name| device(AmdGpu, name, None);
    assert!(!without("a").conflicts(&without("b")));
    assert!(without("a").conflicts(&without("a")));
}
