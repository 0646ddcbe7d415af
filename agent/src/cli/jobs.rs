//! `kerf jobs`: the jobs of the host, or one of them whole.

use kerf_api::json::{Job, JobEntry, Jobs};
use kerf_api::v1;
use kerf_types::JobId;

use super::client::{Client, soon};
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table, row};
use super::words::shell_line;
use super::{Context, Exit, members};

/// Candidates that an error about a prefix names.
const NAMED: usize = 5;

/// `kerf jobs`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Those that have ended too
    #[arg(short, long, conflicts_with = "id")]
    all: bool,
    /// One job, by its id or the beginning of it
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// Lists jobs, or shows one.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    match &args.id {
        Some(prefix) => {
            let request = v1::GetJobRequest {
                id: resolve(&mut client, prefix).await?,
                wait: false,
            };
            let job = client.get_job(soon(request)).await;
            let job = job.map_err(Failure::call("look at the job"))?;
            let job = Job::try_from(job.get_ref()).map_err(Failure::AnsweredJob)?;
            context.print.document(&job, render_one)?;
        }
        None => {
            let jobs = list(&mut client, args.all).await?;
            let jobs = Jobs::try_from(&jobs).map_err(Failure::AnsweredJob)?;
            context.print.document(&jobs, render)?;
        }
    }
    Ok(Exit::Done)
}

/// The whole list, page by page.
async fn list(client: &mut Client, all: bool) -> Result<v1::ListJobsResponse, Failure> {
    let mut list = v1::ListJobsResponse::default();
    loop {
        let request = v1::ListJobsRequest {
            all,
            after: std::mem::take(&mut list.next),
        };
        let page = client.list_jobs(soon(request)).await;
        let page = page.map_err(Failure::call("list the jobs"))?.into_inner();
        list.jobs.extend(page.jobs);
        list.next = page.next;
        if list.next.is_empty() {
            return Ok(list);
        }
    }
}

/// The id that was meant: a whole one as it is, else the only one that begins so.
pub async fn resolve(client: &mut Client, prefix: &str) -> Result<String, Failure> {
    if prefix.parse::<JobId>().is_ok() {
        return Ok(prefix.to_owned());
    }
    let jobs = list(client, true).await?.jobs;
    only_one("jobs", prefix, jobs.into_iter().map(|job| job.id))
}

/// The only one of the ids that begins so.
pub fn only_one(
    what: &'static str,
    prefix: &str,
    ids: impl Iterator<Item = String>,
) -> Result<String, Failure> {
    let mut fitting: Vec<String> = ids.filter(|id| id.starts_with(prefix)).collect();
    let count = fitting.len();
    match fitting.pop() {
        Some(only) if count == 1 && !prefix.is_empty() => Ok(only),
        last => {
            let candidates = fitting.into_iter().chain(last).take(NAMED).collect();
            Err(Failure::Prefix {
                what,
                prefix: prefix.to_owned(),
                count,
                candidates,
            })
        }
    }
}

/// The list.
pub fn render(jobs: &Jobs, style: Style) -> String {
    if jobs.jobs.is_empty() {
        return "no jobs\n".to_owned();
    }
    let mut table = Table::new(&[
        "ID",
        "STATE",
        ">EXIT",
        "HOST",
        "NAME",
        "ASK",
        "IMAGE",
        "SUBMITTED",
        "REASON",
    ]);
    for job in &jobs.jobs {
        let name = Some(&job.spec.name).filter(|name| !name.is_empty());
        table.push(vec![
            (&job.id).into(),
            Cell::new(Ink::of_state(&job.state), &job.state),
            Cell::optional(job.exit_code),
            Cell::optional(members::column(&job.members)),
            Cell::optional(name),
            Cell::optional(job.spec.accelerator.as_ref()),
            (&job.spec.image).into(),
            (&job.submitted_at).into(),
            (&job.reason).into(),
        ]);
    }
    table.render(style, "")
}

/// The attempt that put its members where they are, unless it is the first.
fn attempt(job: &JobEntry) -> Option<String> {
    let last = job.members.iter().map(|member| member.attempt).max();
    last.filter(|attempt| *attempt > 1)
        .map(|attempt| attempt.to_string())
}

/// One job, a line a fact; what the job does not say is left out.
pub fn render_one(job: &Job, style: Style) -> String {
    let JobEntry { spec, .. } = &job.job;
    let mut table = Table::new(&["", ""]);
    let state = Cell::new(Ink::of_state(&job.job.state), &job.job.state);
    table.push(row!["id", &job.job.id]);
    table.push(vec!["state".into(), state]);
    table.push(row!["reason", &job.job.reason]);
    for (host, numbers) in members::hosts(&job.job.members) {
        let label = if spec.members > 1 {
            members::numbers(&numbers)
        } else {
            "host".to_owned()
        };
        table.push(row![label, host]);
    }
    let facts = [
        ("exit code", job.job.exit_code.map(|code| code.to_string())),
        (
            "name",
            Some(spec.name.clone()).filter(|name| !name.is_empty()),
        ),
        ("image", Some(spec.image.clone())),
        (
            "command",
            Some(shell_line(&spec.args)).filter(|line| !line.is_empty()),
        ),
        ("asks for", spec.accelerator.clone()),
        ("lease", job.job.lease.clone()),
        ("container", job.job.container.clone()),
        ("tenant", Some(spec.tenant.clone())),
        ("user", Some(job.job.uid.to_string())),
        ("submitted", Some(job.job.submitted_at.clone())),
        ("started", job.job.started_at.clone()),
        ("ended", job.job.ended_at.clone()),
        ("attempt", attempt(&job.job)),
        (
            "restarts",
            Some(job.job.restarts.to_string()).filter(|count| count != "0"),
        ),
        ("spec hash", Some(job.job.spec_hash.clone())),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            table.push(row![name, value]);
        }
    }
    table.render(style, "")
}
