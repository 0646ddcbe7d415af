//! kerfd's gRPC API for tests: one connection and one deadline for each call, and no async outside.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use kerf_api::v1::apply_progress::Event;
use kerf_api::v1::kerf_client::KerfClient;
use kerf_api::v1::lease_subject::Subject;
use kerf_api::v1::{
    ApplyLayoutRequest, CreateLeaseRequest, GetInventoryRequest, GetStatusRequest, Inventory,
    Layout, LayoutRule, Lease, ListLeasesRequest, ListSlicesRequest, ReleaseLeaseRequest, Slice,
    Status as HostStatus,
};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// How long one call may take on a loaded machine; what must be faster says so itself.
const LIMIT: Duration = Duration::from_secs(60);

/// Longest answer: an inventory of eight GPUs with all profiles has some hundred KiB.
const MESSAGE_LIMIT: usize = 16 << 20;

/// The way to one kerfd. It connects anew for each call, so it survives a restart of kerfd.
pub struct Client {
    socket: PathBuf,
    runtime: Runtime,
}

impl Client {
    pub fn new(socket: PathBuf) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        Self {
            socket,
            runtime: runtime.expect("a runtime"),
        }
    }

    async fn connect(&self) -> Result<KerfClient<Channel>, Status> {
        let socket = self.socket.clone();
        let connector = tower::service_fn(move |_| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connector).await;
        let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(KerfClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT))
    }

    fn call<T, Call>(&self, call: impl FnOnce(KerfClient<Channel>) -> Call) -> Result<T, Status>
    where
        Call: Future<Output = Result<Response<T>, Status>>,
    {
        let work = async {
            let client = self.connect().await?;
            call(client).await.map(Response::into_inner)
        };
        self.runtime.block_on(async {
            let late = |_| Status::deadline_exceeded("kerfd gave no answer");
            tokio::time::timeout(LIMIT, work).await.map_err(late)?
        })
    }

    pub fn status(&self) -> Result<HostStatus, Status> {
        self.call(|mut client| async move { client.get_status(GetStatusRequest {}).await })
    }

    /// What is not well, as `what: why` lines.
    pub fn degraded(&self) -> Vec<String> {
        let status = self.status().expect("a status");
        let entries = status.degraded.iter();
        entries
            .map(|entry| format!("{}: {}", entry.what, entry.why))
            .collect()
    }

    pub fn inventory(&self) -> Inventory {
        let request = GetInventoryRequest { refresh: false };
        self.call(|mut client| async move { client.get_inventory(request).await })
            .expect("an inventory")
    }

    /// The same after a look at the hardware.
    pub fn looked(&self) -> Inventory {
        let request = GetInventoryRequest { refresh: true };
        self.call(|mut client| async move { client.get_inventory(request).await })
            .expect("an inventory")
    }

    pub fn slices(&self) -> Vec<Slice> {
        self.call(|mut client| async move { client.list_slices(ListSlicesRequest {}).await })
            .expect("slices")
            .slices
    }

    pub fn leases(&self) -> Vec<Lease> {
        self.call(|mut client| async move { client.list_leases(ListLeasesRequest {}).await })
            .expect("leases")
            .leases
    }

    /// Applies a layout to its end; returns the number of steps.
    pub fn apply(&self, layout: Layout) -> Result<u32, Status> {
        let mut steps = 0;
        self.apply_until(layout, |event| {
            if let Event::Done(done) = event {
                steps = done.steps;
            }
            ControlFlow::Continue(())
        })?;
        Ok(steps)
    }

    /// Applies a layout and shows each event of it to `watch`, until that has seen enough.
    pub fn apply_until(
        &self,
        layout: Layout,
        mut watch: impl FnMut(Event) -> ControlFlow<()>,
    ) -> Result<(), Status> {
        let request = ApplyLayoutRequest {
            layout: Some(layout),
            allow_reset: false,
            ..ApplyLayoutRequest::default()
        };
        self.runtime.block_on(async {
            let mut client = self.connect().await?;
            let mut request = Request::new(request);
            request.set_timeout(LIMIT);
            let mut stream = client.apply_layout(request).await?.into_inner();
            while let Some(progress) = stream.message().await? {
                if let Some(event) = progress.event
                    && watch(event).is_break()
                {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Makes a lease for a container of `namespace`, or for any of this user where `container` is empty.
    pub fn lease(&self, ask: &str, namespace: &str, container: &str) -> Result<Lease, Status> {
        let request = CreateLeaseRequest {
            ask: ask.to_owned(),
            namespace: namespace.to_owned(),
            container: container.to_owned(),
            ttl_seconds: 3_600,
            wait_ms: 0,
        };
        self.call(|mut client| async move { client.create_lease(request).await })
    }

    pub fn release(&self, id: &str) -> Result<Lease, Status> {
        let request = ReleaseLeaseRequest { id: id.to_owned() };
        self.call(|mut client| async move { client.release_lease(request).await })
    }
}

/// A rule: GPUs, and how many slices of which profile.
pub type Rule<'a> = (&'a [&'a str], &'a [(&'a str, u32)]);

/// Rules of a layout: GPUs by index, and how many slices of which profile.
pub fn layout(rules: &[Rule<'_>]) -> Layout {
    let rule = |(gpus, slices): &Rule<'_>| LayoutRule {
        gpus: gpus.iter().map(|gpu| (*gpu).to_owned()).collect(),
        mig_enabled: true,
        slices: slices
            .iter()
            .map(|(profile, count)| ((*profile).to_owned(), *count))
            .collect(),
        ..LayoutRule::default()
    };
    Layout {
        rules: rules.iter().map(rule).collect(),
    }
}

/// The addresses of a lease's whole GPUs, in its order.
pub fn gpus(lease: &Lease) -> Vec<String> {
    let subjects = lease.subjects.iter();
    let gpu = subjects.filter_map(|one| match one.subject.as_ref()? {
        Subject::Gpu(gpu) => Some(gpu.pci.clone()),
        Subject::Slice(_) | Subject::Device(_) => None,
    });
    gpu.collect()
}
