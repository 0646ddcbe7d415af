//! How vGPUs look to people.

use std::time::Duration;

use kerf_api::json::{Vgpu, VgpuEntry, VgpuTypes, VgpuTypesOfGpu, Vgpus};

use crate::cli::style::{Ink, Style};
use crate::cli::table::{Cell, Table, row};

/// From when on it is told how old a look is: kerfd looks every five seconds.
const OLD: Duration = Duration::from_secs(30);

/// One table for each GPU that has types, one line for each that has none.
pub fn types(types: &VgpuTypes, style: Style) -> String {
    if types.gpus.is_empty() {
        return "no GPUs\n".to_owned();
    }
    let gpus: Vec<String> = types.gpus.iter().map(|gpu| of_gpu(gpu, style)).collect();
    aged(types.age_ms, style) + &gpus.join("\n")
}

fn of_gpu(gpu: &VgpuTypesOfGpu, style: Style) -> String {
    let functions = match (&gpu.sriov, &gpu.framework) {
        (Some(sriov), _) if sriov.functions > 0 => {
            format!("{} of {} functions", sriov.functions, sriov.most)
        }
        (Some(_), None) => "SR-IOV off".to_owned(),
        (_, Some(_)) => "on the GPU itself".to_owned(),
        (None, None) => "no vGPUs".to_owned(),
    };
    let framework = gpu.framework.as_deref().unwrap_or("-");
    let name = style.paint(Ink::Bold, format!("GPU {}", gpu.pci));
    let mut text = format!("{name}  {framework}  {functions}\n");
    if gpu.types.is_empty() && gpu.framework.is_some() {
        let none = "no type can be made: full, or MIG without a free GPU instance";
        text.push_str(&format!("  {}\n", style.paint(Ink::Dim, none)));
    }
    if !gpu.types.is_empty() {
        let mut table = Table::new(&[">TYPE", "NAME", ">AVAILABLE", "LIES IN"]);
        for kind in &gpu.types {
            let place = match kind.mig_backed {
                true => "GPU instance",
                false => "time slices",
            };
            table.push(row![kind.id, &kind.name, kind.available, place]);
        }
        text.push_str(&table.render(style, "  "));
    }
    for problem in &gpu.problems {
        text.push_str(&format!("  {}\n", style.paint(Ink::Yellow, problem)));
    }
    text
}

/// The list.
pub fn vgpus(vgpus: &Vgpus, style: Style) -> String {
    let aged = aged(vgpus.age_ms, style);
    if vgpus.vgpus.is_empty() {
        return aged + "no vGPUs\n";
    }
    let mut table = Table::new(&[
        "FUNCTION", "GPU", "TYPE", "UUID", ">GI", ">PLACE", "USED BY", "MADE BY", ">FENCE",
    ]);
    for vgpu in &vgpus.vgpus {
        let record = vgpu.made_by_kerf.as_ref();
        let maker = match record {
            None => Cell::new(Ink::Yellow, "foreign"),
            Some(record) if record.state == "made" => format!("uid {}", record.uid).into(),
            Some(record) => Cell::new(
                Ink::Yellow,
                format!("uid {} ({})", record.uid, record.state),
            ),
        };
        table.push(vec![
            (&vgpu.function).into(),
            (&vgpu.gpu).into(),
            kind(vgpu).into(),
            Cell::optional(vgpu.uuid.as_ref()),
            Cell::optional(vgpu.gpu_instance),
            Cell::optional(vgpu.placement),
            match (&vgpu.user, vgpus.users_known) {
                (None, false) => Cell::new(Ink::Dim, "unknown"),
                (user, _) => Cell::optional(user.as_ref()),
            },
            maker,
            Cell::optional(record.map(|record| record.fence)),
        ]);
    }
    aged + &table.render(style, "")
}

/// A line before what was looked at long ago: a driver may hang, or be closed for maintenance.
fn aged(age_ms: Option<u64>, style: Style) -> String {
    let text = match age_ms.map(Duration::from_millis) {
        None => "not looked at yet, see `kerf status`".to_owned(),
        Some(old) if old > OLD => format!("as of {} s ago, see `kerf status`", old.as_secs()),
        Some(_) => return String::new(),
    };
    format!("{}\n", style.paint(Ink::Yellow, text))
}

/// A new vGPU, and how it is given to a virtual machine.
pub fn made(vgpu: &Vgpu, style: Style) -> String {
    let entry = &vgpu.vgpu;
    let mut table = Table::new(&["", ""]);
    table.push(row!["function", &entry.function]);
    table.push(row!["GPU", &entry.gpu]);
    table.push(row!["type", kind(entry)]);
    if let Some(uuid) = &entry.uuid {
        table.push(row!["UUID", uuid]);
    }
    if let Some(record) = &entry.made_by_kerf {
        table.push(row!["fence", record.fence]);
    }
    table.push(row!["device", device(entry)]);
    table.render(style, "")
}

/// A vGPU that has ended.
pub fn gone(vgpu: &Vgpu, _: Style) -> String {
    let entry = &vgpu.vgpu;
    let name = entry.uuid.as_ref().unwrap_or(&entry.function);
    format!("{name} is free: {}\n", kind(entry))
}

/// What a virtual machine's configuration names.
fn device(vgpu: &VgpuEntry) -> String {
    match &vgpu.uuid {
        Some(uuid) => format!("/sys/bus/mdev/devices/{uuid}"),
        None => format!("/sys/bus/pci/devices/{}", vgpu.function),
    }
}

fn kind(vgpu: &VgpuEntry) -> String {
    match &vgpu.type_name {
        Some(name) => format!("{name} ({})", vgpu.type_id),
        None => vgpu.type_id.to_string(),
    }
}
