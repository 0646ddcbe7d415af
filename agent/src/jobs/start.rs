//! From a waiting job to a running container: a slice, the image, the start.
//!
//! A reservation is kept alive while its container is being made. It is given back whenever the job waits
//! for something else than containerd, as for an image that is pulled.

use std::time::Duration;

use kerf_types::job::{JobSpec, JobState};
use kerf_types::lease::{Holder, Lease};
use kerf_types::{Ask, ContainerRef, JobId, LeaseId};
use tokio::time::Instant;

use super::container::{clear_up, exists};
use super::inner::Inner;
use super::run::{RETRY, back_to_pending, cancelled, give_back, is_cancelled, mark_running, note};
use crate::errors::chain;
use crate::host::policy::may_ask;
use crate::host::{Command, HostError, Reserve, Wanted};
use crate::launcher::{LauncherError, StartRequest};
use crate::store::JobRow;

/// Time between two tries of a waiting job when nothing changes on the host.
const WAIT: Duration = Duration::from_secs(5);

/// The job has been given its final state.
pub(super) enum Stop {
    Ended,
}

/// What became of the tries to start one container.
enum Outcome {
    Runs,
    Cancelled,
    /// The reservation has ended before a container came to it.
    LeaseLost,
    Failed(LauncherError),
}

/// Brings a job to a running container, whose name it gives.
pub(super) async fn begin(inner: &Inner, row: &JobRow, spec: &JobSpec) -> Result<String, Stop> {
    let id = row.id;
    let name = format!("kerf-{id}-{}", row.restarts);
    let container = match inner.launcher.container(&name) {
        Ok(container) => container,
        Err(error) => return fail(inner, id, &chain(&error)).await,
    };
    let mut pulled = false;
    loop {
        let lease = match &spec.accelerator {
            Some(ask) => Some(wait_for_slice(inner, id, ask, &container).await?.id),
            None => None,
        };
        let request = StartRequest {
            container: container.clone(),
            job: id,
            spec: spec.clone(),
            submitter: row.submitter,
            lease,
            log_dir: inner.log_dir(id),
            restarts: row.restarts,
            stdin: false,
            terminal_size: None,
        };
        let outcome = start(inner, &request).await;
        if matches!(outcome, Outcome::Runs) {
            return Ok(name);
        }
        give_back(inner, lease).await;
        match outcome {
            Outcome::Runs | Outcome::LeaseLost => {
                let why = "its reservation ended before its container came; it tries again";
                back_to_pending(inner, id, why).await;
            }
            Outcome::Cancelled => {
                let why = "cancelled before it started";
                inner.end(id, JobState::Cancelled, None, why).await;
                clear_up(inner, id, &name).await;
                return Err(Stop::Ended);
            }
            Outcome::Failed(LauncherError::NoImage { image }) if !pulled => {
                let why = format!("image {image} is not on this host and is being pulled");
                back_to_pending(inner, id, &why).await;
                pull(inner, id, &image).await?;
                pulled = true;
            }
            Outcome::Failed(error) => return fail(inner, id, &chain(&error)).await,
        }
    }
}

async fn fail<T>(inner: &Inner, id: JobId, why: &str) -> Result<T, Stop> {
    inner.end(id, JobState::Failed, None, why).await;
    Err(Stop::Ended)
}

/// Starts a container, as often as containerd is away in the middle of it.
async fn start(inner: &Inner, request: &StartRequest) -> Outcome {
    let (id, name) = (request.job, request.container.id.as_str());
    let mut promise = Promise::new(inner, request.lease);
    loop {
        if is_cancelled(inner, id) {
            return Outcome::Cancelled;
        }
        if promise.lost {
            return Outcome::LeaseLost;
        }
        let starting = inner.update(id, |row| {
            row.state = JobState::Starting;
            row.container = Some(name.to_owned());
            row.lease = request.lease;
            "its container is being made".clone_into(&mut row.reason);
        });
        if let Err(error) = starting {
            tracing::warn!(job.id = %id, error = chain(&error), "job not kept");
            promise.keep_during(tokio::time::sleep(RETRY)).await;
            continue;
        }
        let started = promise.keep_during(inner.launcher.start(request.clone()));
        match started.await {
            Ok(started) => {
                if let Some(terminal) = started.terminal {
                    inner.open_console(id, name, terminal);
                }
                mark_running(inner, id);
                return Outcome::Runs;
            }
            Err(error) if error.is_transient() => {
                note(inner, id, &chain(&error));
                // containerd may have made it all the same; what it half made is taken away.
                let look = async {
                    tokio::time::sleep(RETRY).await;
                    exists(inner, id, name).await
                };
                let runs = tokio::select! {
                    runs = promise.keep_during(look) => runs,
                    () = cancelled(inner, id) => return Outcome::Cancelled,
                };
                if runs {
                    mark_running(inner, id);
                    return Outcome::Runs;
                }
            }
            Err(_) if promise.lost => return Outcome::LeaseLost,
            Err(error) => return Outcome::Failed(error),
        }
    }
}

/// A reservation that must not expire while its container is being made.
struct Promise<'a> {
    inner: &'a Inner,
    lease: Option<LeaseId>,
    renewed: Instant,
    lost: bool,
}

impl<'a> Promise<'a> {
    fn new(inner: &'a Inner, lease: Option<LeaseId>) -> Self {
        Self {
            inner,
            lease,
            renewed: Instant::now(),
            lost: false,
        }
    }

    /// Waits for `work` and renews meanwhile. Work is not broken off when the reservation is lost: a start
    /// goes on in the launcher, and a second one of the same name would be refused.
    async fn keep_during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Some(lease) = self.lease.filter(|_| !self.lost) {
            tokio::select! {
                done = &mut work => return done,
                () = self.renew_until_lost(lease) => {}
            }
        }
        work.await
    }

    async fn renew_until_lost(&mut self, lease: LeaseId) {
        let ttl = self.inner.config().launch.reservation_ttl;
        loop {
            // Twice more before it expires, should the owner be busy with the hardware.
            tokio::time::sleep_until(self.renewed + ttl / 3).await;
            self.renewed = Instant::now();
            let renewed: Result<(), HostError> = self
                .inner
                .host
                .ask(|reply| Command::Renew { lease, ttl, reply })
                .await;
            match renewed {
                Ok(()) => {}
                Err(HostError::NoLease { .. }) => {
                    self.lost = true;
                    return;
                }
                Err(error) => tracing::debug!(lease.id = %lease, %error, "lease not renewed"),
            }
        }
    }
}

/// Fetches the image of a job that holds no slice meanwhile.
async fn pull(inner: &Inner, id: JobId, image: &str) -> Result<(), Stop> {
    let tries = async {
        loop {
            match inner.launcher.pull_image(image).await {
                Err(error) if error.is_transient() => {
                    note(inner, id, &chain(&error));
                    tokio::time::sleep(RETRY).await;
                }
                outcome => return outcome,
            }
        }
    };
    let outcome = tokio::select! {
        outcome = tries => outcome,
        () = cancelled(inner, id) => {
            let why = "cancelled while its image was pulled";
            inner.end(id, JobState::Cancelled, None, why).await;
            return Err(Stop::Ended);
        }
    };
    let missing = format!("image {image} is not on this host");
    match outcome {
        Ok(_) => Ok(()),
        Err(LauncherError::NoTransfer { version, .. }) => {
            let why = format!(
                "{missing}, and containerd {version} cannot pull: import its archive with \
                 `kerf run --image-archive`"
            );
            fail(inner, id, &why).await
        }
        Err(error) => fail(inner, id, &format!("{missing}: {}", chain(&error))).await,
    }
}

/// Tries for a slice until it has one or the job is cancelled. A refusal that waiting cannot mend ends it.
async fn wait_for_slice(
    inner: &Inner,
    id: JobId,
    ask: &Ask,
    container: &ContainerRef,
) -> Result<Lease, Stop> {
    let mut changes = inner.host.watch();
    loop {
        if is_cancelled(inner, id) {
            let why = "cancelled while it waited";
            inner.end(id, JobState::Cancelled, None, why).await;
            return Err(Stop::Ended);
        }
        let (outcome, seen) = reserve(inner, ask, container).await;
        match outcome {
            Ok(lease) => return Ok(lease),
            Err(error @ (HostError::Invalid(_) | HostError::Unknown { .. })) => {
                return fail(inner, id, &chain(&error)).await;
            }
            Err(error) => note(inner, id, &chain(&error)),
        }
        tokio::select! {
            _ = changes.wait_for(|view| view.capacity != seen) => {}
            () = cancelled(inner, id) => {}
            () = tokio::time::sleep(WAIT) => {}
        }
    }
}

/// One try for a slice, and the capacity of the host that was known before it.
async fn reserve(
    inner: &Inner,
    ask: &Ask,
    container: &ContainerRef,
) -> (Result<Lease, HostError>, u64) {
    let launch = &inner.config().launch;
    // Asked each time and not only when the job came in: a reload may have taken the right away, and another
    // may give it back, so that a job waits for that and does not fail.
    if !may_ask(&launch.asks, &container.namespace, &ask.to_string()) {
        let refusal = HostError::NotAllowed {
            namespace: container.namespace.clone(),
            ask: ask.to_string(),
        };
        return (Err(refusal), inner.host.view().capacity);
    }
    let request = Reserve {
        wanted: Wanted::Ask(ask.clone()),
        holder: Holder::Container(container.clone()),
        ttl: launch.reservation_ttl,
        by: None,
    };
    let _turn = inner.turn.lock().await;
    let seen = inner.host.view().capacity;
    let begun = Instant::now();
    let outcome = inner
        .host
        .ask(|reply| Command::Reserve { request, reply })
        .await;
    let word = if outcome.is_ok() { "placed" } else { "waits" };
    inner.metrics.decisions.inc([word]);
    let took = begun.elapsed().as_secs_f64();
    inner.metrics.decision_duration.observe(took);
    (outcome, seen)
}
