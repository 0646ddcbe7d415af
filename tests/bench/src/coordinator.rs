//! The submitting host: what kerfd has for that, without devices of its own. It is a member of the owners' cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kerf_agent::cluster::Cluster;
use kerf_agent::events::Events;
use kerf_agent::fleet::writer::Writer;
use kerf_agent::peers::{self, Event, Me, Peers, Settings, Versions};
use kerf_agent::process::boot_ms;
use kerf_agent::store::Store;
use kerf_api::json::job;
use kerf_membership::{ClusterId, Incarnation};
use kerf_scheduler::core::{Core, Input, Output};
use kerf_scheduler::{Saved, Settings as Times};
use kerf_telemetry::SelfMetrics;
use kerf_types::job::JobSpec;
use kerf_types::peer::{Body, By, PeerMessage, SpecHash};
use kerf_types::{Fence, JobId, Moment, Timestamp};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::hosts::Hosts;

/// How long owners may take to be seen, and everything to be given back at the end.
const LIMIT: Duration = Duration::from_secs(60);

/// For how long the certificate of the submitting host is good.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest sleep.
const NAP: Duration = Duration::from_secs(1);

/// What happened in a span of time.
#[derive(Debug, Default)]
pub struct Counts {
    /// Members that were reserved, decided and confirmed.
    pub grants: u64,
    /// Reservations that an owner refused.
    pub refused: u64,
    /// The span.
    pub took: Duration,
    /// Flushes of the submitting host's store.
    pub flushes: u64,
    /// Changes that they wrote.
    pub changes: u64,
    /// From the question to the owner until all is durable here, in order of length once it is whole.
    latencies: Vec<Duration>,
}

impl Counts {
    /// The latency that so many in a hundred grants stay below.
    pub fn latency(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// The submitting host at work.
pub struct Coordinator {
    core: Core,
    peers: Peers,
    events: mpsc::Receiver<Event>,
    writer: Writer<()>,
    spec: Arc<JobSpec>,
    /// Jobs that have not ended, with the moment of their question.
    jobs: BTreeMap<JobId, Option<Instant>>,
    counts: Counts,
}

/// Opens a store and comes into the owners' cluster by a token; jobs will ask for this.
pub async fn start(hosts: &Hosts, ask: Option<&str>) -> Result<Coordinator> {
    let folder = hosts.folder();
    let mut store = Store::open(&folder, Timestamp(0), Fence(0))?;
    let place = Cluster::open(&folder, store.host_id(None)?, DAY)?;
    let me = Me {
        host: store.host_id(None)?,
        name: "coordinator".parse()?,
        incarnation: Incarnation(store.next_start()?),
    };
    let settings = Settings {
        listen: "127.0.0.1:0".parse()?,
        advertise: None,
        join: Vec::new(),
        // Of a fleet that proves nothing; a member has its cluster's.
        cluster: ClusterId(0),
        keys: None,
        insecure_dev: false,
        membership: Some(place.watch()),
        versions: Versions::OURS,
    };
    let host = me.host;
    let metrics = Arc::new(SelfMetrics::try_new()?);
    let (peers, events) = peers::start(settings, me, Events::default(), metrics).await?;
    let (address, token) = hosts.token()?;
    place.join(&address, &token.parse()?).await?;
    let mut rows = store.jobs()?;
    let writer = Writer::start(
        move |changes| rows.save(changes, &[]),
        // What was measured by then means nothing.
        || std::process::exit(101),
    )?;
    let mut document = json!({
        "schema": "kerf.v1.JobSpec",
        "image": kerf_tests::world::IMAGE,
        "args": ["true"],
    });
    if let Some(ask) = ask {
        document["accelerator"] = ask.into();
    }
    let spec = job::parse(&document.to_string())?;
    Ok(Coordinator {
        core: Core::recover(host, Times::default(), 1, Saved::default(), moment()),
        peers,
        events,
        writer,
        spec: Arc::new(spec),
        jobs: BTreeMap::new(),
        counts: Counts::default(),
    })
}

impl Coordinator {
    /// Waits until so many hosts are known that can be placed on.
    pub async fn wait_for_owners(&mut self, count: usize) -> Result<()> {
        let seen = async {
            self.feed(Input::Wake);
            while self.core.fleet().len() < count {
                self.turn(0).await;
            }
        };
        let seen = tokio::time::timeout(LIMIT, seen).await;
        seen.context("not all owners are seen")
    }

    /// Keeps so many jobs on their way for this long.
    pub async fn grant_for(&mut self, span: Duration, in_flight: usize) -> Counts {
        self.counts = Counts::default();
        let begun = Instant::now();
        while begun.elapsed() < span {
            self.turn(in_flight).await;
        }
        self.counts.took = begun.elapsed();
        self.counts.latencies.sort();
        std::mem::take(&mut self.counts)
    }

    /// Waits until nothing is left of any job, and leaves.
    pub async fn settle(mut self) -> Result<()> {
        let ended = async {
            while !self.jobs.is_empty() {
                self.turn(0).await;
            }
        };
        let ended = tokio::time::timeout(LIMIT, ended).await;
        ensure!(ended.is_ok(), "{} jobs have not ended", self.jobs.len());
        self.peers.leave().await;
        self.writer.finish().await;
        Ok(())
    }

    /// Takes in what has come, as kerfd's driver does, and submits what is missing to `in_flight`.
    async fn turn(&mut self, in_flight: usize) {
        while self.jobs.len() < in_flight {
            self.submit();
        }
        self.writer.hand_over();
        let due = self.core.next_wakeup();
        let nap = due.map_or(NAP, |due| due.since(moment())).min(NAP);
        tokio::select! {
            Some(event) = self.events.recv() => self.hear(event),
            written = self.writer.written() => {
                self.counts.flushes += 1;
                self.feed(Input::Persisted { batch: written.batch });
            }
            () = tokio::time::sleep(nap) => self.feed(Input::Wake),
        }
        while let Ok(event) = self.events.try_recv() {
            self.hear(event);
        }
    }

    fn submit(&mut self) {
        let mut random = [0; 10];
        getrandom::fill(&mut random).expect("the system has random numbers");
        let job = JobId::new(moment().0, random);
        self.jobs.insert(job, None);
        self.feed(Input::Submit {
            job,
            spec: Arc::clone(&self.spec),
            spec_hash: SpecHash(job::spec_hash(&self.spec)),
            by: By {
                uid: 0,
                gid: 0,
                admin: false,
            },
            at: Timestamp(moment().0),
        });
    }

    fn hear(&mut self, event: Event) {
        let input = match event {
            Event::Record(record) => Input::Record(record),
            Event::StillFresh(host) => Input::StillFresh(host),
            Event::Presence { host, liveness } => Input::Peer { host, liveness },
            Event::Forgotten(host) | Event::Removed(host) => Input::Forget(host),
            Event::Message { from, message } => {
                self.counts.refused += u64::from(matches!(message.body, Body::Refused { .. }));
                Input::Message { from, message }
            }
            Event::Keeper { from, message } => Input::Keeper { from, message },
        };
        self.feed(input);
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = vec![input];
        let mut out = Vec::new();
        while let Some(input) = inputs.pop() {
            self.core.step(moment(), input, &mut out);
            for output in out.drain(..) {
                inputs.extend(self.carry_out(output));
            }
        }
    }

    fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Persist { batch, changes } => {
                self.counts.changes += u64::try_from(changes.len()).unwrap_or(0);
                self.writer.add(batch, changes);
            }
            Output::Send { to, message } => {
                let PeerMessage { tag, body, .. } = &message;
                match body {
                    Body::Reserve { .. } => {
                        if let Some(asked) = self.jobs.get_mut(&tag.job) {
                            asked.get_or_insert_with(Instant::now);
                        }
                    }
                    // The grant is whole. A start that is sent again is of one that was counted.
                    Body::Start { .. } => {
                        let asked = self.jobs.get_mut(&tag.job).and_then(Option::take);
                        if let Some(asked) = asked {
                            self.counts.grants += 1;
                            self.counts.latencies.push(asked.elapsed());
                        }
                        return Some(Input::Cancel { job: tag.job });
                    }
                    _ => {}
                }
                self.peers.send(to, message);
            }
            Output::Report(report) if report.settled => drop(self.jobs.remove(&report.job)),
            // It owns nothing, keeps its jobs alone, and nobody reads how they are.
            Output::Local { .. }
            | Output::Report(_)
            | Output::ToKeeper { .. }
            | Output::Handed { .. }
            | Output::Took { .. }
            | Output::Forced { .. } => {}
        }
        None
    }
}

fn moment() -> Moment {
    Moment(boot_ms())
}
