//! From an order to a running container: the image, then the start.
//!
//! The promise of the devices is kept alive while the container is being made, also while its image is pulled: the
//! attempt is decided, and others wait for this member.

use std::sync::Arc;
use std::time::Duration;

use kerf_types::job::JobSpec;
use kerf_types::lease::Lease;
use kerf_types::peer::{By, Grant, Tag, Term};
use kerf_types::{Gang, HostId, LeaseId, Moment};
use tokio::time::Instant;

use super::admit::{admit, submitter};
use super::container::{clear_up, exists};
use super::guard;
use super::inner::Inner;
use super::orders::Orders;
use super::watch::{RETRY, mark_running};
use crate::errors::chain;
use crate::host::{Command, HostError};
use crate::launcher::{LauncherError, Seat, StartRequest};
use crate::store::{RunRow, RunState};

/// How long containerd may be away in the middle of a start before the devices are given back.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be started.
#[derive(Debug)]
pub(super) struct Order {
    pub tag: Tag,
    pub grant: Grant,
    pub spec: Arc<JobSpec>,
    pub by: By,
    pub coordinator: HostId,
    /// Where all members are, if the submitting host says it.
    pub gang: Option<Arc<Gang>>,
    /// Whoever answers for whose it is.
    pub home: HostId,
    pub term: Term,
    pub keepers: Vec<HostId>,
    /// When the container must begin to end unless that is put off.
    pub guard: Option<Moment>,
}

/// What became of an order.
#[derive(Debug)]
pub(super) enum Begun {
    Runs,
    Not {
        reason: String,
        lasting: bool,
        /// Whether something of the container may still come to be, to be taken away once containerd answers.
        unclear: bool,
    },
}

/// What became of the tries to start one container.
enum Outcome {
    Runs,
    Stopped,
    /// The promise has ended before a container came to it.
    LeaseLost,
    /// containerd was away for too long. The promise was taken back, so what may still come of it gets no device.
    Away(String),
    /// Nothing would end the container if kerfd died now.
    Unguarded(String),
    Failed(LauncherError),
}

/// The name of a member's container.
pub(super) fn container_name(tag: Tag) -> String {
    let restarts = tag.attempt.0.saturating_sub(1);
    match tag.member {
        0 => format!("kerf-{}-{restarts}", tag.job),
        member => format!("kerf-{}-{restarts}-m{member}", tag.job),
    }
}

/// Brings a member to a running container.
pub(super) async fn begin(inner: &Inner, order: Order, orders: &mut Orders) -> Begun {
    let name = container_name(order.tag);
    if let Err((reason, lasting)) = admit(inner, &order) {
        return Begun::Not {
            reason,
            lasting,
            unclear: false,
        };
    }
    let (request, row) = match prepare(inner, &order, &name) {
        Ok(prepared) => prepared,
        Err(error) => {
            return Begun::Not {
                reason: chain(&error),
                lasting: true,
                unclear: false,
            };
        }
    };
    if let Some(until) = order.guard {
        guard::expect(inner, &row, request.spec.checkpoint_grace_seconds, until);
    }
    let mut promise = Promise::new(inner, request.lease);
    let mut pulled = false;
    loop {
        let (mut gone, mut unclear) = (true, false);
        let outcome = start(inner, &row, &request, &mut promise, orders).await;
        let (reason, lasting) = match outcome {
            Outcome::Runs => return Begun::Runs,
            Outcome::Failed(LauncherError::NoImage { image }) if !pulled => {
                pulled = true;
                match pull(inner, order.tag, &image, &mut promise, orders).await {
                    Ok(()) => continue,
                    Err(reason) => (reason, true),
                }
            }
            Outcome::Failed(error) => {
                // A start that failed has taken away what it made, as far as it could. One of the same name that is
                // there already is not ours to take away.
                if !matches!(error, LauncherError::Exists { .. }) {
                    gone = clear_up(inner, &name).await;
                }
                (chain(&error), true)
            }
            Outcome::Unguarded(reason) => (reason, false),
            Outcome::LeaseLost => {
                let why = "its reservation ended before its container came";
                (why.to_owned(), false)
            }
            Outcome::Away(reason) => {
                (gone, unclear) = (false, true);
                (reason, false)
            }
            Outcome::Stopped => {
                gone = clear_up(inner, &name).await;
                ("it was stopped before it started".to_owned(), false)
            }
        };
        if gone {
            inner.guards.take_away(order.tag);
        }
        return Begun::Not {
            reason,
            lasting,
            unclear,
        };
    }
}

fn prepare(
    inner: &Inner,
    order: &Order,
    name: &str,
) -> Result<(StartRequest, RunRow), LauncherError> {
    let tag = order.tag;
    let here = order.coordinator == inner.me;
    let submitter = submitter(inner, order);
    let has_lease = order.spec.accelerator.is_some();
    let request = StartRequest {
        container: inner.launcher.container(name)?,
        job: tag.job,
        spec: JobSpec::clone(&order.spec),
        submitter,
        lease: has_lease.then_some(order.grant.lease),
        log_dir: inner.log_dir((tag.job, tag.member)),
        restarts: tag.attempt.0.saturating_sub(1),
        seat: seat(order),
        stdin: false,
        terminal_size: None,
    };
    let row = RunRow {
        tag,
        coordinator: Some(order.coordinator).filter(|_| !here),
        term: order.term,
        keepers: order.keepers.clone(),
        submitter,
        spec: kerf_api::json::job::canonical_json(&order.spec),
        container: name.to_owned(),
        grant: order.grant,
        state: RunState::Starting,
        started: None,
        runs_since: None,
        stopping: None,
        log_bytes: 0,
    };
    Ok((request, row))
}

/// Where the member stands among the others.
fn seat(order: &Order) -> Option<Seat> {
    let tag = order.tag;
    let seat = order
        .gang
        .as_ref()
        .and_then(|gang| Seat::try_new(Arc::clone(gang), tag.member));
    if seat.is_none() && order.spec.members > 1 {
        // A host of before this was told, or one whose record has no address that could be told.
        tracing::warn!(
            job.id = %tag.job,
            member = tag.member,
            peer.id = %order.coordinator,
            "member starts without the addresses of the others: the submitting host told none"
        );
    }
    seat
}

/// Starts a container, as often as containerd is away in the middle of it.
async fn start(
    inner: &Inner,
    row: &RunRow,
    request: &StartRequest,
    promise: &mut Promise<'_>,
    orders: &mut Orders,
) -> Outcome {
    let (tag, name) = (row.tag, row.container.as_str());
    let spec = Arc::new(request.spec.clone());
    let patience = Instant::now() + PATIENCE;
    loop {
        if orders.stop().is_some() {
            return Outcome::Stopped;
        }
        if promise.lost {
            return Outcome::LeaseLost;
        }
        if let Err(error) = inner.put_new(row.clone(), &spec) {
            inner.note(tag, &chain(&error));
            promise.keep_during(tokio::time::sleep(RETRY)).await;
            continue;
        }
        // Each time: containerd may have been away for long, and so may have been this host.
        if let Err(reason) = promise.keep_during(guard::before_start(inner, tag)).await {
            return Outcome::Unguarded(reason);
        }
        let started = promise.keep_during(inner.launcher.start(request.clone()));
        match started.await {
            Ok(started) => {
                if let Some(terminal) = started.terminal {
                    inner.open_console(tag, name, terminal);
                }
                mark_running(inner, tag);
                return Outcome::Runs;
            }
            Err(error) if error.is_transient() => {
                inner.note(tag, &chain(&error));
                // containerd may have made it all the same; what it half made is taken away.
                let look = async {
                    tokio::time::sleep(RETRY).await;
                    exists(inner, tag, name).await
                };
                let runs = tokio::select! {
                    runs = promise.keep_during(look) => runs,
                    _ = orders.stopped() => return Outcome::Stopped,
                    () = taken_back(inner, request.lease, patience) => {
                        return Outcome::Away(chain(&error));
                    }
                };
                if runs {
                    mark_running(inner, tag);
                    return Outcome::Runs;
                }
            }
            Err(_) if promise.lost => return Outcome::LeaseLost,
            Err(error) => return Outcome::Failed(error),
        }
    }
}

/// Returns once the time has passed and the promise was taken back: then no container gets its devices any more, and
/// another host may be asked. Without devices nothing keeps a container from running that containerd has taken, so
/// such a member waits for its word.
async fn taken_back(inner: &Inner, lease: Option<LeaseId>, at: Instant) {
    let Some(lease) = lease else {
        return std::future::pending().await;
    };
    tokio::time::sleep_until(at).await;
    let ended: Result<Lease, HostError> = inner
        .host
        .ask(|reply| Command::Release {
            lease,
            by: None,
            reply,
        })
        .await;
    if ended.is_err() {
        // A container has it.
        std::future::pending().await
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
        let ttl = inner.config().launch.reservation_ttl;
        Self {
            inner,
            lease,
            // The core has promised it for less, and it may be old by now: the first renewal is due at once.
            renewed: Instant::now().checked_sub(ttl).unwrap_or_else(Instant::now),
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

/// Fetches the image of a member; the error says why it is not there.
async fn pull(
    inner: &Inner,
    tag: Tag,
    image: &str,
    promise: &mut Promise<'_>,
    orders: &mut Orders,
) -> Result<(), String> {
    let missing = format!("image {image} is not on this host");
    inner.note(tag, &format!("{missing} and is being pulled"));
    let tries = async {
        loop {
            match inner.launcher.pull_image(image).await {
                Err(error) if error.is_transient() => {
                    inner.note(tag, &chain(&error));
                    tokio::time::sleep(RETRY).await;
                }
                outcome => return outcome,
            }
        }
    };
    let outcome = tokio::select! {
        outcome = promise.keep_during(tries) => outcome,
        _ = orders.stopped() => return Err("it was stopped while its image was pulled".to_owned()),
    };
    match outcome {
        Ok(_) => Ok(()),
        Err(LauncherError::NoTransfer { version, .. }) => Err(format!(
            "{missing}, and containerd {version} cannot pull: import its archive with \
             `kerf run --image-archive`"
        )),
        Err(error) => Err(format!("{missing}: {}", chain(&error))),
    }
}
