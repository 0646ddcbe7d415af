//! `kerf history`: who changed which GPU, and what came of it.

use kerf_api::json::history::{History, HistoryEntry, HistoryOutcome};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::{count, micros};
use super::{Context, Exit};

/// Entries that are shown unless somebody asks for more: a screen of them.
const SHOWN: u32 = 20;

/// `kerf history`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At most so many, the newest first; 0 for all that are kept
    #[arg(short = 'n', long, value_name = "N", default_value_t = SHOWN)]
    limit: u32,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What to do with it.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// One entry whole
    Show {
        /// Its number
        #[arg(value_name = "ID")]
        number: u64,
    },
}

/// Lists entries, or shows one.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let number = args.verb.as_ref().map(|Verb::Show { number }| *number);
    let mut client = context.connect().await?;
    let limit = args.limit;
    let answer = client
        .list_history(soon(v1::ListHistoryRequest { limit, number }))
        .await;
    let answer = answer.map_err(Failure::call("read the history"))?;
    let mut history = History::try_from(answer.get_ref()).map_err(Failure::AnsweredHistory)?;
    match number {
        None => context.print.document(&history, render)?,
        Some(number) => {
            let entry = history.entries.pop().ok_or(Failure::NoEntry { number })?;
            context.print.document(&entry, render_one)?;
        }
    }
    Ok(Exit::Done)
}

fn ink(outcome: HistoryOutcome) -> Ink {
    match outcome {
        HistoryOutcome::Done => Ink::Green,
        HistoryOutcome::Running => Ink::Cyan,
        HistoryOutcome::Refused => Ink::Yellow,
        HistoryOutcome::Failed | HistoryOutcome::Interrupted => Ink::Red,
    }
}

/// Who asked, and for whom.
fn who(entry: &HistoryEntry) -> String {
    let by = entry.by.as_ref().map(|by| match by.pid {
        Some(pid) => format!("uid {} pid {pid}", by.uid),
        None => format!("uid {}", by.uid),
    });
    match (by, &entry.holder) {
        (Some(by), Some(holder)) => format!("{by} for {holder}"),
        (Some(by), None) => by,
        (None, Some(holder)) => holder.clone(),
        (None, None) => "kerfd".to_owned(),
    }
}

fn what(entry: &HistoryEntry) -> String {
    match &entry.plan {
        None => "-".to_owned(),
        Some(plan) => {
            let (made, gone) = (plan.created, plan.destroyed);
            format!(
                "{}: +{made} -{gone} ={}",
                count(plan.gpus.len(), "GPU"),
                plan.kept
            )
        }
    }
}

/// A line an entry.
pub fn render(history: &History, style: Style) -> String {
    if history.entries.is_empty() {
        return "nothing was changed on this host\n".to_owned();
    }
    let mut table = Table::new(&[">ID", "BEGAN", "KIND", "WHO", "WHAT", "OUTCOME"]);
    for entry in &history.entries {
        let resumed = if entry.resumed { " (resumed)" } else { "" };
        let outcome = format!("{}{resumed}", entry.outcome.as_str());
        table.push(vec![
            Cell::from(entry.number),
            Cell::new(Ink::Dim, &entry.begun_at),
            Cell::from(entry.kind.as_str()),
            Cell::from(who(entry)),
            Cell::from(what(entry)),
            Cell::new(ink(entry.outcome), outcome),
        ]);
    }
    table.render(style, "")
}

/// All of it.
pub fn render_one(entry: &HistoryEntry, style: Style) -> String {
    let outcome = style.paint(ink(entry.outcome), entry.outcome.as_str());
    let resumed = if entry.resumed {
        ", resumed after a crash"
    } else {
        ""
    };
    let head = format!("{} {}", entry.kind.as_str(), entry.number);
    let mut text = format!("{}  {outcome}{resumed}\n", style.paint(Ink::Bold, head));
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<8} {value}\n"));
    line("who", who(entry));
    line("began", entry.begun_at.clone());
    line(
        "ended",
        entry.ended_at.clone().unwrap_or_else(|| "-".to_owned()),
    );
    if let Some(hash) = &entry.layout_sha256 {
        line("layout", format!("sha256 {hash}"));
    }
    if let Some(plan) = &entry.plan {
        let cost = format!("cost {} of at least {}", plan.cost, plan.lower_bound);
        line("plan", format!("{}, {cost}", what(entry)));
    }
    if !entry.force_destroy.is_empty() {
        line("by force", entry.force_destroy.join(", "));
    }
    if let Some(why) = &entry.why {
        line("why", why.clone());
    }
    for (number, step) in (1..).zip(&entry.steps) {
        let took = style.paint(Ink::Dim, micros(step.duration_us));
        text.push_str(&format!("  {number:>3}. {}  {took}\n", step.step));
        if let Some(error) = &step.error {
            text.push_str(&format!(
                "       {} {error}\n",
                style.paint(Ink::Red, "failed:")
            ));
        }
    }
    for gpu in &entry.readback {
        let slices = match gpu.slices.as_slice() {
            [] => "no slices".to_owned(),
            slices => slices.join(", "),
        };
        let then = match &gpu.modes {
            Some(modes) => modes.clone(),
            None => format!("MIG {}, {slices}", gpu.mig),
        };
        text.push_str(&format!("  {} then: {then}\n", gpu.pci));
    }
    text
}
