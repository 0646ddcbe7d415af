//! `kerf device`: a lease for a container that runs already, and back again.

use kerf_api::json::{DeviceAttachment, Lease};
use kerf_api::v1;

use super::client::{Client, soon, within};
use super::fail::Failure;
use super::lease::{gives, named, wait};
use super::style::Style;
use super::table::{Table, row};
use super::{Context, Exit};

/// `kerf device`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Put a slice or a GPU into a container that runs (cgroup v1)
    Attach(Attach),
    /// Take it out again, and end its lease
    Detach(Detach),
}

/// `kerf device attach`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["ask", "lease"]))]
pub struct Attach {
    /// The container, by the whole id that its engine gives it, or pid:PID for the one that a process is in
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// What: 1g.10gb, gpu:2, slice=ID, or another ask as of kerf lease create
    #[arg(value_name = "ASK")]
    ask: Option<String>,
    /// A lease that was made before, by its id or the beginning of it
    #[arg(long, value_name = "ID")]
    lease: Option<String>,
    /// The engine's namespace, where several have a container of that id
    #[arg(long, value_name = "NAME", default_value = "")]
    namespace: String,
    /// How long to wait for room that others have
    #[arg(long, value_name = "TIME", value_parser = wait, conflicts_with = "lease")]
    wait: Option<u64>,
}

/// `kerf device detach`
#[derive(Debug, clap::Args)]
pub struct Detach {
    /// The lease, by its id or the beginning of it, or the container where one is attached to it
    #[arg(value_name = "LEASE|CONTAINER")]
    what: String,
    /// Also while processes of the container have it open; nobody gets it before they have ended
    #[arg(long)]
    force: bool,
}

/// Attaches or detaches.
pub async fn run(verb: Verb, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    match verb {
        Verb::Attach(args) => {
            let lease = match args.lease {
                Some(id) => named(&mut client, id).await?,
                None => String::new(),
            };
            let wait_ms = args.wait.unwrap_or(0);
            let (container, pid) = container_or_pid(args.container)?;
            let request = v1::AttachDeviceRequest {
                container,
                namespace: args.namespace,
                pid,
                ask: args.ask.unwrap_or_default(),
                lease,
                wait_ms,
            };
            let attached = client.attach_device(within(request, wait_ms)).await;
            let attached = attached.map_err(Failure::call("attach the device"))?;
            let document = DeviceAttachment::try_from(attached.get_ref())?;
            context.print.document(&document, render_attached)?;
        }
        Verb::Detach(args) => {
            let lease = attached_lease(&mut client, &args.what).await?;
            let request = v1::DetachDeviceRequest {
                lease,
                force: args.force,
            };
            let lease = client.detach_device(soon(request)).await;
            let lease = lease.map_err(Failure::call("detach the device"))?;
            let document = Lease::try_from(lease.get_ref())?;
            context.print.document(&document, render_detached)?;
        }
    }
    Ok(Exit::Done)
}

/// No engine has a colon in an id, so the two are never mistaken for each other.
fn container_or_pid(named: String) -> Result<(String, u32), Failure> {
    let Some(pid) = named.strip_prefix("pid:") else {
        return Ok((named, 0));
    };
    match pid.parse() {
        Ok(pid) if pid != 0 => Ok((String::new(), pid)),
        _ => Err(Failure::Unfit {
            why: "pid: is followed by the number of a process",
        }),
    }
}

/// The lease that is meant: that of the one container of this name with an attached lease, or one with such an id.
async fn attached_lease(client: &mut Client, what: &str) -> Result<String, Failure> {
    let leases = client.list_leases(soon(v1::ListLeasesRequest {})).await;
    let leases = leases.map_err(Failure::call("list the leases"))?;
    let leases = leases.into_inner().leases;
    let is_in = |lease: &&v1::Lease| {
        let container = lease.container.as_deref().unwrap_or_default();
        let name = container.rsplit('/').next().unwrap_or_default();
        let pid = lease.init_pid.map(|pid| format!("pid:{pid}"));
        lease.attached && (container == what || name == what || pid.as_deref() == Some(what))
    };
    let inside: Vec<String> = leases
        .iter()
        .filter(is_in)
        .map(|one| one.id.clone())
        .collect();
    match inside.as_slice() {
        [] => named(client, what.to_owned()).await,
        [only] => Ok(only.clone()),
        several => Err(Failure::Attached {
            container: what.to_owned(),
            leases: several.to_vec(),
        }),
    }
}

/// What a container has got, and what to do with it.
pub fn render_attached(document: &DeviceAttachment, style: Style) -> String {
    let lease = &document.lease;
    let mut table = Table::new(&["", ""]);
    table.push(row!["lease", &lease.id]);
    table.push(row!["gives", gives(lease)]);
    if let Some(container) = &lease.container {
        table.push(row!["container", container]);
    }
    if let Some(pid) = lease.init_pid {
        table.push(row!["process", pid.to_string()]);
    }
    for node in &document.nodes {
        table.push(row!["node", node]);
    }
    for variable in &document.env {
        table.push(row!["set", variable]);
    }
    for note in &document.notes {
        table.push(row!["note", note]);
    }
    table.render(style, "")
}

/// A lease that no container has any more.
pub fn render_detached(lease: &Lease, _: Style) -> String {
    let (id, gives) = (&lease.lease.id, gives(&lease.lease));
    match lease.lease.state.as_str() {
        "released" => format!("{id} is detached and released: {gives}\n"),
        state => {
            format!("{id} is detached and {state}: nobody gets it before it is clean: {gives}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::container_or_pid;

    #[test]
    fn a_process_is_told_from_a_container() {
        let of = |text: &str| container_or_pid(text.to_owned()).ok();
        assert_eq!(of("web-1"), Some(("web-1".to_owned(), 0)));
        assert_eq!(of("pid:17"), Some((String::new(), 17)));
        for wrong in ["pid:", "pid:0", "pid:x", "pid:-1"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
