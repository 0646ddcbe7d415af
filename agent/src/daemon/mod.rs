//! kerfd put together: configuration, store, hardware, owner, jobs, and what listens.
//!
//! Order of the start: what refuses comes first (configuration, lock, store), then the owner recovers, and only
//! then does anything listen, so that nobody ever talks to a kerfd that does not know its leases yet.

mod args;
mod folders;
mod programs;
mod reload;
mod work;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use kerf_telemetry::{Exporter, SelfMetrics};
use nix::fcntl::{Flock, FlockArg};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use args::Args;

use crate::cluster::Cluster;
use crate::config::Config;
use crate::events::Events;
use crate::hardware::worker::Kind;
use crate::hardware::{Deadlines, Hardware, WorkerProgram};
use crate::host::{self, HostHandle, Parts, highest_fence_seen, now};
use crate::process::raise_open_files;
use crate::process::workers::Processes;
use crate::rpc::{self, LoadedConfig, Service, StatusFacts};
use crate::sampler::Sampler;
use crate::store::{SharedStore, Store};
use crate::{nri, shim, sockets, web};
use work::{Identity, Materials, Work};

/// How long connections may take to end after a SIGTERM. Containers and leases are not ended at all.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How long what was begun may take to end after a SIGTERM: a step of the driver has 20 s by default.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);

/// Runs kerfd until SIGTERM or SIGINT.
pub async fn run(args: Args) -> anyhow::Result<()> {
    // Jobs with a terminal and clients that follow something take files each, and nobody counts both.
    if let Err(error) = raise_open_files() {
        tracing::warn!(%error, "number of open files not raised");
    }
    let (loaded, set_up) = args.load()?;
    let config = Arc::new(loaded.config.clone());
    let _lock = prepare_folders(&config)?;
    set_up.carry_out(&config)?;
    let paths = &config.paths;
    let mut store = Store::open(&paths.state_dir, now(), highest_fence_seen(&paths.run_dir))?;
    let shared = SharedStore::new(store.jobs()?);
    let identity = Identity::of(&mut store, &config)?;
    let events = Events::default();
    let metrics = Arc::new(SelfMetrics::try_new()?);
    let cluster = work::cluster(&config, identity)?;
    let counted = Arc::clone(&metrics);
    let met = work::meet(&config, identity, &cluster, events.clone(), counted).await?;
    let hardware = Arc::new(hardware(&config, &metrics));
    let processes = Processes::of(paths);
    let parts = Parts {
        config: Arc::clone(&config),
        hardware: Arc::clone(&hardware),
        processes: processes.clone(),
        store,
        tools: host::sharing::tools(&config),
        events: events.clone(),
        metrics: Arc::clone(&metrics),
    };
    // From here on a launch finds a socket and waits in it, instead of failing while kerfd looks at its hardware.
    let runtime = RuntimeSocket::open(&paths.run_dir)?;
    processes.end_earlier().await;
    let (host, _owner) = host::start(parts).await?;
    let in_force = watch::Sender::new(Arc::new(loaded));
    let work = Work::start(Materials {
        config: in_force.subscribe(),
        identity,
        host: host.clone(),
        processes: processes.clone(),
        store: shared,
        met,
        events: events.clone(),
        metrics: Arc::clone(&metrics),
    })?;
    let daemon = Daemon {
        config,
        in_force,
        args,
        host,
        hardware,
        processes,
        work,
        cluster,
        events,
        metrics,
    };
    daemon.serve(runtime).await
}

/// The way to the hardware; nothing of it is started yet.
fn hardware(config: &Config, metrics: &Arc<SelfMetrics>) -> Hardware {
    let (paths, driver) = (&config.paths, &config.driver);
    let program = WorkerProgram {
        program: paths.partitioner.clone(),
        nvml: paths.nvml.clone(),
        sysroot: paths.sysroot.clone(),
        simulated: args::simulated_folder(config),
        records: paths.run_dir.join("workers"),
        socket: paths.run_dir.join("partitioner.sock"),
        kind: Kind::Hardware,
    };
    let deadlines = Deadlines {
        call: driver.call_deadline,
        open: driver.open_deadline,
        step: driver.step_deadline,
    };
    Hardware::new(program, deadlines, Arc::clone(metrics))
}

struct Daemon {
    config: Arc<Config>,
    in_force: watch::Sender<Arc<LoadedConfig>>,
    args: Args,
    host: HostHandle,
    hardware: Arc<Hardware>,
    processes: Processes,
    work: Work,
    cluster: Arc<Cluster>,
    events: Events,
    metrics: Arc<SelfMetrics>,
}

impl Daemon {
    async fn serve(self, runtime: RuntimeSocket) -> anyhow::Result<()> {
        let exporter = Arc::new(Exporter::new(Arc::clone(&self.metrics)));
        let (stop, stopped) = watch::channel(false);
        let until_stopped = move || {
            let mut stopped = stopped.clone();
            async move { drop(stopped.wait_for(|stopped| *stopped).await) }
        };
        // Whoever finds a socket may send a signal, which must not end a kerfd that does not listen for it yet.
        let signals = Signals::taken()?;
        let paths = &self.config.paths;
        let api = paths.run_dir.join("kerf.sock");
        let api_listener = bind(&api, |path| sockets::bind(path, 0o660))?;
        sockets::give_to_group(&api, "kerf").context("cannot give the socket to its group")?;
        let mut tasks = tokio::task::JoinSet::new();
        let (metrics_listener, metrics_address) =
            listen(self.config.metrics.listen, "metrics").await?;
        if let Some(listener) = metrics_listener {
            let router = kerf_telemetry::http::router(Arc::clone(&exporter));
            let serve = kerf_telemetry::http::serve(listener, router, until_stopped());
            tasks.spawn(serve);
        }
        let web = &self.config.web;
        let (web_listener, web_address) = listen(web.listen, "the web page").await?;
        if let Some((listener, address)) = web_listener.zip(web.listen) {
            let sources = self.page_sources();
            tasks.spawn(web::serve(
                listener,
                address,
                sources,
                until_stopped.clone(),
            ));
        }
        let service = self.service(&metrics_address);
        let rpc_stop = until_stopped();
        tasks.spawn(async move {
            if let Err(error) = rpc::serve(api_listener, service, rpc_stop).await {
                tracing::error!(error = crate::errors::chain(&error), "api server ended");
            }
        });
        let shim = self.shim(runtime.listener);
        let beside = self.beside(exporter);
        tracing::info!(
            socket = %api.display(),
            metrics = metrics_address,
            web = web_address,
            peers = self.work.peers.as_ref().map(|peers| peers.address().to_string()),
            "kerfd serves"
        );
        self.until_told(signals).await;
        // Who connects from now on is for the next kerfd; who is connected is answered, or asks that one.
        shim.abort();
        // A driver that hangs holds the owner; its containers and leases stay in any case.
        drop(tokio::time::timeout(DRAIN_PATIENCE, self.host.drain()).await);
        stop.send_replace(true);
        drop(
            tokio::time::timeout(STOP_PATIENCE, async {
                while tasks.join_next().await.is_some() {}
            })
            .await,
        );
        self.work.stop().await;
        for task in beside {
            task.abort();
        }
        leave(&api, runtime.own.as_deref())?;
        tracing::info!("kerfd ended; containers and leases stay");
        Ok(())
    }

    /// Answers runtimes.
    fn shim(&self, listener: UnixListener) -> JoinHandle<()> {
        let config = self.in_force.subscribe();
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(shim::serve(listener, self.host.clone(), config, metrics))
    }

    /// What ends by being dropped: the plugin of the engine of pods, and the samples.
    fn beside(&self, exporter: Arc<Exporter>) -> [JoinHandle<()>; 2] {
        let plugin = nri::Plugin {
            config: self.in_force.subscribe(),
            host: self.host.clone(),
            metrics: Arc::clone(&self.metrics),
        };
        [
            tokio::spawn(plugin.run()),
            tokio::spawn(self.sampler(exporter).run()),
        ]
    }

    fn service(&self, metrics_address: &str) -> Service {
        Service {
            host: self.host.clone(),
            processes: self.processes.clone(),
            jobs: self.work.jobs.clone(),
            peers: self.work.peers.clone(),
            cluster: Arc::clone(&self.cluster),
            imports: rpc::Imports::default(),
            events: self.events.clone(),
            fleet: self.work.fleet.view(),
            asks: self.work.fleet.asks(),
            config: self.in_force.subscribe(),
            facts: StatusFacts {
                started_ms: now().0,
                metrics_address: metrics_address.to_owned(),
                simulated: self.config.simulate.clone(),
                jobs_active: 0,
            },
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn sampler(&self, exporter: Arc<Exporter>) -> Sampler {
        Sampler {
            hardware: Arc::clone(&self.hardware),
            host: self.host.clone(),
            jobs: self.work.jobs.facts(),
            exporter,
            interval: self.config.driver.sample_interval,
            allow_names: self.config.metrics.allow_names,
        }
    }

    fn page_sources(&self) -> web::Sources {
        web::Sources {
            host: self.host.clone(),
            jobs: self.work.jobs.clone(),
            fleet: self.work.fleet.view(),
            peers: self.work.peers.clone(),
            facts: web::Facts {
                started: now(),
                simulated: self.config.simulate.clone(),
                names: self.config.metrics.allow_names,
            },
        }
    }

    /// Serves until it is told to end; reloads as often as it is told to.
    async fn until_told(&self, mut signals: Signals) {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return,
                _ = signals.interrupt.recv() => return,
                _ = signals.hangup.recv() => {
                    let config = &self.in_force;
                    reload::keys(self.work.peers.as_ref(), &self.events);
                    reload::reload(&self.args, &self.host, &self.work.jobs, &self.events, config).await;
                }
            }
        }
    }
}

/// Signals that kerfd takes instead of ending at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn taken() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// Listens on an address, if there is one; returns what it is in words, with the port that the kernel chose.
async fn listen(
    address: Option<SocketAddr>,
    what: &str,
) -> anyhow::Result<(Option<TcpListener>, String)> {
    let Some(address) = address else {
        return Ok((None, String::new()));
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for {what}"))?;
    let bound = listener.local_addr()?.to_string();
    Ok((Some(listener), bound))
}

/// Takes the sockets away, as far as they are kerfd's own.
fn leave(api: &Path, runtime: Option<&Path>) -> std::io::Result<()> {
    crate::files::remove(api)?;
    runtime.map_or(Ok(()), shim::leave)
}

/// Where runtimes ask.
struct RuntimeSocket {
    listener: UnixListener,
    /// Its path, where it goes with this kerfd; the service manager keeps its own.
    own: Option<PathBuf>,
}

impl RuntimeSocket {
    fn open(run_dir: &Path) -> anyhow::Result<Self> {
        let path = run_dir.join(shim::SOCKET);
        let held = sockets::inherited(&path);
        let held = held.with_context(|| format!("cannot take over {}", path.display()))?;
        Ok(match held {
            Some(listener) => Self {
                listener,
                own: None,
            },
            None => Self {
                listener: bind(&path, shim::bind)?,
                own: Some(path),
            },
        })
    }
}

fn bind(
    path: &Path,
    open: impl FnOnce(&Path) -> std::io::Result<UnixListener>,
) -> anyhow::Result<UnixListener> {
    open(path).with_context(|| format!("cannot open the socket {}", path.display()))
}

/// Makes the folders and takes the lock that keeps a second kerfd from the same state.
fn prepare_folders(config: &Config) -> anyhow::Result<Flock<File>> {
    let paths = &config.paths;
    folders::make(&paths.run_dir, folders::RUN_MODE)?;
    folders::make(&paths.state_dir, folders::STATE_MODE)?;
    folders::refuse_exposed(&paths.state_dir)?;
    let path: PathBuf = paths.state_dir.join("kerfd.lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|(_, _)| anyhow!("another kerfd holds {}", path.display()))
}
