//! The checker: replays the steps of a plan on an occupancy model of its own and says what is wrong.
//!
//! It shares the vocabulary with the planner (what a request and a plan look like) and no code: units are
//! counted one by one, names and rules are read again, engines are added up anew. It takes nothing from the
//! plan on trust, so a plan without a violation may be carried out. It never repairs anything.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{GiId, Gpu, GpuInstance, PciAddress, Placement, Profile, ProfileId, Spot, Step};

use crate::gpu::GpuPlan;

mod amd;
mod bound;
mod choice;
mod claims;
mod expand;
mod layout;
mod model;
mod parts;
mod report;
mod share;
mod split;
mod together;
mod users;

pub use amd::AmdViolation;
pub use choice::{AskViolation, check_ask, check_choice};
pub use layout::check_host;
pub use parts::ExpectedParts;
pub use split::{Subject, check_split};

/// Something that a plan must not do, or does not reach. Steps are counted from 0 within their GPU.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A step of one GPU's plan changes another GPU.
    #[error("step {step} changes {found}")]
    WrongGpu {
        /// The step.
        step: usize,
        /// The GPU that it changes.
        found: PciAddress,
    },
    /// A GPU that nothing speaks of would be changed.
    #[error("{0} is not named and would be changed")]
    NotNamed(PciAddress),
    /// A GPU that a rule speaks of is left out, or is there twice.
    #[error("{0} is named and not planned once")]
    NotPlanned(PciAddress),
    /// A sick GPU would be changed.
    #[error("{0} is not well and would be changed")]
    Unhealthy(PciAddress),
    /// A GPU that is in use as a whole would be changed.
    #[error("step {step} changes a GPU that is in use as a whole")]
    GpuInUse {
        /// The step.
        step: usize,
    },
    /// The MIG mode of a GPU with vGPUs would change.
    #[error("step {step} changes the MIG mode of a GPU that carries vGPUs")]
    CarriesVgpus {
        /// The step.
        step: usize,
    },
    /// A reset that was not allowed may happen, or is needed.
    #[error("step {step} may need a reset that was not allowed")]
    Reset {
        /// The step.
        step: usize,
    },
    /// The mode is changed to what it is.
    #[error("step {step} sets the MIG mode that is there")]
    ModeUnchanged {
        /// The step.
        step: usize,
    },
    /// The GPU has no MIG mode to change.
    #[error("step {step} changes the MIG mode of a GPU without MIG")]
    NoMig {
        /// The step.
        step: usize,
    },
    /// MIG is off.
    #[error("step {step} works on an instance while MIG is off")]
    MigOff {
        /// The step.
        step: usize,
    },
    /// MIG would go off over a living instance.
    #[error("step {step} turns MIG off over {left} instances")]
    MigOffOverInstances {
        /// The step.
        step: usize,
        /// How many live.
        left: usize,
    },
    /// What a step means is not there.
    #[error("step {step} means something that is not there")]
    NotThere {
        /// The step.
        step: usize,
    },
    /// A GPU instance with compute instances would be destroyed.
    #[error("step {step} destroys a GPU instance that is not empty")]
    NotEmpty {
        /// The step.
        step: usize,
    },
    /// A pinned instance would be touched.
    #[error("step {step} touches the instance at {place}, which must stay")]
    Pinned {
        /// The step.
        step: usize,
        /// The instance's place.
        place: Placement,
    },
    /// The GPU has no such profile.
    #[error("step {step} uses profile {profile}, which the GPU does not have")]
    UnknownProfile {
        /// The step.
        step: usize,
        /// The profile.
        profile: ProfileId,
    },
    /// The profile may not lie there.
    #[error("step {step} puts profile {profile} at {place}, where it may not lie")]
    IllegalPlace {
        /// The step.
        step: usize,
        /// The profile.
        profile: ProfileId,
        /// The place.
        place: Placement,
    },
    /// A unit is taken.
    #[error("step {step} needs unit {unit}, which is taken")]
    Overlap {
        /// The step.
        step: usize,
        /// The first unit that is taken.
        unit: usize,
    },
    /// More than the profile's maximum count.
    #[error("step {step} makes more than {most} of profile {profile}")]
    TooMany {
        /// The step.
        step: usize,
        /// The profile.
        profile: ProfileId,
        /// Its maximum count.
        most: u32,
    },
    /// More media engines than there are.
    #[error("step {step} needs media engines that are taken")]
    Engines {
        /// The step.
        step: usize,
    },
    /// The GPU instance has a compute instance already.
    #[error("step {step} fills a GPU instance that is not empty")]
    Filled {
        /// The step.
        step: usize,
    },
    /// The compute instance would not fill its GPU instance.
    #[error(
        "step {step} makes compute instance profile {profile}, which does not fill the instance"
    )]
    WrongCompute {
        /// The step.
        step: usize,
        /// The compute instance profile.
        profile: ProfileId,
    },
    /// A part may not lie there, or its profile is another's.
    #[error(
        "step {step} puts compute profile {profile} at {part} of {place}, where it may not lie"
    )]
    IllegalPart {
        /// The step.
        step: usize,
        /// The compute instance profile.
        profile: ProfileId,
        /// Place of the GPU instance.
        place: Placement,
        /// The place in it.
        part: Placement,
    },
    /// A compute slice is taken.
    #[error("step {step} needs compute slice {slice}, which is taken")]
    PartOverlap {
        /// The step.
        step: usize,
        /// The first slice that is taken.
        slice: u8,
    },
    /// A pinned part would be touched.
    #[error("step {step} touches the part {part} of {place}, which must stay")]
    PinnedPart {
        /// The step.
        step: usize,
        /// Place of the GPU instance.
        place: Placement,
        /// The place in it.
        part: Placement,
    },
    /// The parts at the end are not the wanted ones.
    #[error(
        "{found} parts of {slices} slices of profile {profile} exist at the end, {wanted} are wanted"
    )]
    EndParts {
        /// The profile.
        profile: ProfileId,
        /// Compute slices of the parts.
        slices: u8,
        /// Wanted.
        wanted: u32,
        /// There.
        found: u32,
    },
    /// The parts lie in more GPU instances than they need.
    #[error("{found} instances of profile {profile} are divided, {needed} suffice")]
    Scattered {
        /// The profile.
        profile: ProfileId,
        /// How many would do.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// A part goes although it could be kept in place of one that is made.
    #[error("the part {part} of {place} goes without need")]
    NeedlessPart {
        /// Place of the GPU instance.
        place: Placement,
        /// The place in it.
        part: Placement,
    },
    /// The MIG mode at the end is not the wanted one.
    #[error("MIG ends {}", if *.on { "on" } else { "off" })]
    EndMode {
        /// What it is.
        on: bool,
    },
    /// The slices at the end are not the wanted ones.
    #[error("{found} of profile {profile} exist at the end, {wanted} are wanted")]
    EndCount {
        /// The profile.
        profile: ProfileId,
        /// Wanted.
        wanted: u32,
        /// There.
        found: u32,
    },
    /// An instance ends without the compute instance that fills it.
    #[error("the instance at {0} ends incomplete")]
    EndIncomplete(Placement),
    /// An instance goes although it could be kept in place of one that is made.
    #[error("the instance at {0} goes without need")]
    Needless(Placement),
    /// What the plan says and what its steps do differ.
    #[error("the plan and its steps differ about {0}")]
    Claim(&'static str),
    /// What a rule with `at_least` or `fill` was taken to mean is not what it says.
    #[error("{found} of profile {profile} are planned, which the rule does not mean: {why}")]
    Meaning {
        /// The profile.
        profile: ProfileId,
        /// How many are planned.
        found: u32,
        /// Why that is wrong.
        why: &'static str,
    },
    /// A place does not hold at the end what it must.
    #[error("the place {0} does not end as it must")]
    EndPlace(Spot),
    /// A rule cannot be read for a GPU: the plan should not exist.
    #[error("the layout cannot be had: {0}")]
    Layout(String),
    /// The AMD part of it is wrong.
    #[error("AMD: {0}")]
    Amd(AmdViolation),
    /// How a GPU is shared would change under somebody who uses it, or to what it cannot be.
    #[error("how it is shared cannot change so")]
    SharedInUse,
    /// More MPS clients than a device serves: than a whole GPU, or than a slice with so many compute slices.
    #[error("more mps clients are wanted than {} serves", device(*.slices))]
    TooManyClients {
        /// Compute slices; `None` for a GPU without MIG.
        slices: Option<u32>,
    },
    /// Two picks share hardware, or one is not free.
    #[error("pick {0} is not free to give")]
    NotFree(usize),
}

fn device(slices: Option<u32>) -> String {
    match slices {
        Some(slices) => format!("a slice with {slices} compute slices"),
        None => "a whole GPU".to_owned(),
    }
}

/// What must be true of one GPU when its steps are done, and what must not happen on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The GPU's profiles; its own where the driver tells them, else those of one of its model.
    pub profiles: &'a [Profile],
    /// Whether MIG is on at the end.
    pub mig_on: bool,
    /// The slices at the end, each complete.
    pub slices: BTreeMap<ProfileId, u32>,
    /// Places whose instances must not be touched.
    pub pinned: BTreeSet<Placement>,
    /// Whether the GPU is in use as a whole, so that nothing on it may change.
    pub gpu_in_use: bool,
    /// Whether it may be reset.
    pub allow_reset: bool,
    /// What disturbing an instance costs, where it is not 1.
    pub weights: BTreeMap<GiId, u64>,
}

impl Expected<'_> {
    fn weight(&self, instance: &GpuInstance) -> u64 {
        self.weights.get(&instance.id).copied().unwrap_or(1)
    }
}

/// Whether an instance holds one compute instance, and that fills it.
fn complete(instance: &GpuInstance, profiles: &[Profile]) -> bool {
    let mut known = profiles.iter();
    let full = known.find(|known| known.id == instance.profile);
    let full = full.and_then(|known| known.full_compute_profile);
    match instance.compute.as_slice() {
        [one] => one.placement.is_none() && full.is_none_or(|full| full == one.profile),
        _ => false,
    }
}

/// Everything that is wrong with `steps` on `gpu`, where no part of an instance is wanted.
pub fn check_steps(gpu: &Gpu, steps: &[Step], expected: &Expected<'_>) -> Vec<Violation> {
    check_part_steps(gpu, steps, expected, &ExpectedParts::default())
}

/// Everything that is wrong with `steps` on `gpu`.
pub fn check_part_steps(
    gpu: &Gpu,
    steps: &[Step],
    expected: &Expected<'_>,
    parts: &ExpectedParts,
) -> Vec<Violation> {
    replay(gpu, steps, expected, parts).finish()
}

fn replay<'a>(
    gpu: &'a Gpu,
    steps: &[Step],
    expected: &'a Expected<'a>,
    parts: &'a ExpectedParts,
) -> model::Model<'a> {
    let mut model = model::Model::new(gpu, expected, parts);
    for (at, step) in steps.iter().enumerate() {
        model.step(at, step);
    }
    model
}

/// Everything that is wrong with `plan` on `gpu`, where no part of an instance is wanted: its steps, and what
/// it says of itself.
pub fn check_plan(
    gpu: &Gpu,
    plan: &GpuPlan,
    steps: &[Step],
    expected: &Expected<'_>,
) -> Vec<Violation> {
    check_slices(gpu, plan, steps, expected, &ExpectedParts::default())
}

/// Everything that is wrong with `plan` on `gpu`: its steps, and what it says of itself.
pub fn check_slices(
    gpu: &Gpu,
    plan: &GpuPlan,
    steps: &[Step],
    expected: &Expected<'_>,
    parts: &ExpectedParts,
) -> Vec<Violation> {
    let model = replay(gpu, steps, expected, parts);
    let scattered = parts.scattered(gpu, expected, &model.divided());
    let mut found = model.finish();
    found.extend(scattered);
    claims::check(
        gpu,
        plan,
        &claims::Effects::of(steps),
        expected,
        parts,
        &mut found,
    );
    found
}
