//! `kerf status`: how the host is. It exits with 0 as long as kerfd answers, however much is degraded.

use kerf_api::json::{Degradation, Status};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table, row};
use super::words::{count, span};
use super::{Context, Exit};

/// `kerf status`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Asks kerfd how the host is.
pub async fn run(_: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let status = client.get_status(soon(v1::GetStatusRequest {})).await;
    let status = Status::from(status.map_err(Failure::call("read the status"))?.get_ref());
    context.print.document(&status, render)?;
    Ok(Exit::Done)
}

/// What is wrong comes first: whoever looks in a bad hour looks for that.
pub fn render(status: &Status, style: Style) -> String {
    let host = style.paint(Ink::Bold, &status.host);
    let mut text = format!(
        "{host}  kerfd {}, up {}",
        status.version,
        span(status.uptime_seconds)
    );
    if let Some(machine) = &status.simulated {
        text.push_str(&format!(", simulated {machine}"));
    }
    text.push('\n');
    if status.draining {
        let draining = "DRAINING: kerfd is about to end and takes no new work";
        text.push_str(&format!("{}\n", style.paint(Ink::Yellow, draining)));
    }
    if status.ok {
        text.push_str(&format!(
            "{}\n",
            style.paint(Ink::Green, "everything is well")
        ));
    } else {
        let things = count(status.degraded.len(), "thing");
        let verb = if status.degraded.len() == 1 {
            "is"
        } else {
            "are"
        };
        let head = format!("DEGRADED: {things} {verb} not well");
        text.push_str(&format!("{}\n", style.paint(Ink::Red, head)));
        text.extend(status.degraded.iter().map(|one| degradation(one, style)));
    }
    text + &numbers(status).render(style, "  ")
}

fn degradation(one: &Degradation, style: Style) -> String {
    let what = style.paint(Ink::Red, &one.what);
    let mut text = format!("  {what}: {}\n", one.why);
    if !one.hint.is_empty() {
        text.push_str(&format!(
            "    {} {}\n",
            style.paint(Ink::Yellow, "hint:"),
            one.hint
        ));
    }
    text + &format!("    since {}\n", one.since_at)
}

fn numbers(status: &Status) -> Table {
    let mut table = Table::new(&["", ""]);
    let ink = if status.gpus_ok == status.gpus {
        Ink::Plain
    } else {
        Ink::Red
    };
    let gpus = format!("{} of {} well", status.gpus_ok, status.gpus);
    table.push(vec!["GPUs".into(), Cell::new(ink, gpus)]);
    table.push(row![
        "slices",
        format!("{}, {} leased", status.slices, status.slices_leased)
    ]);
    table.push(row!["leases", status.leases]);
    table.push(row!["jobs", format!("{} active", status.jobs_active)]);
    let store = format!(
        "epoch {}, generation {}",
        status.store_epoch, status.generation
    );
    table.push(row!["store", store]);
    let metrics = match status.metrics_address.as_str() {
        "" => "off".to_owned(),
        address => format!("http://{address}/metrics"),
    };
    table.push(row!["metrics", metrics]);
    let peers = match status.peers_address.as_str() {
        "" => "off",
        address => address,
    };
    table.push(row!["peers", peers]);
    table
}
