//! `kerf plan`: what a layout would change, and what stays; or, with `--batch`, the plans of questions that are
//! given as data.

mod amd;
mod sharing;

use kerf_api::json::inventory::MigMode;
use kerf_api::json::{GpuPlan, Plan, PlannedSlice};
use kerf_api::v1;

pub use amd::amd_diff;
pub use sharing::{is_sharing_alone, sharing_diff};

use super::client::soon;
use super::fail::Failure;
use super::layout::LayoutArgs;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::{count, place};
use super::{Context, Exit};

/// `kerf plan`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    layout: LayoutArgs,
    /// Exit with 3 when the host differs from the layout
    #[arg(long)]
    exit_code: bool,
    /// Answer questions about GPUs that are given as data, without kerfd: JSON objects, one a line, from
    /// standard input; one line of JSON for each on standard output, whatever -o says
    #[arg(long, group = "wanted")]
    #[arg(conflicts_with_all = ["exit_code", "label", "gpu", "allow_reset", "force_destroy"])]
    batch: bool,
    /// A MIG device that may be destroyed although somebody uses it; may be given several times
    #[arg(long, value_name = "UUID")]
    force_destroy: Vec<String>,
}

/// Asks kerfd for a plan and shows it; nothing is changed.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    if args.batch {
        return super::batch::run(context);
    }
    let mut client = context.connect().await?;
    let wanted = args.layout.layout(&mut client, context.print).await?;
    let request = soon(v1::PlanLayoutRequest {
        layout: Some(wanted.layout),
        allow_reset: args.layout.allow_reset,
        force_destroy: args.force_destroy.clone(),
        compare: false,
    });
    let plan = client
        .plan_layout(request)
        .await
        .map_err(Failure::call("plan the layout"))
        .map_err(|failure| failure.pointing_at(wanted.source.as_ref()))?;
    let plan = Plan::try_from(plan.get_ref())?;
    context.print.document(&plan, render)?;
    Ok(if args.exit_code && plan.differs() {
        Exit::Differs
    } else {
        Exit::Done
    })
}

/// The plan as a diff, GPU by GPU.
pub fn render(plan: &Plan, style: Style) -> String {
    let gpus = plan.gpus.iter().filter(|gpu| !is_sharing_alone(plan, gpu));
    let mut text: String = gpus.map(|gpu| gpu_diff(gpu, style)).collect();
    text.extend(plan.amd.iter().map(|gpu| amd_diff(gpu, style)));
    text.extend(plan.sharing.iter().map(|gpu| sharing_diff(gpu, style)));
    text.push_str(&notes(plan, style));
    text.push_str(&summary(plan, style));
    text
}

/// What the plan leaves out.
pub fn notes(plan: &Plan, style: Style) -> String {
    let notes = plan.notes.iter();
    notes
        .map(|note| format!("{} {note}\n", style.paint(Ink::Yellow, "note:")))
        .collect()
}

/// What happens to one GPU.
pub fn gpu_diff(gpu: &GpuPlan, style: Style) -> String {
    let name = style.paint(Ink::Bold, format!("GPU {}", gpu.index));
    let mut text = format!("{name}  {}  {}\n", gpu.pci, mode(gpu, style));
    if matches!(
        gpu.mig_mode,
        MigMode::EnablePending | MigMode::DisablePending
    ) && !gpu.steps.is_empty()
    {
        let waits = "  after a reset of the GPU, or a restart of the host:\n";
        text.push_str(&style.paint(Ink::Yellow, waits));
    }
    if gpu.steps.is_empty() {
        let stay = match gpu.keep.len() {
            0 => "nothing to do".to_owned(),
            kept => format!("nothing to do, {} as wanted", count(kept, "slice")),
        };
        text.push_str(&format!("  {}\n", style.paint(Ink::Dim, stay)));
        return text;
    }
    let mut table = Table::new(&["", "", "", "", ""]);
    let parts = [
        ("=", Ink::Plain, &gpu.keep),
        ("-", Ink::Red, &gpu.destroy),
        ("+", Ink::Green, &gpu.create),
    ];
    for (sign, ink, slices) in parts {
        for slice in slices {
            table.push(line(sign, ink, slice));
        }
    }
    text.push_str(&table.render(style, "  "));
    if !gpu.later.is_empty() {
        let slices = gpu.later.iter();
        let slices = slices.map(|later| format!("{} x{}", later.profile, later.count));
        let slices = slices.collect::<Vec<String>>().join(", ");
        text.push_str(&format!("  then plan again: {slices}\n"));
    }
    text
}

fn line(sign: &str, ink: Ink, slice: &PlannedSlice) -> Vec<Cell> {
    let place = place(slice.placement, slice.compute);
    let uuid = slice.uuid.clone().unwrap_or_default();
    // What goes although somebody has it goes by force, and by its name alone.
    let (by, holder_ink) = match sign {
        "-" => ("by force, in use", Ink::Red),
        _ => ("in use", Ink::Cyan),
    };
    let holder = slice
        .holder
        .as_ref()
        .map(|holder| format!("{by}: {holder}"));
    vec![
        Cell::new(ink, sign),
        Cell::new(ink, &slice.profile),
        Cell::new(ink, place),
        Cell::new(Ink::Dim, uuid),
        Cell::new(holder_ink, holder.unwrap_or_default()),
    ]
}

fn mode(gpu: &GpuPlan, style: Style) -> String {
    let wanted = if gpu.mig_wanted { "on" } else { "off" };
    let found = match gpu.mig_mode {
        MigMode::Unsupported => "unsupported",
        MigMode::Disabled => "off",
        MigMode::Enabled => "on",
        MigMode::EnablePending => "on after a reset",
        MigMode::DisablePending => "off after a reset",
    };
    if found == wanted || (gpu.mig_mode == MigMode::Unsupported && !gpu.mig_wanted) {
        return format!("MIG {found}");
    }
    style.paint(Ink::Yellow, format!("MIG {found} -> {wanted}"))
}

fn summary(plan: &Plan, style: Style) -> String {
    if !plan.changes {
        let text = match plan.differs() {
            true => "Nothing to do now: what was asked for comes when the driver is loaded anew.",
            false => "The host is as the layout wants it: nothing to do.",
        };
        return format!("{}\n", style.paint(Ink::Green, text));
    }
    let nvidia = plan.gpus.iter().map(|gpu| gpu.steps.len());
    let steps = nvidia.chain(plan.amd.iter().map(|gpu| gpu.steps.len()));
    let alone = plan.sharing.iter().filter(|change| {
        let mut gpus = plan.gpus.iter().filter(|gpu| gpu.pci == change.pci);
        gpus.all(|gpu| gpu.steps.is_empty())
    });
    let changed = steps.clone().filter(|steps| *steps > 0).count() + alone.count();
    let steps = steps.sum::<usize>() + plan.sharing.len();
    let sum = |part: fn(&GpuPlan) -> &Vec<PlannedSlice>| -> usize {
        plan.gpus.iter().map(|gpu| part(gpu).len()).sum()
    };
    let (kept, gone, new) = (
        sum(|gpu| &gpu.keep),
        sum(|gpu| &gpu.destroy),
        sum(|gpu| &gpu.create),
    );
    let head = style.paint(Ink::Bold, "Plan:");
    let slices = match plan.gpus.is_empty() {
        true => String::new(),
        false => format!(
            ": {} to create, {gone} to destroy, {kept} kept",
            count(new, "slice")
        ),
    };
    format!(
        "{head} {} on {}{slices}\n{}{}\n",
        count(steps, "step"),
        count(changed, "GPU"),
        follow(plan),
        cost(plan, style),
    )
}

/// Slices whose places nobody knows yet.
fn follow(plan: &Plan) -> String {
    let later = plan.gpus.iter().flat_map(|gpu| &gpu.later);
    match later.map(|later| later.count).sum::<u32>() {
        0 => String::new(),
        slices => format!(
            "      {slices} more to create after that: their places are known only while MIG is on, and `kerf apply` plans them then\n"
        ),
    }
}

/// What it disturbs, and how sure the planner is that nothing disturbs less.
fn cost(plan: &Plan, style: Style) -> String {
    let disturbs = match plan.cost {
        0 => style.paint(Ink::Green, "cost 0: nothing that exists is destroyed"),
        cost => style.paint(
            Ink::Yellow,
            format!("cost {cost}: the weight of what is destroyed"),
        ),
    };
    let proof = if plan.proof {
        "proven: no plan costs less".to_owned()
    } else {
        format!(
            "not proven best: at least {} is unavoidable",
            plan.lower_bound
        )
    };
    format!(
        "      {disturbs} ({proof}); made from generation {}",
        plan.generation
    )
}
