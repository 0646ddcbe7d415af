//! `kerf force`: lets a job go on whose keepers are gone for good.

use kerf_api::json::{ForcedJob, JobKeeper};
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::{Context, Exit, jobs};

/// `kerf force`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Three hosts keep a job and agree on what becomes of it. When two of them are gone, nobody can say any more what\n\
was agreed on, and the job waits for one of them to come back. If none ever will, this gives them up: the host\n\
that is asked goes on with other hosts. What only the lost ones knew is lost: members that they had started\n\
meanwhile may run beside new ones until somebody ends them. That it was done is kept with the job, logged, and\n\
an event on each host that keeps it from then on.")]
pub struct Args {
    /// The job, by its id or the beginning of it
    #[arg(value_name = "ID")]
    id: String,
    /// A keeper that will never come back, by name or id; may be said again
    #[arg(long, value_name = "HOST", required = true)]
    give_up: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Gives keepers up.
pub async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let request = v1::ForceJobRequest {
        id: jobs::resolve(&mut client, &args.id).await?,
        give_up: args.give_up.clone(),
        dry_run: args.dry_run,
    };
    let answer = client.force_job(soon(request)).await;
    let answer = answer.map_err(Failure::call("force the job"))?;
    let forced = ForcedJob::from(answer.get_ref());
    context.print.document(&forced, render)?;
    Ok(Exit::Done)
}

/// Who keeps it, and what that costs.
pub fn render(forced: &ForcedJob, style: Style) -> String {
    let names = |hosts: &[JobKeeper]| {
        let name = |host: &JobKeeper| match host.here {
            true => format!("{} (here)", host.name),
            false => host.name.clone(),
        };
        hosts.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let (id, keepers) = (&forced.id, names(&forced.keepers));
    let given_up = style.paint(Ink::Red, names(&forced.given_up));
    let (is, are) = match forced.dry_run {
        true => ("would be", "would be"),
        false => ("is", "are"),
    };
    format!(
        "{id} {is} kept by {keepers} from now on\n{given_up} {are} given up, with what they alone had agreed on\n"
    )
}

#[cfg(test)]
mod tests {
    use kerf_api::json::ForcedJob;
    use kerf_api::v1;

    use super::render;
    use crate::cli::style::Style;

    #[test]
    fn who_keeps_it_and_who_is_given_up() {
        let keeper = |name: &str| v1::JobKeeper {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            name: name.to_owned(),
            here: name == "gpu-1",
        };
        let mut forced = v1::ForcedJob {
            id: "0192f000-0000-7000-8000-000000000001".to_owned(),
            keepers: ["gpu-1", "gpu-4", "gpu-5"].map(keeper).to_vec(),
            given_up: ["gpu-2", "gpu-3"].map(keeper).to_vec(),
            dry_run: false,
        };
        let shown = |forced: &v1::ForcedJob| render(&forced.into(), Style { color: false });
        insta::assert_snapshot!(shown(&forced), @"
        0192f000-0000-7000-8000-000000000001 is kept by gpu-1 (here), gpu-4, gpu-5 from now on
        gpu-2, gpu-3 are given up, with what they alone had agreed on
        ");
        forced.dry_run = true;
        insta::assert_snapshot!(shown(&forced), @"
        0192f000-0000-7000-8000-000000000001 would be kept by gpu-1 (here), gpu-4, gpu-5 from now on
        gpu-2, gpu-3 would be given up, with what they alone had agreed on
        ");
        let json = serde_json::to_value(ForcedJob::from(&forced)).expect("it writes");
        assert_eq!(json["schema"], "kerf.v1.ForcedJob");
        assert_eq!(json["keepers"][0]["here"], true);
    }
}
