//! A job that an operator lets go on without keepers that are gone for good.

use kerf_api::v1;
use kerf_scheduler::core::ForceRefusal;
use kerf_types::HostId;
use tonic::{Code, Status};

use super::Service;
use super::jobs::parse;
use super::nodes::resolve;
use super::status::{refusal, with_hint};
use crate::fleet::{AskError, FleetView};

impl Service {
    pub(super) async fn force(
        &self,
        request: &v1::ForceJobRequest,
    ) -> Result<v1::ForcedJob, Status> {
        let job = parse(&request.id)?;
        let fleet = self.fleet.borrow().clone();
        let give_up = request.give_up.iter().map(|host| named(&fleet, host));
        let give_up: Vec<HostId> = give_up.collect::<Result<_, _>>()?;
        let plan = self.asks.force(job, give_up, request.dry_run).await;
        let plan = plan.map_err(|error| match error {
            AskError::Refused(why) => refused(&fleet, &request.id, why),
            AskError::NotYet => {
                let hint = "they are asked again and again; kerf events says when they do, and kerf nodes who is alive";
                refusal(Code::Unavailable, &error, hint)
            }
            AskError::Gone => refusal(Code::Unavailable, &error, "start kerfd again"),
        })?;
        let keeper = |host: &HostId| v1::JobKeeper {
            id: host.to_string(),
            name: name_of(&fleet, *host),
            here: fleet.nodes.iter().any(|node| node.here && node.id == *host),
        };
        Ok(v1::ForcedJob {
            id: job.to_string(),
            keepers: plan.keepers.iter().map(keeper).collect(),
            given_up: plan.given_up.iter().map(keeper).collect(),
            dry_run: request.dry_run,
        })
    }
}

/// The host that was meant. One that the fleet has forgotten is named by its id.
fn named(fleet: &FleetView, host: &str) -> Result<HostId, Status> {
    host.parse().or_else(|_| resolve(fleet, host))
}

fn name_of(fleet: &FleetView, host: HostId) -> String {
    let known = fleet.nodes.iter().find(|node| node.id == host);
    known.map_or_else(|| host.to_string(), |node| node.name.clone())
}

fn refused(fleet: &FleetView, job: &str, why: ForceRefusal) -> Status {
    let name = |host| name_of(fleet, host);
    let (text, hint) = match why {
        ForceRefusal::NotKept => (
            format!("this host does not keep job {job} with others, or it has ended"),
            "ask on the host that it was submitted to, or on one that kerf events there names",
        ),
        ForceRefusal::Nobody => (
            format!("no keeper of job {job} is named that is to be given up"),
            "name each with --give-up; kerf jobs ID says for whom the job waits",
        ),
        ForceRefusal::NoKeeper(host) => (
            format!("{} does not keep job {job}", name(host)),
            "kerf jobs ID says for whom the job waits",
        ),
        ForceRefusal::Itself => (
            format!("this host keeps job {job} and cannot give itself up"),
            "ask on another host that keeps it",
        ),
        ForceRefusal::Alive(host) => (
            format!(
                "{} lives, and has what it agreed on for job {job}",
                name(host)
            ),
            "a host that lives is not given up; stop its kerfd first if it must be",
        ),
        ForceRefusal::Majority { left, of } => (
            format!("{left} of {of} keepers of job {job} would be left, which are a majority"),
            "nothing need be forced: a keeper that is down is exchanged by itself within minutes",
        ),
    };
    with_hint(Code::FailedPrecondition, text, hint)
}
