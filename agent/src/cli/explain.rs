//! `kerf explain`: why a job is where it is, or why it waits, host by host.

use kerf_api::json::JobExplanation;
use kerf_api::json::explanation::{Explanation, HostVerdict, Refusal, Verdict};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::members::{hosts, name_of, names, numbers};
use super::style::{Ink, Style};
use super::table::{Cell, Table};
use super::words::{count, ranges};
use super::{Context, Exit, jobs};

/// `kerf explain`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, by its id or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
}

/// Asks kerfd what was said of each host.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let id = jobs::resolve(&mut client, &args.id).await?;
    let answer = client.explain_job(soon(v1::ExplainJobRequest { id })).await;
    let answer = answer.map_err(Failure::call("explain the job"))?;
    let explained = JobExplanation::try_from(answer.get_ref());
    let explained = explained.map_err(Failure::AnsweredExplanation)?;
    context.print.document(&explained, render)?;
    Ok(Exit::Done)
}

/// How the job is and where, then a line a host: those that serve come first.
pub fn render(job: &JobExplanation, style: Style) -> String {
    let state = style.paint(Ink::of_state(&job.state), &job.state);
    let mut text = format!(
        "{}  {state}: {}\n",
        style.paint(Ink::Bold, &job.job),
        job.reason
    );
    let attempt = job.members.iter().map(|member| member.attempt).max();
    let attempt = match attempt {
        Some(again) if again > 1 => format!(" (attempt {again})"),
        _ => String::new(),
    };
    for (host, members) in hosts(&job.members) {
        text.push_str(&format!("{} on {host}{attempt}\n", numbers(&members)));
    }
    match &job.explanation {
        Some(explanation) => text.push_str(&verdicts(explanation, style)),
        None => text.push_str(&format!("{}\n", style.paint(Ink::Dim, unexplained(job)))),
    }
    text
}

/// Why there is nothing to tell.
fn unexplained(job: &JobExplanation) -> &'static str {
    match job.state.as_str() {
        "pending" => "no explanation: it was not compared with any host yet",
        "starting" | "running" => "no explanation: the kerfd that placed it kept none",
        _ => "no explanation: it ended before it was placed, or the kerfd that placed it kept none",
    }
}

fn verdicts(explanation: &Explanation, style: Style) -> String {
    let mut text = format!("\n{}\n", head(explanation));
    let names = names(explanation.hosts.iter().map(|host| host.name.as_str()));
    let mut table = Table::new(&["", "", ""]);
    for host in &explanation.hosts {
        let name = name_of(&host.name, &host.id, &names);
        table.push(line(name, host, explanation.unplaced.is_none()));
    }
    text.push_str(&table.render(style, "  "));
    if explanation.not_listed > 0 {
        let more = count(explanation.not_listed, "more host");
        let by = explanation.refusals.iter();
        let by: Vec<String> = by.map(|(word, hosts)| format!("{word} {hosts}")).collect();
        let rest = format!("{more} cannot serve; of all hosts: {}", by.join(", "));
        text.push_str(&format!("  {}\n", style.paint(Ink::Dim, rest)));
    }
    if explanation.not_sampled > 0 {
        let more = count(explanation.not_sampled, "host");
        let rest = format!("not looked at, since enough others can serve: {more}");
        text.push_str(&format!("  {}\n", style.paint(Ink::Dim, rest)));
    }
    text
}

fn head(explanation: &Explanation) -> String {
    let Some(unplaced) = explanation.unplaced else {
        return "placed:".to_owned();
    };
    let known = !explanation.hosts.is_empty() || explanation.not_listed > 0;
    match (known, unplaced.members) {
        (false, _) => "it waits: no host is known".to_owned(),
        (true, 1) => "it waits, no host has room:".to_owned(),
        (true, members) => format!(
            "it waits, no host has room for member {} (of {members}, counted from 0):",
            unplaced.member
        ),
    }
}

/// Name, verdict and why; of a job that waits no member is really placed. Red is for what no waiting helps against.
fn line(name: String, host: &HostVerdict, placed: bool) -> Vec<Cell> {
    match &host.verdict {
        Verdict::Chosen {
            members,
            score,
            full,
        } => {
            let mut why = score.text.clone();
            if let Some(full) = full {
                why.push_str(&format!("; no room for more: {}", full.text));
            }
            let gets = if placed { "gets" } else { "would get" };
            let gets = format!("{gets} {}", ranges(members));
            vec![
                Cell::new(Ink::Green, name),
                Cell::new(Ink::Green, gets),
                Cell::new(Ink::Green, why),
            ]
        }
        Verdict::Feasible { score } => vec![name.into(), "could".into(), (&score.text).into()],
        Verdict::Refused { refusal } => {
            let ink = ink(refusal);
            vec![
                Cell::new(ink, name),
                Cell::new(ink, &refusal.constraint),
                Cell::new(ink, &refusal.text),
            ]
        }
    }
}

fn ink(refusal: &Refusal) -> Ink {
    if refusal.may_pass { Ink::Dim } else { Ink::Red }
}
