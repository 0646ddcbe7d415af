//! `kerf apply`: cuts the GPUs as a layout says, and shows each step as it is done.

use kerf_api::convert::ConvertError;
use kerf_api::json::{AmdPlan, Applied, GpuPlan, Placement, Plan, PlannedSlice, SharingPlan, Step};
use kerf_api::v1;
use kerf_api::v1::apply_progress::{Event, StepDone};
use kerf_types::ProfileName;

use super::client::Client;
use super::fail::Failure;
use super::layout::LayoutArgs;
use super::plan;
use super::style::{Ink, Style};
use super::words::{self, count, micros, seconds, span};
use super::{Context, Exit};

/// What a call is called when it fails.
const WHAT: &str = "apply the layout";

/// `kerf apply`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    how: How,
    /// Forget the layout that is kept for the next boot, and change nothing
    #[arg(long, group = "wanted", conflicts_with_all = ["wait", "drain", "force_destroy"])]
    forget: bool,
}

/// How a layout is brought about.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Refuse unless the host is still in this generation, as `kerf plan` printed it
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    expected_generation: u64,
    /// Wait so long for slices that are in use, instead of refusing at once
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    wait: Option<u64>,
    /// Give no new leases on the GPUs of the layout meanwhile; waits ten minutes unless --wait says otherwise
    #[arg(long)]
    drain: bool,
    /// A MIG device that may be destroyed although somebody uses it; may be given several times
    #[arg(long, value_name = "UUID")]
    force_destroy: Vec<String>,
}

/// How long `--drain` waits by itself, in seconds.
const DRAIN_WAIT: u64 = 600;

impl How {
    /// The request for a layout.
    pub fn request(&self, layout: v1::Layout, allow_reset: bool) -> v1::ApplyLayoutRequest {
        let wait = self.wait.unwrap_or(if self.drain { DRAIN_WAIT } else { 0 });
        v1::ApplyLayoutRequest {
            layout: Some(layout),
            allow_reset,
            expected_generation: self.expected_generation,
            force_destroy: self.force_destroy.clone(),
            wait_ms: wait.saturating_mul(1_000),
            drain: self.drain,
            forget: false,
        }
    }
}

/// Applies a layout. Once kerfd has begun it goes on to the end, also when nobody watches any more.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    if args.forget {
        let forget = true;
        let request = v1::ApplyLayoutRequest {
            forget,
            ..Default::default()
        };
        return follow(&mut client, request, context).await;
    }
    let wanted = args.layout.layout(&mut client, context.print).await?;
    let request = args.how.request(wanted.layout, args.layout.allow_reset);
    let outcome = follow(&mut client, request, context).await;
    outcome.map_err(|failure| failure.pointing_at(wanted.source.as_ref()))
}

/// Sends a layout and shows what becomes of it.
pub async fn follow(
    client: &mut Client,
    request: v1::ApplyLayoutRequest,
    context: &Context,
) -> Result<Exit, Failure> {
    let answers = client
        .apply_layout(request)
        .await
        .map_err(Failure::call(WHAT))?;
    let mut answers = answers.into_inner();
    let mut plan = None;
    while let Some(answer) = answers.message().await.map_err(Failure::call(WHAT))? {
        match answer.event {
            Some(Event::Planned(planned)) => {
                let planned = Plan::try_from(&planned)?;
                if context.print.is_table() {
                    context
                        .print
                        .styled(|style| plan::render(&planned, style))?;
                }
                plan = Some(planned);
            }
            Some(Event::Step(done)) if context.print.is_table() => {
                let line = step_line(&done, plan.as_ref())?;
                context.print.styled(|style| line.show(style))?;
            }
            Some(Event::Done(applied)) => {
                context.print.document(&Applied::from(&applied), render)?;
                return Ok(Exit::Done);
            }
            Some(Event::Waiting(waiting)) => {
                let left = span(waiting.left_ms.div_ceil(1_000));
                context
                    .print
                    .note(&format!("waits up to {left}: {}", waiting.why));
            }
            Some(Event::Step(_)) | None => {}
        }
    }
    Err(Failure::Unfinished { what: WHAT })
}

/// The last line.
pub fn render(applied: &Applied, style: Style) -> String {
    let done = match applied.steps {
        0 => "Nothing was to be done".to_owned(),
        steps => format!(
            "Applied: {} in {}",
            count(steps, "step"),
            micros(applied.duration_us)
        ),
    };
    let mut text = format!(
        "{}; generation {}\n",
        style.paint(Ink::Green, done),
        applied.generation
    );
    for gpu in &applied.after_reset {
        text.push_str(&format!(
            "{} {gpu}, and the layout goes on then\n",
            style.paint(Ink::Yellow, "after a reset:")
        ));
    }
    for gpu in &applied.after_reload {
        text.push_str(&format!(
            "{} {gpu}, and the layout goes on then\n",
            style.paint(Ink::Yellow, "when the driver is loaded anew:")
        ));
    }
    text
}

/// One step that was carried out, in words.
#[derive(Debug)]
pub struct StepLine {
    number: String,
    what: String,
    took: String,
}

impl StepLine {
    /// The line.
    pub fn show(&self, style: Style) -> String {
        let Self { number, what, took } = self;
        format!(
            "{} {what}  {}\n",
            style.paint(Ink::Dim, number),
            style.paint(Ink::Dim, took)
        )
    }
}

/// The words of a step; the plan knows the names that the step has only numbers for.
pub fn step_line(done: &StepDone, plan: Option<&Plan>) -> Result<StepLine, ConvertError> {
    let gpus = plan.map(|plan| plan.gpus.as_slice()).unwrap_or_default();
    let amd = plan.map(|plan| plan.amd.as_slice()).unwrap_or_default();
    let width = done.of.to_string().len();
    let what = match &done.sharing {
        Some(change) => sharing_words(&SharingPlan::try_from(change)?),
        None => {
            let step = kerf_types::Step::try_from(done.step.clone().unwrap_or_default())?;
            step_words(&step.into(), gpus, amd)
        }
    };
    Ok(StepLine {
        number: format!("[{:>width$}/{}]", done.number, done.of),
        what,
        took: micros(done.microseconds),
    })
}

/// What has ended and begun on a GPU.
fn sharing_words(change: &SharingPlan) -> String {
    let what = match (&change.from, &change.to) {
        (_, Some(to)) => format!("share it: {to}"),
        (Some(from), None) => format!("share it no longer: {from}"),
        (None, None) => "share it as before".to_owned(),
    };
    format!("GPU {}: {what}", change.index)
}

fn step_words(step: &Step, gpus: &[GpuPlan], amd: &[AmdPlan]) -> String {
    let (pci, what) = match step {
        Step::SetMigMode {
            gpu, enabled: true, ..
        } => (gpu, "turn MIG on".to_owned()),
        Step::SetMigMode {
            gpu,
            enabled: false,
            ..
        } => (gpu, "turn MIG off".to_owned()),
        Step::CreateGpuInstance {
            gpu,
            profile,
            placement,
        } => {
            let name = name_of(gpus, gpu, |gpu| &gpu.create, *placement, *profile);
            (gpu, format!("create {name} at {}", place(*placement)))
        }
        Step::CreateComputeInstance {
            gpu,
            placement,
            compute,
            ..
        } => {
            let what = match compute {
                None => format!("create the compute instance at {}", place(*placement)),
                Some(part) => format!(
                    "create compute instance {} at {}",
                    place(*part),
                    place(*placement)
                ),
            };
            (gpu, what)
        }
        Step::DestroyComputeInstance { gpu, uuid, .. } => {
            (gpu, format!("destroy the compute instance {uuid}"))
        }
        Step::DestroyGpuInstance {
            gpu,
            profile,
            placement,
            ..
        } => {
            let name = name_of(gpus, gpu, |gpu| &gpu.destroy, *placement, *profile);
            (gpu, format!("destroy {name} at {}", place(*placement)))
        }
        Step::SetAmdCompute { gpu, mode } => (gpu, format!("set compute mode {mode}")),
        Step::SetAmdMemory { gpu, mode } => (gpu, format!("ask for memory mode {mode}")),
        step => vgpu_step_words(step),
    };
    match gpus.iter().find(|gpu| gpu.pci == *pci) {
        Some(gpu) => format!("GPU {}: {what}", gpu.index),
        None => match amd.iter().find(|gpu| gpu.pci == *pci) {
            Some(gpu) => format!("AMD GPU {}: {what}", gpu.index),
            None => format!("{pci}: {what}"),
        },
    }
}

/// Steps of vGPUs. No layout has any, but a newer kerfd may.
fn vgpu_step_words(step: &Step) -> (&String, String) {
    match step {
        Step::SetSriov { gpu, enabled } => {
            let word = if *enabled { "on" } else { "off" };
            (gpu, format!("turn virtual functions {word}"))
        }
        Step::CreateVgpu {
            gpu,
            function,
            type_id,
        } => (
            gpu,
            format!("create a vGPU of type {type_id} on {function}"),
        ),
        Step::DestroyVgpu {
            gpu,
            function,
            type_id,
        } => (
            gpu,
            format!("take the vGPU of type {type_id} on {function} away"),
        ),
        Step::SetMigMode { gpu, .. }
        | Step::CreateGpuInstance { gpu, .. }
        | Step::CreateComputeInstance { gpu, .. }
        | Step::DestroyComputeInstance { gpu, .. }
        | Step::DestroyGpuInstance { gpu, .. }
        | Step::SetAmdCompute { gpu, .. }
        | Step::SetAmdMemory { gpu, .. } => (gpu, "change it".to_owned()),
    }
}

fn place(placement: Placement) -> String {
    words::place(placement, None)
}

/// The name of a profile that a step knows by number: that of the plan's slice in the same place, or of the
/// instance that such slices are parts of.
fn name_of(
    gpus: &[GpuPlan],
    pci: &str,
    part: fn(&GpuPlan) -> &Vec<PlannedSlice>,
    placement: Placement,
    profile: u32,
) -> String {
    let slices = gpus.iter().filter(|gpu| gpu.pci == pci).flat_map(part);
    let mut here = slices.filter(|slice| slice.placement == placement);
    here.next().map_or_else(
        || format!("profile {profile}"),
        |slice| match slice.profile.parse::<ProfileName>() {
            Ok(name) if slice.compute.is_some() => name.part(None).to_string(),
            _ => slice.profile.clone(),
        },
    )
}
