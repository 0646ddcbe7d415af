//! A real H100's own words beside the simulated one: what differs is what the simulator does not model.

use std::collections::BTreeMap;

use crate::capture::Capture;
use crate::fake::Fake;
use crate::texts;
use crate::world::{Slice, World, run};

/// Addresses in the captures.
const PCI: &str = "00000000:00:09.0";
const NIL: &str = "GPU-00000000-0000-0000-0000-000000000000";
const SERIAL: &str = "0000000000000";

/// The captured answers with this machine's identity, which the captures have masked.
fn answers(capture: &Capture, world: &World) -> Fake {
    let mut fake = texts::of(world);
    let own = fake.facts[0].clone();
    let identified = |text: &str| {
        text.replace(PCI, &own["pci.bus_id"])
            .replace(NIL, &own["uuid"])
            .replace(&format!(": {SERIAL}\n"), &format!(": {}\n", own["serial"]))
    };
    let csv = capture.text("idle", "--query-gpu");
    let [header, line] = csv.lines().collect::<Vec<_>>()[..] else {
        panic!("{csv}")
    };
    let units = [" MiB", " W", " MHz", " %", " us"];
    let bare = |cell: &str| {
        let number = units.iter().find_map(|unit| cell.strip_suffix(unit));
        match number.unwrap_or(cell) {
            SERIAL => own["serial"].clone(),
            other => identified(other),
        }
    };
    let fields = header
        .split(", ")
        .map(|field| field.split_once(" [").map_or(field, |(name, _)| name));
    let facts: BTreeMap<String, String> = fields
        .map(str::to_owned)
        .zip(line.split(", ").map(bare))
        .collect();
    fake.facts = vec![facts];
    for (name, phase, command) in [
        ("q", "idle", "-q"),
        ("version", "capabilities", "--version"),
        ("topo", "capabilities", "topo -m"),
        ("nvlink", "capabilities", "nvlink -s"),
    ] {
        let text = identified(&capture.text(phase, command));
        fake.texts.insert(name, (text, 0));
    }
    fake
}

#[test]
fn a_whole_gpu() {
    let Some(capture) = Capture::open("h100-80gb-hbm3-590.48.01.txt") else {
        return;
    };
    let world = World::new("h100x1");
    let program = answers(&capture, &world).install(&world);
    let program = program.join("nvidia-smi");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(program));
    // The captured GPU sits on a board with switches, passed through alone; it has seen replays.
    let expected = ["GPU0 pcie replays", "GPU0 nvlinks up"];
    assert_eq!(ran.different(), expected, "{}{}", ran.out, ran.errors);
}

#[test]
fn a_gpu_in_slices() {
    let Some(capture) = Capture::open("h100-mig-590.48.01.txt") else {
        return;
    };
    let world = World::new("h100x1");
    let slice = |profile, place, compute| Slice {
        profile,
        place,
        compute,
    };
    world.cut(&[
        slice(9, (4, 4), &[2]),
        slice(14, (0, 2), &[1]),
        slice(19, (2, 1), &[0]),
        slice(19, (3, 1), &[0]),
    ]);
    let program = answers(&capture, &world).install(&world);
    let program = program.join("nvidia-smi");
    let ran = run(world.gpu_check().arg("--nvidia-smi").arg(program));
    let expected = ["GPU0 pcie replays"];
    assert_eq!(ran.different(), expected, "{}{}", ran.out, ran.errors);
}
