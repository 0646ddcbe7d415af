//! Shared devices: how many places are given, to whom, and what such a place is worth.

use kerf_api::json::{SharedDevice, SharedGpu};
use kerf_types::SharingMode;

use crate::cli::style::{Ink, Style};
use crate::cli::table::{Cell, Table};

/// One GPU with its shared devices.
pub fn render(gpu: &SharedGpu, style: Style) -> String {
    let name = style.paint(Ink::Bold, format!("GPU {}", gpu.index));
    let mut text = format!("{name}  {}  shared: {}\n", gpu.pci, gpu.sharing);
    let meaning = gpu.isolation.parse::<SharingMode>();
    let meaning = meaning.map_or("", |mode| mode.isolation().meaning());
    let worth = format!("isolation {}: {meaning}", gpu.isolation);
    text.push_str(&format!("  {}\n", style.paint(Ink::Dim, worth)));
    let mut table = Table::new(&[
        "DEVICE", ">TAKEN", "STATE", ">DAEMON", ">CLIENTS", "SERVER", "HOLDERS", "UUID",
    ]);
    for device in &gpu.devices {
        table.push(row(gpu, device));
    }
    text + &table.render(style, "  ")
}

fn row(gpu: &SharedGpu, device: &SharedDevice) -> Vec<Cell> {
    let holders = device.taken.iter().map(|taken| taken.holder.as_str());
    let holders: Vec<&str> = holders.collect();
    let ink = match device.state.as_str() {
        "ready" => Ink::Green,
        _ => Ink::Yellow,
    };
    vec![
        device.slice.as_deref().unwrap_or("whole GPU").into(),
        format!("{}/{}", device.taken.len(), gpu.sharing.places()).into(),
        Cell::new(ink, &device.state),
        Cell::optional(device.daemon_pid),
        Cell::optional(device.clients.as_ref().map(Vec::len)),
        Cell::optional(device.server.as_deref()),
        Cell::optional(Some(holders.join(", ")).filter(|text| !text.is_empty())),
        Cell::new(Ink::Dim, &device.uuid),
    ]
}
