//! Showing the host to readers and runtimes, in the order that never shows a name without its device.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kerf_runtime::frame::MountEntry;
use kerf_types::lease::Lease;
use kerf_types::{HostMap, Inventory};

use super::layout::Sight;
use super::recover::STARTING;
use super::vgpu::VgpuUses;
use super::written::by_name;
use super::{Host, HostError, HostView, SharedView};
use crate::cdi::spec::Document;
use crate::cdi::{self, CdiDevice, Class};
use crate::config::Config;
use crate::errors::chain;

/// Devices with a standing CDI name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub slices: BTreeMap<String, CdiDevice>,
    pub gpus: BTreeMap<String, CdiDevice>,
    /// Those of other makers.
    pub devices: BTreeMap<String, CdiDevice>,
    /// What every container gets with any of NVIDIA's.
    pub common: Vec<MountEntry>,
}

/// An event that waits for the picture which shows what it tells of.
#[derive(Debug)]
pub(super) struct Found {
    kind: &'static str,
    subject: String,
    text: String,
}

impl Standing {
    /// Whether no name stands.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.gpus.is_empty() && self.devices.is_empty()
    }

    /// Everything of both; where both have a name, the newer one.
    fn with(&self, newer: &Self) -> Self {
        let mut both = self.clone();
        both.slices.extend(newer.slices.clone());
        both.gpus.extend(newer.gpus.clone());
        both.devices.extend(newer.devices.clone());
        both.common.clone_from(&newer.common);
        both
    }
}

impl Host {
    /// Makes a new picture for the readers, and then tells what it shows that is new.
    pub(super) fn publish(&mut self) {
        self.is_unshown = false;
        self.write_owed();
        let leases: Vec<_> = self.leases.values().map(|row| row.lease.clone()).collect();
        let slices = self.slices();
        let vgpus = self.vgpu_uses();
        let shared = self.shared_view();
        let old = self.view.borrow().clone();
        let is_same = old.slices == slices && old.leases == leases && old.vgpus == vgpus;
        let is_same_host = old.inventory == self.inventory;
        let is_same_shared = SharedView::is_same_offer(&old.shared, &shared);
        let has_same = || is_same_host || offers_same(&old.inventory, &self.inventory);
        if !is_same || !is_same_shared || !has_same() {
            self.capacity += 1;
        }
        let whole = is_same_host.then(|| old.whole.clone());
        self.view.send_replace(Arc::new(HostView {
            inventory: self.inventory.clone(),
            whole: whole.unwrap_or_default(),
            sight: self.sight(),
            slices,
            leases,
            vgpus,
            vgpu_gpus: Arc::new(self.shown_vgpus()),
            vgpus_looked: self.vgpus.looked,
            shared,
            degraded: self.degraded.clone(),
            gpu_labels: self.config.gpu_labels.clone(),
            generation: self.generation,
            epoch: self.store.epoch(),
            draining: self.draining,
            maintenance: self.maintenance.as_ref().map(|kept| kept.now.clone()),
            held: self.held_for_maintenance(),
            capacity: self.capacity,
        }));
        for Found {
            kind,
            subject,
            text,
        } in self.found.drain(..)
        {
            self.events.add(kind, &subject, &text);
        }
    }

    /// Shows what nobody has been told of yet, if there is such a thing.
    pub(super) fn publish_found(&mut self) {
        if self.is_unshown || !self.found.is_empty() {
            self.publish();
        }
    }

    /// Notes what was found, to be told with the next picture: whoever hears of it sees it there.
    pub(super) fn find(&mut self, kind: &'static str, subject: String, text: String) {
        self.found.push(Found {
            kind,
            subject,
            text,
        });
    }

    /// Brings CDI files and picture up to date: a new name is written before its slice is shown, and an old
    /// one is withdrawn after its slice is gone.
    pub(super) async fn settle(&mut self) {
        self.note_shape();
        if self.degraded.contains_key(STARTING) {
            // Nothing is announced before the layout of this host is there again.
            return;
        }
        self.note_doubts();
        self.note_lost_vgpus();
        let next = self.standing_devices().await;
        self.link_nodes(&next).await;
        if let Some(standing) = &self.standing {
            let both = standing.with(&next);
            self.write_standing(&both);
        }
        self.publish();
        // The first time nothing is known of what an earlier kerfd left, so it is written in any case.
        self.write_standing(&next);
        // Whether the files could be written is known only now.
        self.publish_found();
    }

    /// The CDI documents of what stands now, by the names of their files.
    pub(super) async fn cdi_documents(&mut self) -> Result<Vec<(String, Document)>, HostError> {
        let standing = self.standing_devices().await;
        let mut documents = Vec::new();
        let common = standing.common.as_slice();
        for (class, devices, common) in [
            (Class::Slice, &standing.slices, common),
            (Class::Gpu, &standing.gpus, common),
            (Class::Device, &standing.devices, &[]),
        ] {
            if !devices.is_empty() {
                let document = self.cdi.document(class, devices, common);
                documents.push((cdi::file_name(class, ""), document.map_err(HostError::Cdi)?));
            }
        }
        let named = self.leases.values().filter(|row| !row.is_nameless);
        let leases: Vec<Lease> = named.map(|row| row.lease.clone()).collect();
        for lease in leases {
            // One whose device is gone has no name either.
            let Ok(device) = self.lease_device(&lease).await else {
                continue;
            };
            let id = lease.id.to_string();
            let device = by_name(&lease, device);
            let devices = BTreeMap::from([(id.clone(), device)]);
            let common = self.driver_files_of(&lease);
            let document = self.cdi.document(Class::Lease, &devices, common);
            let name = cdi::file_name(Class::Lease, &id);
            documents.push((name, document.map_err(HostError::Cdi)?));
        }
        Ok(documents)
    }

    /// Writes the CDI name of a lease that has one, or had one. Without its device it stands for nothing.
    pub(super) async fn name_again(&mut self, lease: &Lease) {
        if let Ok(device) = self.lease_device(lease).await
            && let Err(error) = self.write_lease_name(lease, &device)
        {
            self.degrade("cdi", chain(&error), "check paths.cdi_dir");
        }
    }

    fn write_standing(&mut self, wanted: &Standing) {
        let known = self.standing.as_ref().filter(|_| !self.standing_doubted);
        if known == Some(wanted) {
            return;
        }
        let mut written = Ok(());
        let others = known.map(|known| &known.devices);
        let known = known.filter(|known| known.common == wanted.common);
        let common = wanted.common.as_slice();
        let slices = known.map(|known| &known.slices);
        let gpus = known.map(|known| &known.gpus);
        let classes = [
            (Class::Slice, &wanted.slices, slices, common),
            (Class::Gpu, &wanted.gpus, gpus, common),
            (Class::Device, &wanted.devices, others, &[]),
        ];
        for (class, devices, known, common) in classes {
            if written.is_ok() && known != Some(devices) {
                written = self.cdi.write_standing(class, devices, common);
            }
        }
        match written {
            Ok(()) => {
                self.standing = Some(wanted.clone());
                self.standing_doubted = false;
                self.recovered("cdi");
            }
            Err(error) => {
                // One of the two may be new, so next time both are written.
                self.standing_doubted = true;
                let error = HostError::Cdi(error);
                self.degrade("cdi", chain(&error), error.hint());
            }
        }
    }
}

/// Whether two looks differ in nothing but what moves all the time, by which nobody plans: memory in use, and load.
fn offers_same(old: &Inventory, new: &Inventory) -> bool {
    let is_same_map = || {
        let at_rest = |one: &HostMap| {
            let mut one = one.clone();
            for accelerator in &mut one.accelerators {
                accelerator.memory_used = None;
                accelerator.utilisation_percent = None;
            }
            one
        };
        old.map == new.map || at_rest(&old.map) == at_rest(&new.map)
    };
    let at_rest = |one: &Inventory| {
        let mut one = one.clone();
        for gpu in &mut one.amd {
            gpu.memory_used = None;
            gpu.utilisation_percent = None;
        }
        one.map = Arc::default();
        one
    };
    is_same_map() && at_rest(old) == at_rest(new)
}

/// The picture of a host before the first look.
pub(super) fn first_view(config: &Config, generation: u64, epoch: u16) -> HostView {
    HostView {
        inventory: nothing_yet(&config.host),
        whole: Default::default(),
        sight: Sight::default(),
        slices: Vec::new(),
        leases: Vec::new(),
        vgpus: VgpuUses::default(),
        vgpu_gpus: Arc::default(),
        vgpus_looked: None,
        shared: BTreeMap::new(),
        degraded: BTreeMap::new(),
        gpu_labels: config.gpu_labels.clone(),
        generation,
        epoch,
        draining: false,
        maintenance: None,
        held: BTreeSet::new(),
        capacity: 0,
    }
}

/// What is known of a host before the first look.
pub(super) fn nothing_yet(host: &str) -> Inventory {
    Inventory {
        host: host.to_owned(),
        driver: None,
        gpus: Vec::new(),
        amd: Vec::new(),
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: Vec::new(),
        map: Default::default(),
    }
}
