//! `kerf maintenance`: closes the driver, proves it, and opens it again.
//!
//! `enter` and `show` exit with 0 when nobody has what is in maintenance open, with 1 when kerf itself has, and with 3
//! when others have, or may have: then a driver cannot be unloaded yet, nor a GPU reset.

use kerf_api::json::{DriverHolder, Maintenance};
use kerf_api::v1;
use kerf_api::v1::maintenance_progress::Event;

use super::client::{Client, soon};
use super::fail::Failure;
use super::style::{Ink, Style};
use super::words::{seconds, span};
use super::{Context, Exit};

/// What a call is called when it fails.
const ENTER: &str = "enter maintenance";

/// Programs that are named of those whose descriptors may not be read; the rest is counted.
const UNREAD_SHOWN: usize = 3;

/// `kerf maintenance`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Wait until nobody has the GPUs, close the driver, and prove it
    Enter(Enter),
    /// Open the driver again, and bring back what the GPUs had
    Leave {
        /// One of the GPUs that were named; may be given several times. Default: everything
        #[arg(long = "gpu", value_name = "GPU")]
        gpus: Vec<String>,
    },
    /// What is in maintenance, and who has the driver open
    Show,
}

/// `kerf maintenance enter`
#[derive(Debug, clap::Args)]
pub struct Enter {
    /// A GPU by index, UUID, address, model:PATTERN or label:NAME; may be given several times. Default: the whole host.
    /// What runs on other GPUs goes on, and nothing new is given on any: whoever has NVML open holds every GPU
    #[arg(long = "gpu", value_name = "GPU")]
    gpus: Vec<String>,
    /// How long to wait for those who have the GPUs; 0s refuses at once
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "10m")]
    wait: u64,
}

/// Enters, leaves or shows.
pub async fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    match verb {
        Verb::Enter(enter) => {
            let maintenance = follow(&mut client, enter, context).await?;
            show(&maintenance, context)
        }
        Verb::Leave { gpus } => {
            let gpus = gpus.clone();
            let request = v1::LeaveMaintenanceRequest { gpus };
            // Without a deadline: a driver takes its time to load, and the layout follows.
            let left = client.leave_maintenance(request).await;
            let left = left.map_err(Failure::call("leave maintenance"))?;
            let left = Maintenance::from(left.get_ref());
            context.print.document(&left, render)?;
            Ok(Exit::Done)
        }
        Verb::Show => {
            let shown = client
                .get_maintenance(soon(v1::GetMaintenanceRequest {}))
                .await;
            let shown = shown.map_err(Failure::call("read what is in maintenance"))?;
            show(&Maintenance::from(shown.get_ref()), context)
        }
    }
}

async fn follow(
    client: &mut Client,
    enter: &Enter,
    context: &Context,
) -> Result<Maintenance, Failure> {
    let request = v1::EnterMaintenanceRequest {
        gpus: enter.gpus.clone(),
        wait_ms: enter.wait.saturating_mul(1_000),
    };
    let answers = client.enter_maintenance(request).await;
    let mut answers = answers.map_err(Failure::call(ENTER))?.into_inner();
    while let Some(answer) = answers.message().await.map_err(Failure::call(ENTER))? {
        match answer.event {
            Some(Event::Waiting(waiting)) => {
                let left = span(waiting.left_ms.div_ceil(1_000));
                context
                    .print
                    .note(&format!("waits up to {left}: {}", waiting.why));
            }
            Some(Event::Done(done)) => return Ok(Maintenance::from(&done)),
            None => {}
        }
    }
    Err(Failure::Unfinished { what: ENTER })
}

fn show(maintenance: &Maintenance, context: &Context) -> Result<Exit, Failure> {
    context.print.document(maintenance, render)?;
    verdict(maintenance)
}

/// How a command about it ends.
fn verdict(maintenance: &Maintenance) -> Result<Exit, Failure> {
    if !maintenance.active {
        return Ok(Exit::Done);
    }
    if !maintenance.closed {
        let by = maintenance.ours.iter().map(line);
        return Err(Failure::DriverHeld(by.collect()));
    }
    let free = maintenance.others.is_empty() && maintenance.unread.is_empty();
    Ok(if free { Exit::Done } else { Exit::Differs })
}

fn line(holder: &DriverHolder) -> String {
    let (command, pid) = (&holder.command, holder.pid);
    format!(
        "{command} (process {pid}) holds {}",
        holder.holds.join(", ")
    )
}

/// What is in maintenance, and who is in the way.
pub fn render(maintenance: &Maintenance, style: Style) -> String {
    if !maintenance.active {
        return open(maintenance, style);
    }
    let what = match maintenance.gpus.as_slice() {
        _ if maintenance.whole_host => "the whole host".to_owned(),
        gpus => format!("GPU {}", gpus.join(", ")),
    };
    let since = maintenance.since_at.as_deref().unwrap_or("-");
    let by = maintenance
        .by
        .map_or("-".to_owned(), |uid| format!("uid {uid}"));
    let head = style.paint(Ink::Yellow, format!("IN MAINTENANCE: {what}"));
    let mut text = format!("{head}\n  since {since}, by {by}\n");
    let closed = match maintenance.closed {
        true => style.paint(
            Ink::Green,
            "the driver is closed: no process of kerf has it open",
        ),
        false => style.paint(Ink::Red, "kerf still has the driver open"),
    };
    text.push_str(&format!("  {closed}\n"));
    for holder in &maintenance.ours {
        text.push_str(&format!("    {}\n", line(holder)));
    }
    if !maintenance.others.is_empty() {
        let head = style.paint(Ink::Red, "in the way, and not kerf's to end:");
        text.push_str(&format!("  {head}\n"));
        for holder in &maintenance.others {
            text.push_str(&format!("    {}\n", line(holder)));
        }
    }
    text.push_str(&unread(maintenance, style));
    if !maintenance.modules.is_empty() {
        text.push_str(&format!("  loaded: {}\n", maintenance.modules.join(", ")));
    }
    text
}

fn unread(maintenance: &Maintenance, style: Style) -> String {
    let unread = &maintenance.unread;
    if unread.is_empty() {
        return String::new();
    }
    let named = unread.iter().take(UNREAD_SHOWN);
    let named: Vec<String> = named
        .map(|holder| format!("{} (process {})", holder.command, holder.pid))
        .collect();
    let more = match unread.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let head = match unread.len() {
        1 => "kerfd may not see what one program has open:".to_owned(),
        several => format!("kerfd may not see what {several} programs have open:"),
    };
    format!(
        "  {} {}{more}\n",
        style.paint(Ink::Yellow, head),
        named.join(", ")
    )
}

/// Nothing is in maintenance.
fn open(maintenance: &Maintenance, style: Style) -> String {
    let head = style.paint(
        Ink::Green,
        "nothing is in maintenance: the driver is in use",
    );
    let mut text = format!("{head}\n");
    for what in &maintenance.unwell {
        text.push_str(&format!(
            "  {} {what}\n",
            style.paint(Ink::Red, "not well:")
        ));
    }
    text
}

#[cfg(test)]
mod tests;
