//! What a plan does to the sharing of GPUs.

use kerf_api::json::{GpuPlan, Plan, SharingPlan};

use crate::cli::style::{Ink, Style};

/// Whether nothing of a GPU changes but how it is shared.
pub fn is_sharing_alone(plan: &Plan, gpu: &GpuPlan) -> bool {
    let mut changes = plan.sharing.iter();
    gpu.steps.is_empty() && changes.any(|change| change.pci == gpu.pci)
}

/// What ends on a GPU, and what begins.
pub fn sharing_diff(change: &SharingPlan, style: Style) -> String {
    let name = style.paint(Ink::Bold, format!("GPU {}", change.index));
    let mut text = format!("{name}  {}  sharing\n", change.pci);
    if let Some(from) = &change.from {
        text.push_str(&format!(
            "  {}\n",
            style.paint(Ink::Red, format!("-  {from}"))
        ));
    }
    if let Some(to) = &change.to {
        text.push_str(&format!(
            "  {}\n",
            style.paint(Ink::Green, format!("+  {to}"))
        ));
    }
    text
}
