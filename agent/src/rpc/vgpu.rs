//! vGPUs over the API.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kerf_api::v1;
use tokio::sync::Semaphore;
use tonic::{Code, Status};

use super::auth::Peer;
use crate::host::vgpu::{NewVgpu, OldVgpu, Users, VgpuRefusal, VgpuWish};
use crate::host::{Command, HostError, HostHandle, HostView, now};
use crate::process::workers::Processes;
use crate::store::VgpuRow;

/// How long a look for who has vGPUs open may take, its wait for another one included. Files of `/proc` wait for the locks
/// of the processes that they tell of; nobody waits for that longer to see a list.
const USERS_PATIENCE: Duration = Duration::from_secs(2);

/// One look at `/proc` at a time, however many ask, and none beside one that does not end.
static LOOKING: Semaphore = Semaphore::const_new(1);

/// All of them, as they were looked at last: no reader makes work for a driver, or waits for one.
pub async fn list(
    view: &HostView,
    processes: &Processes,
    sysroot: PathBuf,
) -> v1::ListVgpusResponse {
    let gpus = Arc::clone(&view.vgpu_gpus);
    let look = async {
        let _only = LOOKING.acquire().await.ok()?;
        Some(Users::look(processes, &sysroot, &gpus).await)
    };
    let users = tokio::time::timeout(USERS_PATIENCE, look).await;
    // Whatever was not looked at in time is unknown.
    let users = users.ok().flatten().unwrap_or_default();
    answer(view, &users)
}

fn answer(view: &HostView, users: &Users) -> v1::ListVgpusResponse {
    let gpus = view.vgpu_gpus.iter().map(|(gpu, rows)| {
        let mut gpu = gpu.clone();
        for function in &mut gpu.functions {
            for vgpu in function.vgpus.iter_mut().flatten() {
                let seen = || users.of_vgpu(function.pci, vgpu.uuid).cloned();
                vgpu.user = vgpu.user.take().or_else(seen);
            }
        }
        v1::VgpuHost {
            gpu: Some((&gpu).into()),
            records: rows.iter().map(record).collect(),
        }
    });
    let looked_ms = view.vgpus_looked.map(|looked| looked.0);
    v1::ListVgpusResponse {
        gpus: gpus.collect(),
        looked_ms,
        age_ms: looked_ms.map(|looked| now().0.saturating_sub(looked)),
        users_known: users.are_known,
    }
}

/// Makes one.
pub async fn create(
    host: &HostHandle,
    peer: Peer,
    request: v1::CreateVgpuRequest,
) -> Result<v1::VgpuRecord, Status> {
    let function = match request.function.as_str() {
        "" => None,
        function => Some(function.parse().map_err(HostError::Invalid)?),
    };
    let wish = NewVgpu {
        gpu: request.gpu,
        kind: request.r#type,
        function,
        placement: request.placement,
        enable_sriov: request.enable_sriov,
        for_containers: request.for_containers,
        by: peer.into(),
    };
    let made = host
        .ask(|reply| Command::vgpu(VgpuWish::Create(wish), reply))
        .await?;
    Ok(record(&made))
}

/// Takes one away.
pub async fn delete(
    host: &HostHandle,
    peer: Peer,
    request: v1::DeleteVgpuRequest,
) -> Result<v1::VgpuRecord, Status> {
    let wish = OldVgpu {
        name: request.name,
        fence: (request.fence != 0).then_some(request.fence),
        disable_sriov: request.disable_sriov,
        by: peer.into(),
    };
    let gone = host
        .ask(|reply| Command::vgpu(VgpuWish::Delete(wish), reply))
        .await?;
    Ok(record(&gone))
}

/// The code of a refusal.
pub fn code(refusal: &VgpuRefusal) -> Code {
    match refusal {
        VgpuRefusal::NotFound { .. } | VgpuRefusal::NoType { .. } => Code::NotFound,
        VgpuRefusal::Full { .. } | VgpuRefusal::NeedsInstance { .. } => Code::ResourceExhausted,
        VgpuRefusal::Foreign { .. } => Code::PermissionDenied,
        VgpuRefusal::Several { .. } => Code::InvalidArgument,
        VgpuRefusal::Unsettled { .. } | VgpuRefusal::InDoubt { .. } => Code::Aborted,
        VgpuRefusal::NotOffered { .. }
        | VgpuRefusal::SriovOff { .. }
        | VgpuRefusal::Carries { .. }
        | VgpuRefusal::Leased { .. }
        | VgpuRefusal::Stale { .. }
        | VgpuRefusal::WouldWipe { .. }
        | VgpuRefusal::StaysOn { .. }
        | VgpuRefusal::OthersThere { .. } => Code::FailedPrecondition,
    }
}

fn record(row: &VgpuRow) -> v1::VgpuRecord {
    v1::VgpuRecord {
        for_containers: row.for_containers,
        gpu: row.gpu.clone(),
        function: row.function.clone(),
        uuid: row.uuid.clone(),
        type_id: row.type_id,
        type_name: row.type_name.clone(),
        uid: row.uid,
        fence: row.fence,
        created_ms: row.created_ms,
        state: row.state.as_str().to_owned(),
        gpu_instance: row.gpu_instance,
        placement: row.placement,
    }
}
