//! `kerf vgpu`: shares of GPUs for virtual machines.

mod render;
#[cfg(test)]
mod tests;

use kerf_api::json::{Vgpu, VgpuTypes, Vgpus};
use kerf_api::v1;

use super::client::{Client, soon};
use super::fail::Failure;
use super::{Context, Exit};

/// `kerf vgpu`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Into what vGPUs the GPUs can be shared now
    Types,
    /// vGPUs that are there, and who made them
    List,
    /// Make a vGPU
    Create(Create),
    /// Take away a vGPU that kerf made
    Delete(Delete),
}

/// `kerf vgpu create`
#[derive(Debug, clap::Args)]
pub struct Create {
    /// Its type, by number or name: 1145, L40S-1B, see `kerf vgpu types`
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The GPU: index, UUID or PCI address
    #[arg(long, value_name = "GPU")]
    gpu: String,
    /// PCI address of the function; the first on which it can be made where none is named
    #[arg(long, value_name = "PCI", default_value = "")]
    function: String,
    /// Where it shall lie in the GPU's memory, on a GPU that mixes sizes
    #[arg(long, value_name = "N")]
    placement: Option<u32>,
    /// Turn the GPU's virtual functions on, should they be off; refused while it is leased
    #[arg(long)]
    enable_sriov: bool,
    /// Lease it, as a VFIO device, to containers that ask for a vgpu
    #[arg(long)]
    for_containers: bool,
}

/// `kerf vgpu delete`
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// The function's PCI address, or the UUID of a mediated device
    #[arg(value_name = "NAME")]
    name: String,
    /// Only the vGPU of this number: a function is used again, and a late call must not end another's
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    fence: u64,
    /// Turn the GPU's virtual functions off afterwards; refused where that would wipe a MIG layout
    #[arg(long)]
    disable_sriov: bool,
}

/// Lists, makes or takes away vGPUs.
pub async fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    let mut client = context.connect().await?;
    let print = context.print;
    match verb {
        Verb::Types => {
            let found = VgpuTypes::try_from(&list(&mut client).await?)?;
            print.document(&found, render::types)?;
        }
        Verb::List => {
            let found = Vgpus::try_from(&list(&mut client).await?)?;
            print.document(&found, render::vgpus)?;
        }
        Verb::Create(create) => {
            let request = v1::CreateVgpuRequest {
                gpu: create.gpu.clone(),
                r#type: create.kind.clone(),
                function: create.function.clone(),
                placement: create.placement,
                enable_sriov: create.enable_sriov,
                for_containers: create.for_containers,
            };
            let made = client.create_vgpu(soon(request)).await;
            let made = made.map_err(Failure::call("make the vGPU"))?;
            print.document(&Vgpu::from(made.get_ref()), render::made)?;
        }
        Verb::Delete(delete) => {
            let request = v1::DeleteVgpuRequest {
                name: delete.name.clone(),
                fence: delete.fence,
                disable_sriov: delete.disable_sriov,
            };
            let gone = client.delete_vgpu(soon(request)).await;
            let gone = gone.map_err(Failure::call("take the vGPU away"))?;
            print.document(&Vgpu::from(gone.get_ref()), render::gone)?;
        }
    }
    Ok(Exit::Done)
}

async fn list(client: &mut Client) -> Result<v1::ListVgpusResponse, Failure> {
    let found = client.list_vgpus(soon(v1::ListVgpusRequest {})).await;
    let found = found.map_err(Failure::call("look at the vGPUs"))?;
    Ok(found.into_inner())
}
