//! The inbox of the host's owner, and the handle that others hold.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use kerf_api::json::history::Requester;
use kerf_planner::host::{SharingChange, rules_by_gpu};
use kerf_planner::{HostPlan, Usage};
use kerf_runtime::frame::{Grant, LaunchRequest};
use kerf_types::layout::Layout;
use kerf_types::lease::{InitProcess, Lease};
use kerf_types::{Inventory, LeaseId, MigUuid, PciAddress, Step};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    DeviceCommand, Exec, Held, HoldFor, HostError, HostView, Maintenance, PodCommand, Reserve,
    SharedView, Told, layout, vgpu, view,
};
use crate::cdi::spec::Document;
use crate::config::{Config, GpuLabels};
use crate::store::VgpuRow;
use crate::usage::Ledger;

/// A layout that is to be planned or applied.
#[derive(Debug, Clone)]
pub struct LayoutRequest {
    /// The layout.
    pub layout: Layout,
    /// Whether GPU resets are accepted.
    pub allow_reset: bool,
    /// Refuse unless the host is in this generation; 0 means any.
    pub expected_generation: u64,
    /// MIG devices that may go although somebody uses them.
    pub force: BTreeSet<MigUuid>,
    /// Who asks; nobody but kerfd itself where there is none.
    pub by: Option<Requester>,
}

/// What an apply came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayoutDone {
    /// Generation after it.
    pub generation: u64,
    /// Steps that were tried.
    pub steps: usize,
    /// Its number in the history, where something was to be done.
    pub history: Option<i64>,
    /// GPUs whose mode changes only after a reset; the layout goes on there when it came.
    pub after_reset: BTreeSet<PciAddress>,
    /// AMD GPUs whose modes change only when the driver is loaded anew; the layout goes on there then.
    pub after_reload: BTreeSet<PciAddress>,
}

impl LayoutRequest {
    /// The same with GPUs by their addresses where it says a label.
    pub fn resolved(&self, labels: &GpuLabels, inventory: &Inventory) -> Result<Self, HostError> {
        let layout = labels.resolve(&self.layout, inventory)?;
        let request = self.clone();
        Ok(Self { layout, ..request })
    }
}

/// What an apply reports while it goes on.
#[derive(Debug, Clone)]
pub enum Progress {
    /// The plan, made in this generation.
    Planned(u64, Box<HostPlan>),
    /// A step is done.
    Step {
        /// Its number, counted from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// The step.
        step: Step,
        /// How long it took.
        took: std::time::Duration,
    },
    /// The sharing of a GPU has ended or begun, which counts as a step.
    Sharing {
        /// Its number, counted from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// What has ended and begun.
        change: SharingChange,
        /// How long it took.
        took: std::time::Duration,
    },
}

/// A made reservation.
pub type Reservation = Lease;

/// The process at the other end of the runtime socket.
#[derive(Debug, Clone)]
pub struct LaunchPeer {
    /// The wrapper or hook itself; the wrapper becomes runc by exec.
    pub process: InitProcess,
    /// Its uid.
    pub uid: u32,
}

type Reply<T> = oneshot::Sender<Result<T, HostError>>;

/// One request to the owner.
#[derive(Debug)]
pub enum Command {
    /// Look at the hardware now.
    Refresh {
        /// Told when done.
        reply: oneshot::Sender<()>,
    },
    /// Plan a layout and carry it out.
    Apply {
        /// What is wanted.
        request: LayoutRequest,
        /// Where progress goes; nobody needs to listen.
        progress: mpsc::Sender<Progress>,
        /// What it came to.
        reply: Reply<LayoutDone>,
    },
    /// Forget the layout that is kept for the next boot.
    Forget {
        /// Told when done.
        reply: Reply<()>,
    },
    /// Give no new leases on these GPUs for as long as somebody waits for them.
    Hold {
        /// Which.
        gpus: BTreeSet<PciAddress>,
        /// Gone when nobody waits any more.
        waits: Weak<()>,
        /// For what.
        why: HoldFor,
    },
    /// Close the driver for somebody who works on it, once nobody has the GPUs.
    EnterMaintenance {
        /// Which GPUs; `None` for the whole host.
        gpus: Option<BTreeSet<PciAddress>>,
        /// Who asks.
        by: Requester,
        /// Whether they ask again where only users are in the way.
        is_patient: bool,
        /// What is in maintenance then.
        reply: Reply<Maintenance>,
    },
    /// Open the driver again, and bring back what the GPUs had.
    LeaveMaintenance {
        /// Which GPUs; `None` for all.
        gpus: Option<BTreeSet<PciAddress>>,
        /// Who asks.
        by: Requester,
        /// What is not well then.
        reply: Reply<Vec<String>>,
    },
    /// Read the history.
    History {
        /// At most so many; 0 for all.
        limit: u32,
        /// Only this one.
        number: Option<u64>,
        /// Numbers and documents, the newest first.
        reply: Reply<Vec<(u64, String)>>,
    },
    /// Promise devices to a holder.
    Reserve {
        /// For whom, what, how long.
        request: Reserve,
        /// The lease.
        reply: Reply<Reservation>,
    },
    /// Keep a promise for longer: its container is on its way.
    Renew {
        /// Which.
        lease: LeaseId,
        /// How much longer, from now.
        ttl: std::time::Duration,
        /// Told when done.
        reply: Reply<()>,
    },
    /// Keep a promise for longer, because its user (`by`) or an operator (`None`) says so.
    RenewFor {
        /// Which.
        lease: LeaseId,
        /// How much longer, from now.
        ttl: std::time::Duration,
        /// uid of the user who may renew only what is theirs; `None` for an operator.
        by: Option<u32>,
        /// The lease as it is then.
        reply: Reply<Lease>,
    },
    /// End a lease that no container has.
    Release {
        /// Which.
        lease: LeaseId,
        /// uid of the user who may give back only what is theirs; `None` for an operator.
        by: Option<u32>,
        /// The ended lease.
        reply: Reply<Lease>,
    },
    /// Containers have begun or ended: look for those that have a lease by its name.
    Tasks,
    /// Accounts of leases.
    Usage {
        /// At most so many; 0 for all that are kept.
        limit: u32,
        /// `kerf.v1.LeaseUsage` documents.
        reply: Reply<Vec<String>>,
    },
    /// The CDI documents of what stands now, by the names of their files.
    Cdi {
        /// They.
        reply: Reply<Vec<(String, Document)>>,
    },
    /// A container is being made, or claims a standing name.
    Launch {
        /// What the shim sent.
        request: Box<LaunchRequest>,
        /// Who sent it.
        peer: LaunchPeer,
        /// What the container gets.
        reply: Reply<Grant>,
    },
    /// Something happens to a container of a pod.
    Pod(Box<PodCommand>),
    /// Devices of a container that runs.
    Device(Box<DeviceCommand>),
    /// A bare process is to run under a lease.
    Exec {
        /// Which process, and under which lease.
        request: Exec,
        /// What it has then.
        reply: Reply<Held>,
    },
    /// A container's first process is known.
    Started {
        /// Its lease.
        lease: LeaseId,
        /// The process.
        init: InitProcess,
    },
    /// A container has ended, or never came to be.
    Gone {
        /// Its lease.
        lease: LeaseId,
    },
    /// News of an MPS daemon.
    Daemon {
        /// What.
        told: Told,
    },
    /// A new configuration is in force.
    Reconfigure {
        /// The configuration.
        config: Arc<Config>,
    },
    /// Make a vGPU, or take one away.
    Vgpu(vgpu::VgpuCommand),
    /// Take no new work.
    Drain {
        /// Told when everything before it is done.
        done: oneshot::Sender<()>,
    },
}

impl Command {
    /// A change of one vGPU.
    pub fn vgpu(wish: vgpu::VgpuWish, reply: oneshot::Sender<Result<VgpuRow, HostError>>) -> Self {
        Self::Vgpu(vgpu::VgpuCommand { wish, reply })
    }
}

/// The way to the owner; clones share it.
#[derive(Debug, Clone)]
pub struct HostHandle {
    sender: mpsc::Sender<Command>,
    view: watch::Receiver<Arc<HostView>>,
    ledger: Arc<Ledger>,
}

impl HostHandle {
    pub(super) fn new(sender: mpsc::Sender<Command>, view: watch::Receiver<Arc<HostView>>) -> Self {
        Self {
            sender,
            view,
            ledger: Arc::default(),
        }
    }

    /// What leases have used so far, for whoever reads sensors to add to; never waits.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The newest picture of the host; never waits.
    pub fn view(&self) -> Arc<HostView> {
        self.view.borrow().clone()
    }

    /// Changes with each new picture.
    pub fn watch(&self) -> watch::Receiver<Arc<HostView>> {
        self.view.clone()
    }

    /// Sends a command that needs no answer.
    pub async fn tell(&self, command: Command) {
        // The owner ends only with kerfd, and then nobody is left to care.
        drop(self.sender.send(command).await);
    }

    /// Sends a command and waits for its answer.
    pub async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, HostError> {
        let (reply, answer) = oneshot::channel();
        self.sender
            .send(command(reply))
            .await
            .map_err(|_| HostError::Ended)?;
        answer.await.map_err(|_| HostError::Ended)?
    }

    /// The cheapest plan from the newest picture to a layout, with the generation that it was made in. It is
    /// computed beside the owner, whom a reader never holds up.
    pub async fn plan(&self, request: LayoutRequest) -> Result<(u64, HostPlan), HostError> {
        let view = self.view();
        let planned = tokio::task::spawn_blocking(move || {
            let request = request.resolved(&view.gpu_labels, &view.inventory)?;
            let leases = view.leases.iter();
            let mut usage = view::usage(
                &view.inventory,
                &view.slices,
                &view.shared,
                leases,
                &view.vgpus,
            );
            usage.forced.clone_from(&request.force);
            let plan = layout::plan_by_sight(&view.sight, &view.inventory, &usage, &request)?;
            Ok((view.generation, plan))
        });
        planned.await.map_err(|_| HostError::Ended)?
    }

    /// What a layout would change if nobody used anything and every reset were allowed: how far what is there
    /// is from it. Never carried out.
    pub async fn compare(&self, request: LayoutRequest) -> Result<(u64, HostPlan), HostError> {
        let view = self.view();
        let planned = tokio::task::spawn_blocking(move || {
            let mut request = request.resolved(&view.gpu_labels, &view.inventory)?;
            request.allow_reset = true;
            let mut inventory = view.inventory.clone();
            for gpu in &mut inventory.gpus {
                gpu.processes.clear();
            }
            for gpu in &mut inventory.amd {
                gpu.processes.clear();
            }
            let mut usage = Usage::default();
            SharedView::note(&view.shared, std::iter::empty(), &mut usage);
            let plan = layout::plan_by_sight(&view.sight, &inventory, &usage, &request)?;
            Ok((view.generation, plan))
        });
        planned.await.map_err(|_| HostError::Ended)?
    }

    /// The GPUs that a layout speaks of.
    pub fn named_by(&self, layout: &Layout) -> Result<BTreeSet<PciAddress>, HostError> {
        let view = self.view();
        let layout = view.gpu_labels.resolve(layout, &view.inventory)?;
        let rules = rules_by_gpu(&view.inventory, &layout)?;
        Ok(rules.into_keys().collect())
    }

    /// Looks at the hardware now and returns the new picture.
    pub async fn refresh(&self) -> Arc<HostView> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::Refresh { reply }).await;
        drop(answer.await);
        self.view()
    }

    /// Waits until everything that was asked before is done; nothing new is taken after it.
    pub async fn drain(&self) {
        let (done, answer) = oneshot::channel();
        self.tell(Command::Drain { done }).await;
        drop(answer.await);
    }
}

/// Where the copy of a lease lies that a rebuilt store is filled from.
pub(super) fn mirror_path(config: &Config, lease: LeaseId) -> PathBuf {
    config
        .paths
        .run_dir
        .join("leases")
        .join(format!("{lease}.json"))
}
