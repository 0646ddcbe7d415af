//! What is taken up of a kept layout, also where a part of it does not read.

use kerf_types::PciAddress;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};

use super::{KEPT, Kept, KeptLayout, OWED, Unread, layout_text};

fn pci(bus: u8) -> PciAddress {
    format!("0000:{bus:02x}:00.0").parse().expect("an address")
}

fn text(buses: &[u8]) -> String {
    let rule = |bus: &u8| LayoutRule {
        gpus: vec![GpuSelector::Pci(pci(*bus))],
        ..LayoutRule::default()
    };
    let rules = buses.iter().map(rule).collect();
    layout_text(&Layout { rules }).expect("it encodes")
}

fn row(layout: &str, owed: &str) -> KeptLayout {
    KeptLayout {
        layout: layout.to_owned(),
        owed: owed.to_owned(),
        unread: Unread::default(),
        allow_reset: false,
        boot_id: "one".to_owned(),
        unmet: vec![pci(2).to_string()],
    }
}

fn read(row: &KeptLayout, boot: &str) -> (Kept, Vec<&'static str>) {
    let (kept, damage) = Kept::read(row.clone(), boot.to_owned());
    let names = damage.into_iter().map(|(what, _)| what);
    (kept, names.collect())
}

#[test]
fn what_is_written_down_is_what_is_read() {
    let row = row(&text(&[1, 2]), &text(&[]));
    let (kept, damage) = read(&row, "one");
    assert!(damage.is_empty() && kept.unmet().eq([pci(2)]));
    assert_eq!(kept.row().expect("it encodes"), row);
    let (kept, _) = read(&row, "two");
    assert!(kept.unmet().eq([pci(1), pci(2)]));
}

#[test]
fn a_part_that_does_not_read_takes_nothing_of_the_other_and_is_written_back() {
    let (kept, damage) = read(&row(&text(&[1]), "{owed"), "two");
    assert_eq!(damage, [OWED]);
    assert!(kept.unmet().eq([pci(1)]));
    let (kept, damage) = read(&row("{kept", &text(&[3])), "one");
    assert_eq!(damage, [KEPT]);
    assert!(kept.unmet().eq([pci(3)]));
    let mut written = kept.row().expect("it encodes");
    assert_eq!(written.unread.layout, "{kept");
    let (again, damage) = read(&written, "one");
    assert_eq!(damage, [KEPT]);
    assert_eq!(again.row().expect("it encodes"), written);
    // A later kerfd reads it, and looks whether it is there.
    written.unread.layout = text(&[1]);
    let (late, damage) = read(&written, "one");
    assert!(damage.is_empty() && late.unmet().eq([pci(1), pci(3)]));
    assert_eq!(late.row().expect("it encodes").unread, Unread::default());
}
