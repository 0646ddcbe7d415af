//! `kerf assert`: whether the host is as a layout says, and where it is not. Changes nothing, and asks nobody to leave.

use kerf_api::json::inventory::MigMode;
use kerf_api::json::{AmdPlan, GpuPlan, Plan};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::layout::LayoutArgs;
use super::style::{Ink, Style};
use super::words::{count, ranges};
use super::{Context, Exit, plan};

/// `kerf assert`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    layout: LayoutArgs,
    /// Compare the MIG mode alone, and no slices
    #[arg(long)]
    mode_only: bool,
}

/// Compares. Exits with 3 on a difference.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let wanted = args.layout.layout(&mut client, context.print).await?;
    let request = soon(v1::PlanLayoutRequest {
        layout: Some(wanted.layout),
        compare: true,
        ..v1::PlanLayoutRequest::default()
    });
    let plan = client
        .plan_layout(request)
        .await
        .map_err(Failure::call("compare the host with the layout"))
        .map_err(|failure| failure.pointing_at(wanted.source.as_ref()))?;
    let mut plan = Plan::try_from(plan.get_ref())?;
    if args.mode_only {
        plan.gpus.iter_mut().for_each(modes_alone);
        plan.sharing.clear();
        plan.changes = plan.gpus.iter().any(|gpu| !gpu.steps.is_empty())
            || plan.amd.iter().any(AmdPlan::differs);
    }
    context.print.document(&plan, render)?;
    Ok(match plan.differs() {
        true => Exit::Differs,
        false => Exit::Done,
    })
}

/// Leaves of a GPU what its mode is about.
fn modes_alone(gpu: &mut GpuPlan) {
    let is_on = matches!(gpu.mig_mode, MigMode::Enabled | MigMode::DisablePending);
    let is_pending = matches!(
        gpu.mig_mode,
        MigMode::EnablePending | MigMode::DisablePending
    );
    if is_on == gpu.mig_wanted && !is_pending {
        gpu.steps.clear();
    }
    for slices in [&mut gpu.keep, &mut gpu.destroy, &mut gpu.create] {
        slices.clear();
    }
    gpu.later.clear();
}

fn differs(plan: &Plan, gpu: &GpuPlan) -> bool {
    !gpu.steps.is_empty() || plan.sharing.iter().any(|change| change.pci == gpu.pci)
}

/// The GPUs that differ, and how.
pub fn render(plan: &Plan, style: Style) -> String {
    let wrong = plan.gpus.iter().filter(|gpu| differs(plan, gpu));
    let wrong: Vec<&GpuPlan> = wrong.collect();
    let cut = wrong
        .iter()
        .filter(|gpu| !plan::is_sharing_alone(plan, gpu));
    let mut text: String = cut.map(|gpu| plan::gpu_diff(gpu, style)).collect();
    let sharing = plan.sharing.iter();
    text.extend(sharing.map(|change| plan::sharing_diff(change, style)));
    let amd: Vec<&AmdPlan> = plan.amd.iter().filter(|gpu| gpu.differs()).collect();
    text.extend(amd.iter().map(|gpu| plan::amd_diff(gpu, style)));
    text.push_str(&plan::notes(plan, style));
    let wrong: Vec<u32> = wrong.iter().map(|gpu| gpu.index).collect();
    let amd: Vec<u32> = amd.iter().map(|gpu| gpu.index).collect();
    // A host without AMD GPUs has one line, and one with nothing else has the other.
    if !plan.gpus.is_empty() || plan.amd.is_empty() {
        text.push_str(&verdict("GPU", plan.gpus.len(), &wrong, style));
    }
    if !plan.amd.is_empty() {
        text.push_str(&verdict("AMD GPU", plan.amd.len(), &amd, style));
    }
    text
}

fn verdict(what: &str, all: usize, wrong: &[u32], style: Style) -> String {
    let all = count(all, what);
    let words = match wrong {
        [] => style.paint(Ink::Green, format!("{all}: as the layout says")),
        wrong => {
            let words = format!("{what} {} of {all}: not as the layout says", ranges(wrong));
            style.paint(Ink::Red, words)
        }
    };
    words + "\n"
}
