//! What happens to one AMD GPU: its modes before and after, and what waits for its driver.

use kerf_api::json::AmdPlan;

use crate::cli::style::{Ink, Style};
use crate::cli::table::{Cell, Table};

/// The lines of one GPU.
pub fn amd_diff(gpu: &AmdPlan, style: Style) -> String {
    let name = style.paint(Ink::Bold, format!("AMD GPU {}", gpu.index));
    let later = &gpu.after_reload;
    let waits = later.compute.is_some() || later.memory.is_some();
    let mut text = format!("{name}  {}\n", gpu.pci);
    if gpu.steps.is_empty() && !waits && !gpu.differs() {
        text.push_str(&format!("  {}\n", style.paint(Ink::Dim, "nothing to do")));
        return text;
    }
    let mut table = Table::new(&["", "", "", ""]);
    let rows = [
        (
            "compute",
            &gpu.from.compute,
            &gpu.to.compute,
            &later.compute,
        ),
        ("memory", &gpu.from.memory, &gpu.to.memory, &later.memory),
    ];
    for (what, from, to, later) in rows {
        // What it will have counts, also where somebody else asked for that before.
        let end = later.as_ref().or(to.as_ref()).or(from.as_ref());
        let when = later
            .as_ref()
            .map_or("", |_| "when the driver is loaded anew");
        let mut push = |sign: &str, ink, mode: &Option<String>, when: &str| {
            if let Some(mode) = mode {
                table.push(vec![
                    Cell::new(ink, sign),
                    Cell::new(ink, what),
                    Cell::new(ink, mode.to_uppercase()),
                    Cell::new(Ink::Yellow, when),
                ]);
            }
        };
        if end == from.as_ref() {
            push("=", Ink::Plain, from, when);
        } else {
            push("-", Ink::Red, from, "");
            push("+", Ink::Green, &end.cloned(), when);
        }
    }
    text + &table.render(style, "  ")
}
