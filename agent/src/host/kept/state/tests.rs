//! What is taken up of a kept layout, also where a part of it does not read.

use kerf_types::PciAddress;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};

use super::{Kept, KeptLayout, UnreadPart, UnreadText, layout_text};

fn pci(bus: u8) -> PciAddress {
    format!("0000:{bus:02x}:00.0").parse().expect("an address")
}

fn rule(bus: u8) -> LayoutRule {
    LayoutRule {
        gpus: vec![GpuSelector::Pci(pci(bus))],
        ..LayoutRule::default()
    }
}

fn text(buses: &[u8]) -> String {
    let rules = buses.iter().map(|bus| rule(*bus)).collect();
    layout_text(&Layout { rules }).expect("it encodes")
}

fn row(layout: &str, owed: &str) -> KeptLayout {
    KeptLayout {
        layout: layout.to_owned(),
        owed: owed.to_owned(),
        unread: Vec::new(),
        allow_reset: false,
        boot_id: "one".to_owned(),
        unmet: vec![pci(2).to_string()],
    }
}

fn read(row: &KeptLayout, boot: &str) -> (Kept, Vec<UnreadPart>) {
    let (kept, damage) = Kept::read(row.clone(), boot.to_owned());
    let names = damage.into_iter().map(|(what, _)| what);
    (kept, names.collect())
}

#[test]
fn what_is_written_down_is_what_is_read() {
    let row = row(&text(&[1, 2]), &text(&[]));
    let (kept, damage) = read(&row, "one");
    assert!(damage.is_empty() && kept.open().eq([pci(2)]));
    assert_eq!(kept.row().expect("it encodes"), row);
    let (kept, _) = read(&row, "two");
    assert!(kept.open().eq([pci(1), pci(2)]));
}

#[test]
fn a_part_that_does_not_read_takes_nothing_of_the_other_and_is_written_back() {
    let (kept, damage) = read(&row(&text(&[1]), "{owed"), "two");
    assert_eq!(damage, [UnreadPart::Owed]);
    assert!(kept.open().eq([pci(1)]));
    let (kept, damage) = read(&row("{kept", &text(&[3])), "one");
    assert_eq!(damage, [UnreadPart::Layout]);
    assert!(kept.open().eq([pci(3)]));
    let mut written = kept.row().expect("it encodes");
    assert_eq!(written.unread, [unread(UnreadPart::Layout, "{kept", &[])]);
    let (again, damage) = read(&written, "one");
    assert_eq!(damage, [UnreadPart::Layout]);
    assert_eq!(again.row().expect("it encodes"), written);
    // A later kerfd reads it, and looks whether it is there.
    written.unread[0].text = text(&[1]);
    let (late, damage) = read(&written, "one");
    assert!(damage.is_empty() && late.open().eq([pci(1), pci(3)]));
    assert_eq!(late.row().expect("it encodes").unread, []);
}

fn unread(of: UnreadPart, text: &str, said: &[u8]) -> UnreadText {
    UnreadText {
        of,
        text: text.to_owned(),
        said: said.iter().map(|bus| pci(*bus).to_string()).collect(),
    }
}

#[test]
fn no_unread_text_takes_the_place_of_another() {
    let mut row = row("{newer", "");
    row.unread = vec![unread(UnreadPart::Layout, "{older", &[])];
    let (kept, _) = read(&row, "one");
    let texts: Vec<UnreadText> = ["{older", "{newer"]
        .map(|text| unread(UnreadPart::Layout, text, &[]))
        .into();
    assert_eq!(kept.row().expect("it encodes").unread, texts);
}

#[test]
fn a_text_that_does_not_read_stays_until_a_layout_was_applied_for_every_gpu() {
    let all = [pci(1), pci(2)].into();
    let (mut kept, _) = read(&row("{kept", ""), "one");
    assert!(kept.owe_unread("{owed").is_some());
    assert_eq!(kept.owe_unread("{owed"), None, "it is known");
    kept.say(pci(1), rule(1));
    kept.forget_what_was_said(&all);
    let mut written = kept.row().expect("it encodes");
    let left = [
        unread(UnreadPart::Layout, "{kept", &[1]),
        unread(UnreadPart::Owed, "{owed", &[1]),
    ];
    assert_eq!(written.unread, left);
    // What it turns out to say counts only where nothing was said since.
    written.unread[1].text = text(&[1, 2]);
    let (late, _) = read(&written, "one");
    assert!(late.owed.keys().eq([&pci(2)]) && late.rules.keys().eq([&pci(1)]));
    kept.say(pci(2), rule(2));
    kept.forget_what_was_said(&all);
    assert_eq!(kept.row().expect("it encodes").unread, []);
}

#[test]
fn a_row_that_did_not_read_as_a_whole_is_taken_by_who_can() {
    let whole = row(&text(&[1, 2]), &text(&[3]));
    let whole = serde_json::to_string(&whole).expect("it encodes");
    let mut later = row(&text(&[1]), "");
    later.unread = vec![unread(UnreadPart::Layout, &whole, &[1])];
    let (kept, damage) = read(&later, "one");
    assert!(damage.is_empty() && kept.rules.keys().eq([&pci(1), &pci(2)]));
    assert!(kept.owed.keys().eq([&pci(3)]) && kept.open().eq([pci(2), pci(3)]));
}

#[test]
fn a_gpu_for_which_nothing_is_kept_is_lost_until_the_next_boot() {
    let mut row = row("", "");
    row.unmet = vec![pci(7).to_string()];
    assert_eq!(read(&row, "one").0.lost(), [pci(7)]);
    assert_eq!(read(&row, "two").0.lost(), []);
}
