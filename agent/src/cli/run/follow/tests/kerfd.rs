//! A kerfd that has one job, which has ended, and shows its log as it is told to.

use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use kerf_api::v1;
use kerf_api::v1::kerf_server::{Kerf, KerfServer};
use tokio::net::UnixListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status, Streaming};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What is said to one reader of the log.
pub type Log = Vec<Result<v1::LogChunk, Status>>;

/// The fake, which goes with its runtime.
#[derive(Debug, Clone)]
pub struct Kerfd {
    job: v1::Job,
    logs: Arc<Mutex<VecDeque<Log>>>,
    asked: Arc<Mutex<Vec<v1::ReadLogsRequest>>>,
}

impl Kerfd {
    /// Listens on a socket; each reader of the log gets the next of `logs`.
    pub fn listen(socket: &Path, job: v1::Job, logs: Vec<Log>) -> Self {
        let kerfd = Self {
            job,
            logs: Arc::new(Mutex::new(logs.into())),
            asked: Arc::default(),
        };
        let listener = UnixListener::bind(socket).expect("a socket");
        let served = tonic::transport::Server::builder()
            .add_service(KerfServer::new(kerfd.clone()))
            .serve_with_incoming(UnixListenerStream::new(listener));
        tokio::spawn(served);
        kerfd
    }

    /// What readers of the log have asked for.
    pub fn asked(&self) -> Vec<v1::ReadLogsRequest> {
        self.asked.lock().expect("no panic").clone()
    }
}

fn unasked() -> Status {
    Status::unimplemented("not asked for")
}

#[tonic::async_trait]
impl Kerf for Kerfd {
    async fn get_job(&self, _: Request<v1::GetJobRequest>) -> Result<Response<v1::Job>, Status> {
        Ok(Response::new(self.job.clone()))
    }

    type ReadLogsStream = Answers<v1::LogChunk>;

    async fn read_logs(
        &self,
        request: Request<v1::ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        self.asked
            .lock()
            .expect("no panic")
            .push(request.into_inner());
        let log = self.logs.lock().expect("no panic").pop_front();
        let log = log.ok_or_else(|| Status::internal("read once more than there are logs"))?;
        Ok(Response::new(Box::pin(tokio_stream::iter(log))))
    }

    async fn list_history(
        &self,
        _: Request<v1::ListHistoryRequest>,
    ) -> Result<Response<v1::ListHistoryResponse>, Status> {
        Err(unasked())
    }

    type EnterMaintenanceStream = Answers<v1::MaintenanceProgress>;

    async fn enter_maintenance(
        &self,
        _: Request<v1::EnterMaintenanceRequest>,
    ) -> Result<Response<Self::EnterMaintenanceStream>, Status> {
        Err(unasked())
    }

    async fn leave_maintenance(
        &self,
        _: Request<v1::LeaveMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        Err(unasked())
    }

    async fn get_maintenance(
        &self,
        _: Request<v1::GetMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        Err(unasked())
    }

    async fn list_vgpus(
        &self,
        _: Request<v1::ListVgpusRequest>,
    ) -> Result<Response<v1::ListVgpusResponse>, Status> {
        Err(unasked())
    }

    async fn create_vgpu(
        &self,
        _: Request<v1::CreateVgpuRequest>,
    ) -> Result<Response<v1::VgpuRecord>, Status> {
        Err(unasked())
    }

    async fn delete_vgpu(
        &self,
        _: Request<v1::DeleteVgpuRequest>,
    ) -> Result<Response<v1::VgpuRecord>, Status> {
        Err(unasked())
    }

    async fn get_status(
        &self,
        _: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::Status>, Status> {
        Err(unasked())
    }

    async fn get_inventory(
        &self,
        _: Request<v1::GetInventoryRequest>,
    ) -> Result<Response<v1::Inventory>, Status> {
        Err(unasked())
    }

    async fn get_topology(
        &self,
        _: Request<v1::GetTopologyRequest>,
    ) -> Result<Response<v1::Topology>, Status> {
        Err(unasked())
    }

    async fn get_config(
        &self,
        _: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::Config>, Status> {
        Err(unasked())
    }

    async fn list_slices(
        &self,
        _: Request<v1::ListSlicesRequest>,
    ) -> Result<Response<v1::ListSlicesResponse>, Status> {
        Err(unasked())
    }

    async fn plan_layout(
        &self,
        _: Request<v1::PlanLayoutRequest>,
    ) -> Result<Response<v1::Plan>, Status> {
        Err(unasked())
    }

    type ApplyLayoutStream = Answers<v1::ApplyProgress>;

    async fn apply_layout(
        &self,
        _: Request<v1::ApplyLayoutRequest>,
    ) -> Result<Response<Self::ApplyLayoutStream>, Status> {
        Err(unasked())
    }

    async fn create_lease(
        &self,
        _: Request<v1::CreateLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        Err(unasked())
    }

    async fn list_leases(
        &self,
        _: Request<v1::ListLeasesRequest>,
    ) -> Result<Response<v1::ListLeasesResponse>, Status> {
        Err(unasked())
    }

    async fn get_lease(
        &self,
        _: Request<v1::GetLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        Err(unasked())
    }

    async fn renew_lease(
        &self,
        _: Request<v1::RenewLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        Err(unasked())
    }

    async fn exec_lease(
        &self,
        _: Request<v1::ExecLeaseRequest>,
    ) -> Result<Response<v1::ExecLeaseResponse>, Status> {
        Err(unasked())
    }

    async fn attach_device(
        &self,
        _: Request<v1::AttachDeviceRequest>,
    ) -> Result<Response<v1::AttachDeviceResponse>, Status> {
        Err(unasked())
    }

    async fn detach_device(
        &self,
        _: Request<v1::DetachDeviceRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        Err(unasked())
    }

    async fn release_lease(
        &self,
        _: Request<v1::ReleaseLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        Err(unasked())
    }

    async fn list_usage(
        &self,
        _: Request<v1::ListUsageRequest>,
    ) -> Result<Response<v1::ListUsageResponse>, Status> {
        Err(unasked())
    }

    async fn get_cdi(
        &self,
        _: Request<v1::GetCdiRequest>,
    ) -> Result<Response<v1::GetCdiResponse>, Status> {
        Err(unasked())
    }

    async fn import_image(
        &self,
        _: Request<Streaming<v1::ImportImageRequest>>,
    ) -> Result<Response<v1::ImportImageResponse>, Status> {
        Err(unasked())
    }

    async fn submit_job(
        &self,
        _: Request<v1::SubmitJobRequest>,
    ) -> Result<Response<v1::Job>, Status> {
        Err(unasked())
    }

    async fn list_jobs(
        &self,
        _: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        Err(unasked())
    }

    async fn cancel_job(
        &self,
        _: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::Job>, Status> {
        Err(unasked())
    }

    async fn force_job(
        &self,
        _: Request<v1::ForceJobRequest>,
    ) -> Result<Response<v1::ForcedJob>, Status> {
        Err(unasked())
    }

    async fn explain_job(
        &self,
        _: Request<v1::ExplainJobRequest>,
    ) -> Result<Response<v1::JobExplanation>, Status> {
        Err(unasked())
    }

    async fn list_nodes(
        &self,
        _: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        Err(unasked())
    }

    async fn forget_node(
        &self,
        _: Request<v1::ForgetNodeRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        Err(unasked())
    }

    type AttachStream = Answers<v1::AttachOutput>;

    async fn attach(
        &self,
        _: Request<Streaming<v1::AttachInput>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        Err(unasked())
    }

    type WatchEventsStream = Answers<v1::Event>;

    async fn watch_events(
        &self,
        _: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        Err(unasked())
    }
}
