//! Whether interfaces can reach the memory of GPUs on this host, as far as kernel modules say so.
//!
//! NVIDIA's is `nvidia-peermem` (before the driver had it, `nv_peer_mem`); AMD's driver registers with the peer memory
//! interface of MLNX_OFED as `amdkfd`. These are the files that NCCL and RCCL look for (`src/transport/net_ib.cc`).
//! DMA-BUF needs no module and shows no file, so that their absence says "no" of a kernel alone that is older.

use kerf_types::map::{Accelerator, CapabilityKey};

use super::facts;
use crate::sysfs::Reader;

/// Folders of the modules that reach the memory of NVIDIA's GPUs.
pub(super) const NVIDIA: [&str; 2] = ["sys/module/nvidia_peermem", "sys/module/nv_peer_mem"];
/// Folders of the clients that reach the memory of AMD's GPUs.
pub(super) const AMD: [&str; 2] = [
    "sys/kernel/mm/memory_peers/amdkfd",
    "sys/memory_peers/amdkfd",
];

/// The first kernel on which DMA-BUF gives interfaces a way without a module (NCCL asks for it as well).
const DMA_BUF: (u32, u32) = (5, 12);

/// Adds to the GPUs of one driver what its modules say. What the same vendor has beside GPUs is none of that driver's:
/// an FPGA is reached in other ways.
pub(super) fn add(reader: &Reader<'_>, folders: &[&str], gpus: &mut [Accelerator]) {
    if gpus.is_empty() {
        return;
    }
    let has_module = folders.iter().any(|folder| !reader.list(folder).is_empty());
    // Without a module and with DMA-BUF nobody can tell.
    if !has_module && !is_too_old(reader) {
        return;
    }
    for gpu in gpus {
        facts::flag(&mut gpu.capabilities, CapabilityKey::PeerDma, has_module);
    }
}

/// Whether the kernel has no DMA-BUF for interfaces; an unknown one may have it.
fn is_too_old(reader: &Reader<'_>) -> bool {
    let release = reader.text("proc/sys/kernel/osrelease");
    let version = release.as_deref().and_then(|release| {
        let mut numbers = release.split(['.', '-']);
        let number = |text: Option<&str>| text?.parse::<u32>().ok();
        Some((number(numbers.next())?, number(numbers.next())?))
    });
    version.is_some_and(|version| version < DMA_BUF)
}
