//! What is asked of an owner, one thing after the other, and how far it came.

use std::collections::BTreeSet;
use std::process::{Child, Command as Program, Stdio};
use std::time::Duration;

use kerf_agent::host::{
    Command, HostError, HostHandle, LaunchPeer, LayoutRequest, Reserve, Wanted,
};
use kerf_agent::process;
use kerf_api::json::history::Requester;
use kerf_runtime::frame::{LaunchKind, LaunchRequest, REQUEST_SCHEMA};
use kerf_types::layout::Layout;
use kerf_types::lease::{Holder, InitProcess, Lease};
use kerf_types::{Ask, ContainerRef};
use tokio::sync::mpsc;

/// The containerd namespace of every holder.
const NAMESPACE: &str = "default";

/// How long a promise lasts: longer than any drill.
const TTL: Duration = Duration::from_secs(24 * 3_600);

/// Progress that nobody reads.
const PROGRESS_BOUND: usize = 64;

/// Who works on drivers.
const ROOT: Requester = Requester {
    uid: 0,
    gid: Some(0),
    pid: None,
};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Apply this layout document.
    Apply { layout: String, allow_reset: bool },
    /// Promise devices to a container.
    Reserve { ask: String, holder: String },
    /// Give a promise back.
    Release { holder: String },
    /// A container is being made.
    Launch { ask: String, holder: String },
    /// Its end was seen.
    Gone { holder: String },
    /// The driver is closed, for work on this GPU or on the whole host.
    Enter { gpu: Option<u32> },
    /// It is opened again.
    Leave,
}

impl Op {
    pub fn apply(layout: &str, allow_reset: bool) -> Self {
        Self::Apply {
            layout: layout.to_owned(),
            allow_reset,
        }
    }
}

/// The process that stands for every runtime: it lives as long as the drill.
pub struct Runtime {
    child: Child,
    process: InitProcess,
}

impl Runtime {
    pub fn start() -> Self {
        let mut sleep = Program::new("sleep");
        sleep.arg("86400").stdin(Stdio::null());
        let child = sleep.spawn().expect("sleep");
        let process = process::identify(child.id()).expect("it runs");
        Self { child, process }
    }

    /// Its pid, for a client of the driver.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The layout of a document.
pub fn layout(document: &str) -> Layout {
    let parsed = kerf_api::json::layout::parse(document);
    parsed.unwrap_or_else(|error| panic!("{error}: {document}"))
}

/// The request to apply a document.
pub fn request(document: &str, allow_reset: bool) -> LayoutRequest {
    LayoutRequest {
        layout: layout(document),
        allow_reset,
        expected_generation: 0,
        force: BTreeSet::new(),
        by: None,
    }
}

/// Carries one out; an error is the owner's refusal.
pub async fn carry_out(host: &HostHandle, runtime: &Runtime, op: &Op) -> Result<(), HostError> {
    match op {
        Op::Apply {
            layout,
            allow_reset,
        } => {
            let (progress, _listener) = mpsc::channel(PROGRESS_BOUND);
            let request = request(layout, *allow_reset);
            host.ask(|reply| Command::Apply {
                request,
                progress,
                reply,
            })
            .await
            .map(drop)
        }
        Op::Reserve { ask, holder } => {
            let request = Reserve {
                wanted: Wanted::Ask(ask.parse::<Ask>().expect("an ask")),
                holder: Holder::Container(container(holder)),
                ttl: TTL,
                by: None,
                wait: Duration::ZERO,
                nics: false,
                is_nameless: false,
            };
            host.ask(|reply| Command::Reserve { request, reply })
                .await
                .map(drop)
        }
        Op::Release { holder } => {
            let Some(lease) = lease_of(host, holder) else {
                return Ok(());
            };
            let (lease, by) = (lease.id, None);
            host.ask(|reply| Command::Release { lease, by, reply })
                .await
                .map(drop)
        }
        Op::Launch { ask, holder } => {
            let peer = LaunchPeer {
                process: runtime.process.clone(),
                uid: 0,
            };
            let request = Box::new(launch(ask, holder));
            host.ask(|reply| Command::Launch {
                request,
                peer,
                reply,
            })
            .await
            .map(drop)
        }
        Op::Enter { gpu } => enter(host, *gpu).await,
        Op::Leave => {
            let (gpus, by) = (None, ROOT);
            let left = host.ask(|reply| Command::LeaveMaintenance { gpus, by, reply });
            left.await.map(drop)
        }
        Op::Gone { holder } => {
            if let Some(lease) = lease_of(host, holder) {
                host.tell(Command::Gone { lease: lease.id }).await;
            }
            // Told and not asked: what comes after it is done after it.
            host.refresh().await;
            Ok(())
        }
    }
}

/// The driver is closed for work on the GPU of an index, or on the whole host.
async fn enter(host: &HostHandle, gpu: Option<u32>) -> Result<(), HostError> {
    let gpus = gpu.map(|index| {
        let view = host.view();
        let mut all = view.inventory.gpus.iter();
        let found = all.find(|gpu| gpu.index == index);
        BTreeSet::from([found.expect("a GPU").pci])
    });
    let entered = host.ask(|reply| Command::EnterMaintenance {
        gpus,
        by: ROOT,
        is_patient: false,
        reply,
    });
    entered.await.map(drop)
}

fn launch(ask: &str, holder: &str) -> LaunchRequest {
    LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: holder.to_owned(),
        namespace: NAMESPACE.to_owned(),
        bundle: "/nowhere".into(),
        pid_file: Some("/nowhere/init.pid".into()),
        ask: Some(ask.to_owned()),
        lease: None,
        claim: None,
        init_pid: None,
        sandbox: None,
        isolated: true,
    }
}

fn container(holder: &str) -> ContainerRef {
    ContainerRef::try_new(NAMESPACE, holder).expect("a container")
}

/// The lease of a holder, as the owner shows it.
fn lease_of(host: &HostHandle, holder: &str) -> Option<Lease> {
    let wanted = Holder::Container(container(holder));
    let view = host.view();
    view.leases
        .iter()
        .find(|lease| lease.holder == wanted)
        .cloned()
}
