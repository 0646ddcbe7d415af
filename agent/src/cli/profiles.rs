//! `kerf profiles`: into what the GPUs can be cut, once for each model.

use kerf_api::json::inventory::{Engines, MigMode, Profile};
use kerf_api::json::{GpuProfiles, Placement, Profiles};
use kerf_types::Bytes;

use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Table, row};
use super::words::ranges;
use super::{Context, Exit, inventory};

/// `kerf profiles`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Asks kerfd for the inventory and shows its profiles.
pub async fn run(_: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let found = inventory::ask(&mut client, false).await?;
    context.print.document(&Profiles::from(&found), render)?;
    Ok(Exit::Done)
}

/// One table for GPUs that are alike.
pub fn render(profiles: &Profiles, style: Style) -> String {
    let mut models: Vec<(&GpuProfiles, Vec<u32>)> = Vec::new();
    for gpu in &profiles.gpus {
        let alike = |(first, _): &&mut (&GpuProfiles, _)| {
            first.name == gpu.name && first.profiles == gpu.profiles
        };
        match models.iter_mut().find(alike) {
            Some((_, indices)) => indices.push(gpu.index),
            None => models.push((gpu, vec![gpu.index])),
        }
    }
    if models.is_empty() {
        return "no GPUs\n".to_owned();
    }
    let texts: Vec<String> = models
        .iter()
        .map(|(gpu, indices)| model(gpu, indices, style))
        .collect();
    texts.join("\n")
}

fn model(gpu: &GpuProfiles, indices: &[u32], style: Style) -> String {
    let name = style.paint(Ink::Bold, &gpu.name);
    let head = format!("{name}  GPU {}\n", ranges(indices));
    if gpu.profiles.is_empty() {
        let why = match gpu.mig_mode {
            MigMode::Unsupported => "cannot be cut",
            _ => "the driver tells of no profile",
        };
        return format!("{head}  {}\n", style.paint(Ink::Dim, why));
    }
    let mut table = Table::new(&[
        "PROFILE",
        ">ID",
        ">MAX",
        ">MEMORY",
        ">SM",
        "CE DEC ENC JPG OFA",
        "PLACEMENTS",
    ]);
    for profile in &gpu.profiles {
        table.push(row![
            &profile.name,
            profile.id,
            profile.max_count,
            Bytes(profile.memory_bytes),
            profile.sm_count,
            engines(&profile.engines),
            placements(profile),
        ]);
    }
    head + &table.render(style, "  ")
}

fn engines(engines: &Engines) -> String {
    let Engines {
        copy,
        decoder,
        encoder,
        jpeg,
        ofa,
    } = engines;
    format!("{copy:>2} {decoder:>3} {encoder:>3} {jpeg:>3} {ofa:>3}")
}

/// `{0,2,4}:2`, as nvidia-smi writes it.
fn placements(profile: &Profile) -> String {
    let starts: Vec<String> = profile
        .placements
        .iter()
        .map(|place: &Placement| place.start.to_string())
        .collect();
    match profile.placements.first() {
        Some(first) => format!("{{{}}}:{}", starts.join(","), first.size),
        None => "-".to_owned(),
    }
}
