//! What the engine asks about containers, put to the owner of the host's slices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kerf_nri::{Adjustment, Call, Container, ContainerState, Pod, Reply, Runtime, Stage};
use kerf_runtime::spec::ASK_LEASE;
use kerf_telemetry::SelfMetrics;
use kerf_types::lease::LeaseState;
use kerf_types::{ContainerRef, ParseError};
use tokio::sync::oneshot;

use super::{adjust, ask};
use crate::errors::chain;
use crate::host::policy::KUBERNETES;
use crate::host::{Command, HostError, HostHandle, PodCommand, PodContainer};

/// How long a decision may take. An engine waits 2 s (`plugin_request_timeout`) and drops the plugin then.
pub(super) const PATIENCE: Duration = Duration::from_millis(1500);

/// How long an engine is given to learn of a CDI name that was written a moment ago: it hears of changes by inotify, in a
/// thread of its own, and resolves a name from what it knows (containerd 2.1: "unresolvable CDI devices").
const NAME_IS_KNOWN: Duration = Duration::from_millis(50);

/// The engine at the other end, and who decides for it.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    host: HostHandle,
    metrics: Arc<SelfMetrics>,
    uid: u32,
    runtime: Arc<Runtime>,
    limit: Duration,
}

impl Engine {
    /// One that has not said who it is.
    pub(super) fn new(host: HostHandle, metrics: Arc<SelfMetrics>, uid: u32) -> Self {
        Self {
            host,
            metrics,
            uid,
            runtime: Arc::default(),
            limit: PATIENCE,
        }
    }

    /// Takes what it says of itself.
    pub(super) fn configured(&mut self, runtime: Runtime, request_timeout_ms: Option<u64>) {
        tracing::info!(
            runtime.name = runtime.name,
            runtime.version = runtime.version,
            request_timeout_ms,
            cdi = runtime.takes_cdi(),
            "nri connected"
        );
        self.limit = limit(request_timeout_ms);
        self.runtime = Arc::new(runtime);
    }

    /// Within which time a call is answered.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Decides a call.
    pub(super) async fn decide(&self, call: Call) -> Reply {
        match call {
            Call::Synchronize(containers) => {
                self.find(containers);
                go()
            }
            Call::Create(about) => self.create(&about.0, &about.1).await,
            Call::Container(Stage::Starting, about) => {
                let (pod, container) = *about;
                let named = format!("{}/{}", pod.name, container.name);
                match self.started(container).await {
                    Ok(()) => go(),
                    Err(error) => self.refused(&named, &error),
                }
            }
            Call::Container(Stage::Started, about) => {
                // It runs: whatever is wrong cannot be refused any more.
                self.find(vec![about.1]);
                go()
            }
            Call::Container(Stage::Removed, about) => {
                self.never_made(&about.1.id).await;
                go()
            }
            Call::Container(Stage::Created | Stage::Stopping, _) => go(),
            Call::PodRemoved(pod) => {
                self.tell(PodCommand::PodRemoved { sandbox: pod.id }).await;
                go()
            }
        }
    }

    /// Ends what was promised to a container that will not run.
    pub(super) async fn never_made(&self, id: &str) {
        if let Ok(container) = reference(id) {
            self.tell(PodCommand::Removed { container }).await;
        }
    }

    async fn create(&self, pod: &Pod, container: &Container) -> Reply {
        let begun = Instant::now();
        let named = format!("{}/{}", pod.name, container.name);
        let outcome = self.make(pod, container).await;
        let reply = match outcome {
            Ok(None) => return go(),
            Ok(Some(adjustment)) => {
                let lease = adjustment.annotations.get(ASK_LEASE);
                let lease = lease.map(String::as_str);
                tracing::info!(
                    container.id = container.id,
                    container = named,
                    lease.id = lease,
                    "pod granted"
                );
                self.metrics.launch_grants.inc();
                Reply::Go(Box::new(adjustment))
            }
            Err(error) => self.refused(&named, &error),
        };
        let took = begun.elapsed().as_secs_f64();
        self.metrics.launch_duration.observe(took);
        reply
    }

    async fn make(
        &self,
        pod: &Pod,
        container: &Container,
    ) -> Result<Option<Adjustment>, HostError> {
        let Some(ask) = ask::of(pod, &container.name, &container.id)? else {
            return Ok(None);
        };
        // What a document of ours names is a name: ids of engines are hexadecimal.
        let sandbox = reference(&pod.id)?.id;
        let who = PodContainer {
            sandbox,
            uid: pod.uid.clone(),
            namespace: pod.namespace.clone(),
            container: reference(&container.id)?,
        };
        let engine_uid = self.uid;
        let grant = self
            .ask(|reply| PodCommand::Make {
                who,
                ask,
                engine_uid,
                reply,
            })
            .await?;
        let takes_cdi = self.runtime.takes_cdi();
        if takes_cdi {
            tokio::time::sleep(NAME_IS_KNOWN).await;
        }
        adjust::adjustment(&grant, takes_cdi, container).map(Some)
    }

    async fn started(&self, container: Container) -> Result<(), HostError> {
        let lease = container.annotations.get(ASK_LEASE).cloned();
        let id = reference(&container.id)?;
        let pid = container.pid;
        // Most containers of a host are nobody's business here, and must not wait for an owner that is at work. What
        // was promised is in the picture before its container hears of it.
        let view = self.host.view();
        let bound = view.leases.iter().find(|bound| {
            let to = bound.container.as_ref();
            to.is_some_and(|to| to.id == id.id)
        });
        let state = bound.map(|bound| bound.state);
        if state == Some(LeaseState::Active) || (state.is_none() && lease.is_none()) {
            return Ok(());
        }
        self.ask(|reply| PodCommand::Start {
            container: id,
            lease,
            pid,
            reply,
        })
        .await
    }

    /// Looks after containers that were there before, or run by now. The engine does not wait for that.
    fn find(&self, containers: Vec<Container>) {
        let engine = self.clone();
        tokio::spawn(async move {
            for container in containers {
                engine.found(container).await;
            }
        });
    }

    /// One that was made and not started yet will be told of.
    async fn found(&self, container: Container) {
        if container.state != ContainerState::Running || container.pid.is_none() {
            return;
        }
        let id = container.id.clone();
        if let Err(error) = self.started(container).await {
            tracing::warn!(
                container.id = id,
                error = chain(&error),
                "container runs without the lease that it names"
            );
        }
    }

    fn refused(&self, named: &str, error: &HostError) -> Reply {
        let reason = chain(error);
        tracing::info!(container = named, error = reason, "pod refused");
        self.metrics.launch_refusals.inc([error.kind()]);
        Reply::Refuse(match error.hint() {
            "" => format!("kerf: {reason}"),
            hint => format!("kerf: {reason} ({hint})"),
        })
    }

    async fn tell(&self, command: PodCommand) {
        self.host.tell(Command::Pod(Box::new(command))).await;
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, HostError>>) -> PodCommand,
    ) -> Result<T, HostError> {
        let command = |reply| Command::Pod(Box::new(command(reply)));
        self.host.ask(command).await
    }
}

/// Three quarters of what the engine waits, and never more than [`PATIENCE`].
fn limit(request_timeout_ms: Option<u64>) -> Duration {
    let said = request_timeout_ms.map(|ms| Duration::from_millis(ms / 4 * 3));
    said.map_or(PATIENCE, |said| said.min(PATIENCE))
}

fn go() -> Reply {
    Reply::Go(Box::default())
}

/// A container of a pod, by the id that the engine has for it.
fn reference(id: &str) -> Result<ContainerRef, ParseError> {
    ContainerRef::try_new(KUBERNETES, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_before_the_engine_gives_up() {
        assert_eq!(limit(None), PATIENCE);
        assert_eq!(limit(Some(2000)), PATIENCE);
        assert_eq!(limit(Some(60_000)), PATIENCE);
        assert_eq!(limit(Some(1000)), Duration::from_millis(750));
    }
}
