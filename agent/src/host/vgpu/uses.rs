//! Whose hardware vGPUs have: what a plan leaves alone, and what no lease is given on. Pure.
//!
//! Where nobody says in which GPU instance a vGPU lies, as with mediated devices, it may be any of them.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::{GiId, GpuInstance, PciAddress, VgpuFunction, VgpuGpu};

use super::judge;
use crate::store::VgpuRow;

/// A vGPU, or a function that may carry one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VgpuUse {
    /// As `kerf vgpu delete` takes it, and what it is.
    pub name: String,
    /// The GPU instance that it is known to lie in.
    pub gi: Option<GiId>,
    /// Its name with its maker, and what can be done about it.
    pub words: String,
}

/// vGPUs by their GPU; one that carries none is not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VgpuUses(BTreeMap<PciAddress, Vec<VgpuUse>>);

impl VgpuUses {
    /// What GPUs showed, with kerf's records. Of `unread` it was never read, or may be otherwise by now.
    pub(super) fn of(
        seen: &BTreeMap<PciAddress, VgpuGpu>,
        rows: &BTreeMap<u64, VgpuRow>,
        unread: &BTreeSet<PciAddress>,
    ) -> Self {
        let mut uses: BTreeMap<PciAddress, Vec<VgpuUse>> = BTreeMap::new();
        for (pci, gpu) in seen {
            let found: Vec<VgpuUse> = gpu
                .functions
                .iter()
                .flat_map(|function| of_function(function, rows))
                .collect();
            if !found.is_empty() {
                uses.insert(*pci, found);
            }
        }
        for pci in unread {
            let name = "something that could not be read".to_owned();
            let words = format!("{name} (see `kerf status`)");
            let gi = None;
            uses.entry(*pci)
                .or_default()
                .push(VgpuUse { name, gi, words });
        }
        Self(uses)
    }

    /// What is on a GPU, if anything is.
    pub fn on(&self, gpu: PciAddress) -> Option<&[VgpuUse]> {
        self.0.get(&gpu).map(Vec::as_slice)
    }

    /// What lies, or may lie, in a GPU instance.
    pub fn in_instance(&self, gpu: PciAddress, instance: &GpuInstance) -> Option<&VgpuUse> {
        let mut uses = self.on(gpu)?.iter();
        uses.find(|one| one.gi.is_none_or(|gi| gi == instance.id))
    }

    /// Every GPU with what is on it, in words.
    pub fn words(&self) -> impl Iterator<Item = (PciAddress, String)> {
        self.0.iter().map(|(pci, uses)| (*pci, in_words(uses)))
    }
}

/// Several, in words.
pub fn in_words(uses: &[VgpuUse]) -> String {
    let words: Vec<&str> = uses.iter().map(|one| one.words.as_str()).collect();
    words.join("; ")
}

fn of_function(function: &VgpuFunction, rows: &BTreeMap<u64, VgpuRow>) -> Vec<VgpuUse> {
    let pci = function.pci;
    let Some(vgpus) = &function.vgpus else {
        let name = format!("function {pci}, which does not say whether it has a vGPU");
        let words = format!("{name} (see `kerf status`)");
        let gi = None;
        return vec![VgpuUse { name, gi, words }];
    };
    let one = |vgpu: &kerf_types::Vgpu| {
        let named = vgpu.uuid.map(|uuid| uuid.to_string());
        let named = named.unwrap_or_else(|| pci.to_string());
        let mut rows = rows.values();
        let row = rows.find(|row| {
            row.function == pci.to_string()
                && judge::find(row, std::slice::from_ref(vgpu)).is_some()
        });
        let words = match row {
            Some(row) => format!(
                "vGPU {named} ({}) of user {}, which `kerf vgpu delete {named}` takes away",
                row.type_name, row.uid
            ),
            None => format!(
                "vGPU {named} (type {}), which kerf did not make and whoever made it has to take away",
                vgpu.type_id
            ),
        };
        let name = format!("vGPU {named}");
        let gi = vgpu.gpu_instance;
        VgpuUse { name, gi, words }
    };
    vgpus.iter().map(one).collect()
}
