//! `kerf lease usage`: what leases have used, those that run and those that have ended.

use kerf_api::json::{LeaseUsage, LeaseUsages};
use kerf_api::v1;
use kerf_types::Bytes;

use super::client::{Client, soon};
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::{Context, Exit};

/// Accounts that are shown unless somebody asks for more: a screen of them.
const SHOWN: u32 = 20;

/// `kerf lease usage`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At most so many, those that run first and then the newest; 0 for all that are kept
    #[arg(short = 'n', long, value_name = "N", default_value_t = SHOWN)]
    limit: u32,
}

/// Lists accounts.
pub async fn run(args: &Args, client: &mut Client, context: &Context) -> Result<Exit, Failure> {
    let limit = args.limit;
    let answer = client
        .list_usage(soon(v1::ListUsageRequest { limit }))
        .await;
    let answer = answer.map_err(Failure::call("read what leases have used"))?;
    let usages = LeaseUsages::try_from(answer.get_ref()).map_err(Failure::AnsweredUsage)?;
    context.print.document(&usages, render)?;
    Ok(Exit::Done)
}

/// One line for each.
pub fn render(usages: &LeaseUsages, style: Style) -> String {
    if usages.leases.is_empty() {
        return "no lease has used anything\n".to_owned();
    }
    let mut table = Table::new(&[
        "LEASE",
        "WANTED",
        "HOLDER",
        "BEGUN",
        "ENDED",
        ">DEVICE TIME",
        ">BUSY",
        ">MEMORY PEAK",
        ">ENERGY",
    ]);
    for one in &usages.leases {
        table.push(line(one));
    }
    table.render(style, "")
}

fn line(one: &LeaseUsage) -> Vec<Cell> {
    let seconds = |seconds: f64| format!("{seconds:.1} s");
    let ended = match &one.ended_at {
        Some(ended) => ended.into(),
        None => Cell::new(Ink::Green, "runs"),
    };
    vec![
        (&one.lease_id).into(),
        (&one.wanted).into(),
        (&one.holder).into(),
        (&one.begun_at).into(),
        ended,
        seconds(one.device_seconds).into(),
        Cell::optional(one.busy_seconds.map(seconds)),
        Cell::optional(one.memory_peak_bytes.map(Bytes)),
        Cell::optional(one.energy_joules.map(|joules| format!("{joules:.0} J"))),
    ]
}
