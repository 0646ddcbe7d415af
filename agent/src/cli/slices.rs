//! `kerf slices`: the slices of each GPU with a picture of its grid, and who has them.

mod shared;

use std::collections::BTreeMap;

use kerf_api::json::inventory::MigMode;
use kerf_api::json::{GpuProfiles, Profiles, Slice, Slices};
use kerf_api::v1;
use kerf_types::{Bytes, ProfileName};

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::{place, ranges};
use super::{Context, Exit, inventory};

/// Characters of one unit of a grid in the picture; one of them is the border to the next.
const UNIT_WIDTH: usize = 3;

/// `kerf slices`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Asks kerfd for the slices, and for people also for the grids that they lie on.
pub async fn run(_: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let answer = client.list_slices(soon(v1::ListSlicesRequest {})).await;
    let answer = answer.map_err(Failure::call("list the slices"))?;
    let slices = Slices::try_from(answer.get_ref())?;
    if context.print.is_table() {
        let grids = Profiles::from(&inventory::ask(&mut client, false).await?);
        context
            .print
            .styled(|style| render(&slices, &grids, style))?;
    } else {
        context.print.document(&slices, |_, _| String::new())?;
    }
    Ok(Exit::Done)
}

/// Each GPU in MIG mode with its picture and its slices; the others in one line.
pub fn render(slices: &Slices, grids: &Profiles, style: Style) -> String {
    let mut by_gpu: BTreeMap<&str, Vec<&Slice>> = BTreeMap::new();
    for slice in &slices.slices {
        by_gpu.entry(&slice.gpu_pci).or_default().push(slice);
    }
    for here in by_gpu.values_mut() {
        here.sort_by_key(|slice| (slice.placement.start, slice.compute.map(|part| part.start)));
    }
    let mut parts = Vec::new();
    let mut whole = Vec::new();
    for gpu in &grids.gpus {
        let here = by_gpu.remove(gpu.pci.as_str()).unwrap_or_default();
        let shared = slices.shared.iter().find(|shared| shared.pci == gpu.pci);
        if !here.is_empty() || gpu.mig_mode == MigMode::Enabled {
            parts.push(one_gpu(gpu, &here, style));
        } else if shared.is_none() {
            whole.push(gpu.index);
        }
        parts.extend(shared.map(|shared| shared::render(shared, style)));
    }
    // A GPU may be lost between the two answers; its slices are shown all the same.
    let homeless: Vec<&Slice> = by_gpu.into_values().flatten().collect();
    if !homeless.is_empty() {
        parts.push(table(&homeless).render(style, "  "));
    }
    if !whole.is_empty() {
        parts.push(format!("GPU {}: not cut\n", ranges(&whole)));
    }
    if parts.is_empty() {
        "no GPUs\n".to_owned()
    } else {
        parts.join("\n")
    }
}

fn one_gpu(gpu: &GpuProfiles, slices: &[&Slice], style: Style) -> String {
    let name = style.paint(Ink::Bold, format!("GPU {}", gpu.index));
    let picture = picture(units(gpu, slices), slices, style);
    let mut text = format!("{name}  {}  {}  {picture}\n", gpu.pci, gpu.name);
    if slices.is_empty() {
        text.push_str(&format!("  {}\n", style.paint(Ink::Dim, "no slices")));
        return text;
    }
    text + &table(slices).render(style, "  ")
}

/// Units of a GPU's grid: as far as any legal place reaches.
fn units(gpu: &GpuProfiles, slices: &[&Slice]) -> usize {
    let legal = gpu.profiles.iter().flat_map(|profile| &profile.placements);
    let taken = slices.iter().map(|slice| &slice.placement);
    let ends = legal
        .chain(taken)
        .map(|place| usize::from(place.start) + usize::from(place.size));
    ends.max().unwrap_or(0)
}

/// `│██│░░│··│··│`: each unit of the grid, a slice as one field, filled by its state.
fn picture(units: usize, slices: &[&Slice], style: Style) -> String {
    let width = units * UNIT_WIDTH + 1;
    let mut cells: Vec<(char, Ink)> = (0..width).map(|_| ('·', Ink::Dim)).collect();
    for at in (0..width).step_by(UNIT_WIDTH) {
        if let Some(cell) = cells.get_mut(at) {
            *cell = ('│', Ink::Dim);
        }
    }
    for slice in slices {
        let (start, end) = field(slice);
        let fill = (fill(&slice.state), Ink::of_state(&slice.state));
        for cell in cells.iter_mut().take(end).skip(start) {
            *cell = fill;
        }
    }
    cells
        .into_iter()
        .map(|(cell, ink)| style.paint(ink, cell))
        .collect()
}

/// The characters of a slice: between the borders of its units, and of these for a part its share.
fn field(slice: &Slice) -> (usize, usize) {
    let start = usize::from(slice.placement.start) * UNIT_WIDTH + 1;
    let width = usize::from(slice.placement.size) * UNIT_WIDTH - 1;
    let whole = slice.profile.parse::<ProfileName>();
    let whole = whole.map_or(0, |name| usize::from(name.slices));
    let share = |at: u8| (usize::from(at) * width).checked_div(whole);
    let part = slice.compute.and_then(|part| {
        let (from, to) = (share(part.start)?, share(part.start + part.size)?);
        Some((start + from, start + to.min(width)))
    });
    part.unwrap_or((start, start + width))
}

fn fill(state: &str) -> char {
    match state {
        "free" => '░',
        "reserved" => '▒',
        "leased" => '█',
        "draining" => '▓',
        _ => '×',
    }
}

fn table(slices: &[&Slice]) -> Table {
    let mut table = Table::new(&[
        "PROFILE",
        ">AT",
        "STATE",
        "ISOLATION",
        "HOLDER",
        ">MEMORY",
        ">SM",
        ">GI",
        ">CI",
        "UUID",
        "ID",
    ]);
    for slice in slices {
        let state = match &slice.reason {
            Some(reason) => format!("{} ({reason})", slice.state),
            None => slice.state.clone(),
        };
        table.push(vec![
            (&slice.profile).into(),
            place(slice.placement, slice.compute).into(),
            Cell::new(Ink::of_state(&slice.state), state),
            (&slice.isolation).into(),
            Cell::optional(slice.holder.as_ref()),
            Bytes(slice.memory_bytes).into(),
            slice.sm_count.into(),
            slice.gi.into(),
            Cell::optional(slice.ci),
            Cell::optional(slice.uuid.as_ref()),
            Cell::new(Ink::Dim, &slice.id),
        ]);
    }
    table
}
