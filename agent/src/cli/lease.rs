//! `kerf lease`: promises of slices and GPUs, for containers that come later and for commands without one.

mod exec;
mod show;

use std::collections::BTreeSet;

use kerf_api::json::{Lease, LeaseEntry, LeaseSubject, LeasedShare, Leases};
use kerf_api::v1;
use kerf_types::{LeaseId, PciAddress, SliceId};

use super::client::{Client, soon, within};
use super::fail::Failure;
use super::style::{Ink, Style};
use super::table::{Cell, Table, row};
use super::words::seconds;
use super::{Context, Exit, jobs, usage};
pub use exec::ExecError;
pub use show::render_whole;

/// `kerf lease`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Promise something to a container that comes later
    Create(Create),
    /// Leases that are kept, and who has them
    List,
    /// What leases have used: time, memory, energy
    Usage(usage::Args),
    /// Everything about one lease
    Show {
        /// The lease, by its id or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Keep a promise for longer
    Renew {
        /// The lease, by its id or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
        /// How long, from now
        #[arg(long, value_name = "TIME", value_parser = ttl)]
        ttl: Option<u32>,
    },
    /// Run a command under a lease, without a container
    Exec(exec::Args),
    /// End a lease
    Release {
        /// The lease, by its id or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// `kerf lease create`
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What: 1g.10gb, gpu:2, gpu:4,same=numa,nic=pix,avoid=0, memory>=20GiB,fp8, gpu,mps for a share, gpu:4,imex with an IMEX channel, amd-gpu:2, amd-partition, intel-gpu, gaudi, neuron, tpu or vgpu,type=L40S-4Q for other devices, or slice=ID, gpu=ID or device=NAME for one of its name
    #[arg(value_name = "ASK")]
    ask: String,
    /// containerd namespace of the container that it is for
    #[arg(long, value_name = "NAME", requires = "container", default_value = "")]
    namespace: String,
    /// The container that it is for; without one, the first container of yours that names the lease has it
    #[arg(long, value_name = "ID", default_value = "")]
    container: String,
    /// How long it is kept for a container that does not come
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: Option<u32>,
    /// How long to wait for room that others have
    #[arg(long, value_name = "TIME", value_parser = wait)]
    wait: Option<u64>,
}

/// Makes, lists or ends leases.
pub async fn run(verb: Verb, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    match verb {
        Verb::Create(create) => {
            let wait = create.wait.unwrap_or(0);
            let request = v1::CreateLeaseRequest {
                ask: create.ask,
                namespace: create.namespace,
                container: create.container,
                ttl_seconds: create.ttl.unwrap_or(0),
                wait_ms: wait,
            };
            let lease = client.create_lease(within(request, wait)).await;
            let lease = lease.map_err(Failure::call("make the lease"))?;
            context
                .print
                .document(&Lease::try_from(lease.get_ref())?, render_one)?;
        }
        Verb::List => {
            let leases = client.list_leases(soon(v1::ListLeasesRequest {})).await;
            let leases = leases.map_err(Failure::call("list the leases"))?;
            context
                .print
                .document(&Leases::try_from(leases.get_ref())?, render)?;
        }
        Verb::Usage(args) => return usage::run(&args, &mut client, context).await,
        Verb::Show { id } => {
            let id = named(&mut client, id).await?;
            let lease = client.get_lease(soon(v1::GetLeaseRequest { id })).await;
            let lease = lease.map_err(Failure::call("show the lease"))?;
            context
                .print
                .document(&Lease::try_from(lease.get_ref())?, render_whole)?;
        }
        Verb::Renew { id, ttl } => {
            let id = named(&mut client, id).await?;
            let ttl_seconds = ttl.unwrap_or(0);
            let request = v1::RenewLeaseRequest { id, ttl_seconds };
            let lease = client.renew_lease(soon(request)).await;
            let lease = lease.map_err(Failure::call("renew the lease"))?;
            context
                .print
                .document(&Lease::try_from(lease.get_ref())?, render_one)?;
        }
        Verb::Exec(args) => return exec::run(args, client, context).await,
        Verb::Release { id } => {
            let id = named(&mut client, id).await?;
            let lease = client
                .release_lease(soon(v1::ReleaseLeaseRequest { id }))
                .await;
            let lease = lease.map_err(Failure::call("release the lease"))?;
            context
                .print
                .document(&Lease::try_from(lease.get_ref())?, render_released)?;
        }
    }
    Ok(Exit::Done)
}

/// The whole id of a lease that may be cut short where that names one.
pub async fn named(client: &mut Client, id: String) -> Result<String, Failure> {
    if id.parse::<LeaseId>().is_ok() {
        return Ok(id);
    }
    let leases = client.list_leases(soon(v1::ListLeasesRequest {})).await;
    let leases = leases.map_err(Failure::call("list the leases"))?;
    let ids = leases.into_inner().leases.into_iter().map(|lease| lease.id);
    jobs::only_one("leases", &id, ids)
}

/// The accelerators that a lease is about, wholly or in part. Its id may be cut short where that names one lease.
pub async fn accelerators(client: &mut Client, id: &str) -> Result<BTreeSet<PciAddress>, Failure> {
    let leases = client.list_leases(soon(v1::ListLeasesRequest {})).await;
    let leases = leases.map_err(Failure::call("list the leases"))?;
    let leases = leases.into_inner().leases;
    let ids = leases.iter().map(|lease| lease.id.clone());
    let id = jobs::only_one("leases", id, ids)?;
    let of_it = leases.into_iter().filter(|lease| lease.id == id);
    let mut gpus = BTreeSet::new();
    for lease in of_it {
        for subject in Lease::try_from(&lease)?.lease.subjects {
            gpus.extend(address(&subject));
        }
    }
    Ok(gpus)
}

fn address(subject: &LeaseSubject) -> Option<PciAddress> {
    match subject {
        LeaseSubject::Slice { id, .. } => Some(id.parse::<SliceId>().ok()?.gpu),
        LeaseSubject::Gpu { pci, .. } => pci.parse().ok(),
        LeaseSubject::Device { pci, .. } => pci.as_ref()?.parse().ok(),
    }
}

fn ttl(text: &str) -> Result<u32, String> {
    let seconds = seconds(text).map_err(|error| error.to_string())?;
    match u32::try_from(seconds) {
        Ok(0) | Err(_) => Err("from 1s to a day".to_owned()),
        Ok(seconds) => Ok(seconds),
    }
}

/// A time to wait, in milliseconds.
pub fn wait(text: &str) -> Result<u64, String> {
    let seconds = seconds(text).map_err(|error| error.to_string())?;
    let ms = seconds.checked_mul(1_000);
    ms.ok_or_else(|| "at most a day".to_owned())
}

/// The list.
pub fn render(leases: &Leases, style: Style) -> String {
    if leases.leases.is_empty() {
        return "no leases\n".to_owned();
    }
    let mut table = Table::new(&[
        "ID",
        "STATE",
        "HOLDER",
        "CONTAINER",
        "GIVES",
        "ISOLATION",
        "CUT",
        ">PID",
        "EXPIRES",
    ]);
    for lease in &leases.leases {
        // A lease that was made for a container names it twice once it is there.
        let container = lease
            .container
            .as_ref()
            .filter(|name| !lease.holder.ends_with(*name));
        table.push(vec![
            (&lease.id).into(),
            Cell::new(Ink::of_state(&lease.state), state(lease)),
            (&lease.holder).into(),
            Cell::optional(container),
            gives(lease).into(),
            isolation(lease).into(),
            if lease.on_demand {
                "for it".into()
            } else {
                Cell::new(Ink::Dim, "-")
            },
            Cell::optional(lease.init_pid),
            Cell::optional(lease.expires_at.as_ref()),
        ]);
    }
    table.render(style, "")
}

/// How a lease is; an active one that a running container was given is told from one that it was made with.
fn state(lease: &LeaseEntry) -> &str {
    match lease.state.as_str() {
        "active" if lease.attached => "attached",
        state => state,
    }
}

/// What every picture of one lease begins with.
fn head(entry: &LeaseEntry) -> Table {
    let mut table = Table::new(&["", ""]);
    table.push(row!["lease", &entry.id]);
    table.push(vec![
        "state".into(),
        Cell::new(Ink::of_state(&entry.state), state(entry)),
    ]);
    table.push(row!["gives", gives(entry)]);
    table.push(row!["isolation", isolation(entry)]);
    table.push(row!["holder", &entry.holder]);
    table
}

/// A new lease, and how a container gets it.
pub fn render_one(lease: &Lease, style: Style) -> String {
    let entry = &lease.lease;
    let mut table = head(entry);
    if let Some(expires) = &entry.expires_at {
        table.push(row!["expires", expires]);
    }
    push_names(&mut table, entry);
    table.render(style, "")
}

fn push_names(table: &mut Table, entry: &LeaseEntry) {
    table.push(row![
        "annotation",
        format!("{}/lease={}", kerf_types::VENDOR, entry.id)
    ]);
    table.push(row!["CDI name", &entry.cdi_name]);
}

/// A lease that has ended.
pub fn render_released(lease: &Lease, _: Style) -> String {
    format!("{} is released: {}\n", lease.lease.id, gives(&lease.lease))
}

/// The place on a shared device, counted from 1.
fn place(share: Option<&LeasedShare>) -> String {
    let text = |share: &LeasedShare| {
        let number = share.index.saturating_add(1);
        format!(", place {number} of {}", share.of)
    };
    share.map(text).unwrap_or_default()
}

/// What keeps it apart from others; each kind once.
fn isolation(lease: &LeaseEntry) -> String {
    let kinds = lease.subjects.iter().map(|subject| match subject {
        LeaseSubject::Slice { isolation, .. }
        | LeaseSubject::Gpu { isolation, .. }
        | LeaseSubject::Device { isolation, .. } => isolation.as_str(),
    });
    let kinds: BTreeSet<&str> = kinds.filter(|kind| !kind.is_empty()).collect();
    kinds.into_iter().collect::<Vec<&str>>().join(", ")
}

/// What a lease gives, in words.
pub fn gives(lease: &LeaseEntry) -> String {
    let subject = |subject: &LeaseSubject| match subject {
        LeaseSubject::Slice {
            profile, id, share, ..
        } => format!("{profile} {id}{}", place(share.as_ref())),
        LeaseSubject::Gpu { pci, share, .. } => format!("gpu {pci}{}", place(share.as_ref())),
        LeaseSubject::Device { device, name, .. } => format!("{device} {name}"),
    };
    let channel = lease.imex_channel;
    let channel = channel.map(|channel| format!("IMEX channel {channel}"));
    let gives = lease.subjects.iter().map(subject).chain(channel);
    gives.collect::<Vec<_>>().join(", ")
}
