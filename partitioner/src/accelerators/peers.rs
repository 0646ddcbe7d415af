//! Whether interfaces can reach the memory of GPUs on this host, as far as kernel modules say so.
//!
//! NVIDIA's is `nvidia-peermem` (before the driver had it, `nv_peer_mem`); AMD's driver registers with the peer memory
//! interface of MLNX_OFED as `amdkfd`. These are the files that NCCL and RCCL look for (`src/transport/net_ib.cc`).
//! DMA-BUF needs no module and shows no file, so that their absence says nothing.

use kerf_types::map::{
    Accelerator, Capability, CapabilityKey, CapabilityValue, Provenance, Vendor,
};

use crate::sysfs::Reader;

const NVIDIA: [&str; 2] = ["sys/module/nvidia_peermem", "sys/module/nv_peer_mem"];
const AMD: [&str; 2] = [
    "sys/kernel/mm/memory_peers/amdkfd",
    "sys/memory_peers/amdkfd",
];

/// Adds to the GPUs what the modules of their driver say.
pub fn add(reader: &Reader<'_>, accelerators: &mut [Accelerator]) {
    for (vendor, folders) in [(Vendor::Nvidia, NVIDIA), (Vendor::Amd, AMD)] {
        let mut gpus = accelerators
            .iter_mut()
            .filter(|one| one.vendor == vendor)
            .peekable();
        let is_there = |folder: &str| !reader.list(folder).is_empty();
        if gpus.peek().is_none() || !folders.iter().any(|folder| is_there(folder)) {
            continue;
        }
        for gpu in gpus {
            let reachable = Capability {
                value: CapabilityValue::Flag(true),
                provenance: Provenance::Kernel,
            };
            gpu.capabilities.insert(CapabilityKey::PeerDma, reachable);
        }
    }
}
