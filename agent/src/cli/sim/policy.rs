//! `kerf sim policy`: which of several real drivers the simulated one is like.

use std::path::PathBuf;

use clap::ValueEnum;
use nvidia_ml::control;
use nvidia_ml::model::machine::{AmpereMode, MigUuid};
use nvidia_ml::model::product::MemoryFigures;

use super::{SimError, on};

/// `kerf sim policy`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("choice").required(true).multiple(true))]
pub struct Args {
    /// The machine's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The UUID of a slice whose place is cut again
    #[arg(long, value_name = "WHICH", group = "choice")]
    mig_uuid: Option<Uuids>,
    /// What an idle A30 or A100 does with a change of MIG mode
    #[arg(long, value_name = "WHEN", group = "choice")]
    ampere_mode: Option<Mode>,
    /// Sizes of slices where drivers differ: B200, RTX PRO 6000, A100 40 GB
    #[arg(long, value_name = "WHICH", group = "choice")]
    memory: Option<Memory>,
    /// Whether nvidia-persistenced runs, which keeps every GPU from a reset
    #[arg(long, value_name = "STATE", group = "choice")]
    persistence_daemon: Option<Switch>,
    /// Whether the module nvidia_drm is loaded, which does the same
    #[arg(long, value_name = "STATE", group = "choice")]
    drm: Option<Switch>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Uuids {
    Changing,
    Stable,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    AtOnce,
    ResetRequired,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Memory {
    Listed,
    Other,
    Uneven,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Changes what is named and leaves the rest as it is.
pub fn run(args: &Args) -> Result<(), SimError> {
    let mut policy = control::show(&args.dir).map_err(on(&args.dir))?.policy;
    match args.mig_uuid {
        Some(Uuids::Changing) => policy.mig_uuid = MigUuid::Changing,
        Some(Uuids::Stable) => policy.mig_uuid = MigUuid::Stable,
        None => {}
    }
    match args.ampere_mode {
        Some(Mode::AtOnce) => policy.ampere_mode = AmpereMode::AtOnce,
        Some(Mode::ResetRequired) => policy.ampere_mode = AmpereMode::ResetRequired,
        None => {}
    }
    match args.memory {
        Some(Memory::Listed) => policy.memory = MemoryFigures::Listed,
        Some(Memory::Other) => policy.memory = MemoryFigures::Other,
        Some(Memory::Uneven) => policy.memory = MemoryFigures::Uneven,
        None => {}
    }
    if let Some(switch) = args.persistence_daemon {
        policy.persistence_daemon = switch == Switch::On;
    }
    if let Some(switch) = args.drm {
        policy.drm_module = switch == Switch::On;
    }
    control::set_policy(&args.dir, policy).map_err(on(&args.dir))
}
