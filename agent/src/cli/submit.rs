//! `kerf submit`: hands a job to kerfd and prints its id; the job goes on by itself.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use kerf_api::json::Job;
use kerf_api::json::job::{JobSpecDocument, canonical_json};
use kerf_api::v1;
use kerf_types::JobId;
use kerf_types::job::JobSpec;

use super::client::{Client, soon};
use super::fail::Failure;
use super::input::Source;
use super::run::{RunError, image};
use super::spec::SpecArgs;
use super::style::Style;
use super::{Context, Exit};

/// `kerf submit`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A kerf.v1.JobSpec in YAML, TOML or JSON instead of flags; - for standard input
    #[arg(short, long, value_name = "SPEC", conflicts_with = "spec")]
    file: Option<PathBuf>,
    #[command(flatten)]
    spec: SpecArgs,
}

/// Submits a job.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let document: JobSpecDocument = match &args.file {
        Some(path) => Source::read(path)?.parse()?,
        None => described(args.spec, false, &mut client).await?,
    };
    let job = send(&mut client, document).await?;
    let job = Job::try_from(&job).map_err(Failure::AnsweredJob)?;
    context.print.document(&job, render)?;
    Ok(Exit::Done)
}

/// The id alone, for `id=$(kerf submit …)`.
pub fn render(job: &Job, _: Style) -> String {
    format!("{}\n", job.job.id)
}

/// The description that flags give; the image's archive is imported on the way.
pub async fn described(
    spec: SpecArgs,
    terminal: bool,
    client: &mut Client,
) -> Result<JobSpecDocument, Failure> {
    let imported = match &spec.image_archive {
        Some(path) => image::import(client, path).await?,
        None => Vec::new(),
    };
    let image = match (spec.image(), imported.as_slice()) {
        (Some(named), _) => named.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => return Err(RunError::NoImage { imported }.into()),
    };
    Ok(spec.document(image, terminal, |name| std::env::var(name).ok()))
}

/// Checks a description and hands it over.
pub async fn send(client: &mut Client, document: JobSpecDocument) -> Result<v1::Job, Failure> {
    let spec = JobSpec::try_from(document).map_err(Failure::Spec)?;
    let request = v1::SubmitJobRequest {
        id: new_id()?.to_string(),
        spec_json: canonical_json(&spec),
    };
    let job = client
        .submit_job(soon(request))
        .await
        .map_err(Failure::call("submit the job"))?;
    Ok(job.into_inner())
}

/// The id is chosen here, so that the same submit twice is one job.
fn new_id() -> Result<JobId, Failure> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(RunError::Random)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(JobId::new(
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        random,
    ))
}
