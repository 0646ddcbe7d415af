//! vGPUs over the API.

use kerf_api::v1;
use tonic::{Code, Status};

use super::auth::Peer;
use crate::host::vgpu::{NewVgpu, OldVgpu, VgpuCommand, VgpuRefusal};
use crate::host::{Command, HostError, HostHandle};
use crate::store::VgpuRow;

/// Looks at all of them.
pub async fn list(host: &HostHandle) -> Result<v1::ListVgpusResponse, Status> {
    let found = host
        .ask(|reply| Command::Vgpu(VgpuCommand::List(reply)))
        .await?;
    let gpus = found.iter().map(|(gpu, rows)| v1::VgpuHost {
        gpu: Some(gpu.into()),
        records: rows.iter().map(record).collect(),
    });
    Ok(v1::ListVgpusResponse {
        gpus: gpus.collect(),
    })
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
        by: peer.into(),
    };
    let made = host
        .ask(|reply| Command::Vgpu(VgpuCommand::Create(wish, reply)))
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
        .ask(|reply| Command::Vgpu(VgpuCommand::Delete(wish, reply)))
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
        VgpuRefusal::Unsettled { .. } => Code::Aborted,
        VgpuRefusal::NotOffered { .. }
        | VgpuRefusal::SriovOff { .. }
        | VgpuRefusal::Carries { .. }
        | VgpuRefusal::Stale { .. }
        | VgpuRefusal::WouldWipe { .. }
        | VgpuRefusal::OthersThere { .. } => Code::FailedPrecondition,
    }
}

fn record(row: &VgpuRow) -> v1::VgpuRecord {
    v1::VgpuRecord {
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
