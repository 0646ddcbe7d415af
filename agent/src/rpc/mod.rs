//! The API of kerfd over its unix socket. Each call checks who asks, hands on, and translates the answer.

mod admit;
mod auth;
mod cluster;
mod devices;
mod documents;
mod force;
mod imports;
mod jobs;
mod keyring;
mod layouts;
mod leases;
mod maintenance;
mod nodes;
mod patience;
mod serve;
mod service;
mod shared;
mod status;
mod streams;
mod vgpu;

use std::sync::Arc;
use std::time::Instant;

use kerf_api::v1;
use kerf_api::v1::kerf_server::Kerf;
use tonic::{Request, Response, Status, Streaming};

use auth::Role;
pub use documents::{StatusFacts, topology};
pub use imports::Imports;
pub use serve::serve;
pub use service::{Answers, LoadedConfig, Service};
pub(crate) use status::with_hint;
pub use status::{CAUSES, HINT};

use crate::host::Command;

#[tonic::async_trait]
impl Kerf for Service {
    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::Status>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        self.counted("get_status", begun, Ok(self.status()))
    }

    async fn get_inventory(
        &self,
        request: Request<v1::GetInventoryRequest>,
    ) -> Result<Response<v1::Inventory>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let view = if request.get_ref().refresh {
            self.host.refresh().await
        } else {
            self.host.view()
        };
        self.counted("get_inventory", begun, Ok(documents::inventory(&view)))
    }

    async fn get_topology(
        &self,
        request: Request<v1::GetTopologyRequest>,
    ) -> Result<Response<v1::Topology>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let topology = documents::topology(&self.host.view());
        self.counted("get_topology", begun, Ok(topology))
    }

    async fn get_config(
        &self,
        request: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::Config>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        self.counted("get_config", begun, self.shown_config())
    }

    async fn list_slices(
        &self,
        request: Request<v1::ListSlicesRequest>,
    ) -> Result<Response<v1::ListSlicesResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let answer = shared::slices(&self.host.view());
        self.counted("list_slices", begun, Ok(answer))
    }

    async fn plan_layout(
        &self,
        request: Request<v1::PlanLayoutRequest>,
    ) -> Result<Response<v1::Plan>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let plan = self.planned(request.into_inner(), begun).await;
        self.counted("plan_layout", begun, plan)
    }

    type ApplyLayoutStream = Answers<v1::ApplyProgress>;

    async fn apply_layout(
        &self,
        request: Request<v1::ApplyLayoutRequest>,
    ) -> Result<Response<Self::ApplyLayoutStream>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Admin)?;
        let wish = layouts::applied(request.into_inner(), peer)?;
        let stream = layouts::apply(self.host.clone(), wish, Arc::clone(&self.metrics));
        self.counted("apply_layout", begun, Ok(stream))
    }

    async fn list_history(
        &self,
        request: Request<v1::ListHistoryRequest>,
    ) -> Result<Response<v1::ListHistoryResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let outcome = layouts::history(&self.host, request.get_ref()).await;
        self.counted("list_history", begun, outcome)
    }

    type EnterMaintenanceStream = Answers<v1::MaintenanceProgress>;

    async fn enter_maintenance(
        &self,
        request: Request<v1::EnterMaintenanceRequest>,
    ) -> Result<Response<Self::EnterMaintenanceStream>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Admin)?;
        let outcome = self.begin_maintenance(request.into_inner(), peer);
        self.counted("enter_maintenance", begun, outcome)
    }

    async fn leave_maintenance(
        &self,
        request: Request<v1::LeaveMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Admin)?;
        let outcome = self.end_maintenance(request.get_ref(), peer).await;
        self.counted("leave_maintenance", begun, outcome)
    }

    async fn get_maintenance(
        &self,
        request: Request<v1::GetMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let outcome = self.proven(Vec::new()).await;
        self.counted("get_maintenance", begun, outcome)
    }

    async fn create_lease(
        &self,
        request: Request<v1::CreateLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.make_lease(peer, request.into_inner()).await;
        self.counted("create_lease", begun, outcome)
    }

    async fn list_leases(
        &self,
        request: Request<v1::ListLeasesRequest>,
    ) -> Result<Response<v1::ListLeasesResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let view = self.host.view();
        let leases = view.leases.iter().map(v1::Lease::from).collect();
        self.counted("list_leases", begun, Ok(v1::ListLeasesResponse { leases }))
    }

    async fn get_lease(
        &self,
        request: Request<v1::GetLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let outcome = self.lease_of(&request.get_ref().id);
        self.counted("get_lease", begun, outcome)
    }

    async fn renew_lease(
        &self,
        request: Request<v1::RenewLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.keep_lease(peer, request.get_ref()).await;
        self.counted("renew_lease", begun, outcome)
    }

    async fn exec_lease(
        &self,
        request: Request<v1::ExecLeaseRequest>,
    ) -> Result<Response<v1::ExecLeaseResponse>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.run_under_lease(peer, request.into_inner()).await;
        self.counted("exec_lease", begun, outcome)
    }

    async fn attach_device(
        &self,
        request: Request<v1::AttachDeviceRequest>,
    ) -> Result<Response<v1::AttachDeviceResponse>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Admin)?;
        let outcome = self.attach_device_to(peer, request.into_inner()).await;
        self.counted("attach_device", begun, outcome)
    }

    async fn detach_device(
        &self,
        request: Request<v1::DetachDeviceRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        let begun = Instant::now();
        self.admit(&request, Role::Admin)?;
        let outcome = self.detach_device_of(request.get_ref()).await;
        self.counted("detach_device", begun, outcome)
    }

    async fn release_lease(
        &self,
        request: Request<v1::ReleaseLeaseRequest>,
    ) -> Result<Response<v1::Lease>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.end_lease(peer, &request.get_ref().id).await;
        self.counted("release_lease", begun, outcome)
    }

    async fn list_usage(
        &self,
        request: Request<v1::ListUsageRequest>,
    ) -> Result<Response<v1::ListUsageResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let limit = request.get_ref().limit;
        let asked = self.host.ask(|reply| Command::Usage { limit, reply }).await;
        let outcome = asked.map(|documents| v1::ListUsageResponse { documents });
        self.counted("list_usage", begun, outcome.map_err(Status::from))
    }

    async fn get_cdi(
        &self,
        request: Request<v1::GetCdiRequest>,
    ) -> Result<Response<v1::GetCdiResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let outcome = self.cdi_files().await;
        self.counted("get_cdi", begun, outcome)
    }

    async fn import_image(
        &self,
        request: Request<Streaming<v1::ImportImageRequest>>,
    ) -> Result<Response<v1::ImportImageResponse>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.take_image(peer, request.into_inner()).await;
        self.counted("import_image", begun, outcome)
    }

    async fn submit_job(
        &self,
        request: Request<v1::SubmitJobRequest>,
    ) -> Result<Response<v1::Job>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.take_job(peer, request.get_ref());
        self.counted("submit_job", begun, outcome)
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::Job>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Read)?;
        let outcome = self.find_job(peer, request.get_ref()).await;
        self.counted("get_job", begun, outcome)
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let outcome = self.some_jobs(request.get_ref());
        self.counted("list_jobs", begun, outcome)
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::Job>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.end_job(peer, &request.get_ref().id);
        self.counted("cancel_job", begun, outcome)
    }

    async fn force_job(
        &self,
        request: Request<v1::ForceJobRequest>,
    ) -> Result<Response<v1::ForcedJob>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = self.force(request.get_ref()).await;
        self.counted("force_job", begun, outcome)
    }

    async fn explain_job(
        &self,
        request: Request<v1::ExplainJobRequest>,
    ) -> Result<Response<v1::JobExplanation>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let outcome = self.explanation_of(&request.get_ref().id);
        self.counted("explain_job", begun, outcome)
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let fleet = self.fleet.borrow().clone();
        self.counted("list_nodes", begun, Ok(nodes::nodes(&fleet)))
    }

    async fn forget_node(
        &self,
        request: Request<v1::ForgetNodeRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        let begun = self.begin(&request, Role::Admin)?;
        let outcome = self.forget_named(&request.get_ref().host).await;
        self.counted("forget_node", begun, outcome)
    }

    type ReadLogsStream = Answers<v1::LogChunk>;

    async fn read_logs(
        &self,
        request: Request<v1::ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Read)?;
        let outcome = self.logs_of(peer, request.get_ref());
        self.counted("read_logs", begun, outcome)
    }

    type AttachStream = Answers<v1::AttachOutput>;

    async fn attach(
        &self,
        request: Request<Streaming<v1::AttachInput>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Submit)?;
        let outcome = self.attach_to(peer, request.into_inner()).await;
        self.counted("attach", begun, outcome)
    }

    type WatchEventsStream = Answers<v1::Event>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let stream = streams::events(self.events.clone(), *request.get_ref());
        self.counted("watch_events", begun, Ok(stream))
    }

    async fn list_vgpus(
        &self,
        request: Request<v1::ListVgpusRequest>,
    ) -> Result<Response<v1::ListVgpusResponse>, Status> {
        let begun = self.begin(&request, Role::Read)?;
        let sysroot = self.config.borrow().config.paths.sysroot.clone();
        let answer = vgpu::list(&self.host.view(), &self.processes, sysroot).await;
        self.counted("list_vgpus", begun, Ok(answer))
    }

    async fn create_vgpu(
        &self,
        request: Request<v1::CreateVgpuRequest>,
    ) -> Result<Response<v1::VgpuRecord>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Admin)?;
        let outcome = vgpu::create(&self.host, peer, request.into_inner()).await;
        self.counted("create_vgpu", begun, outcome)
    }

    async fn delete_vgpu(
        &self,
        request: Request<v1::DeleteVgpuRequest>,
    ) -> Result<Response<v1::VgpuRecord>, Status> {
        let begun = Instant::now();
        let peer = self.admit(&request, Role::Admin)?;
        let outcome = vgpu::delete(&self.host, peer, request.into_inner()).await;
        self.counted("delete_vgpu", begun, outcome)
    }
}
