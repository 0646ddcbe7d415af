//! Devices of other makers than NVIDIA, and NVIDIA's vGPUs: leased by the same owner, in the same table, to the same life.
//!
//! Owns the way from an ask or a name to devices, and from a lease to what its container gets of them. What there is and
//! which nodes it has is [`offer`]'s, which set is taken is [`pick`]'s, and both are pure; [`vgpus`] looks up what opens a
//! vGPU, and [`clean`] who has a node open. Cuts nothing: an AMD GPU is partitioned by a layout.

mod clean;
mod nics;
mod offer;
mod pick;
#[cfg(test)]
mod tests;
mod vgpus;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kerf_partitioner::topology::Site;
use kerf_runtime::frame::{DeviceNode, MountEntry};
use kerf_types::lease::Lease;
use kerf_types::topology::LinkClass;
use kerf_types::{Ask, DeviceKind, LeasedDevice, PciAddress};

use super::devices::rdma;
use super::{Host, HostError};
use crate::cdi::CdiDevice;
use offer::Offer;
use pick::{Candidate, Wish};

impl Host {
    /// Every device that can be leased, or could. One without a node here is there for nobody.
    fn offers(&self) -> Vec<Offer> {
        let mut offers = offer::offers(&self.inventory, self.offered_vgpus());
        let root = &self.config.paths.sysroot;
        let is_there = |node: &str| {
            let inside = node.strip_prefix('/').unwrap_or(node);
            root.join(inside).symlink_metadata().is_ok()
        };
        for offer in offers.iter_mut().filter(|offer| offer.sick.is_none()) {
            let missing = offer.nodes.iter().find(|node| !is_there(node));
            offer.sick = missing.map(|node| format!("this host has no {node}"));
        }
        offers
    }

    /// Devices for an ask, all of them free.
    pub(super) async fn serve_devices(
        &mut self,
        ask: &Ask,
    ) -> Result<Vec<LeasedDevice>, HostError> {
        match self.pick_devices(ask).await {
            Err(error) => {
                self.look_again_or(error).await?;
                self.pick_devices(ask).await
            }
            picked => picked,
        }
    }

    async fn pick_devices(&mut self, ask: &Ask) -> Result<Vec<LeasedDevice>, HostError> {
        let Some(wish) = Wish::of(ask) else {
            return Ok(Vec::new());
        };
        let offers = self.offers();
        let own = offers.iter().filter(|offer| offer.device.kind == wish.kind);
        let users = self.users_of(own).await?;
        let closed = |offer: &Offer| {
            let used = || users.of(offer).map(|by| format!("{by} uses it"));
            self.taken(offer)
                .map(|(state, by)| by.map_or(state.clone(), |by| format!("{state} to {by}")))
                .or_else(used)
        };
        self.pick_among(ask, wish, &offers, closed)
    }

    /// Whether an ask could be served if every lease ended and all were well.
    pub(super) fn could_ever_have(&self, ask: &Ask) -> Result<(), HostError> {
        let Some(wish) = Wish::of(ask) else {
            return Ok(());
        };
        let offers = self.offers();
        self.pick_among(ask, wish, &offers, |_| None).map(drop)
    }

    fn pick_among(
        &self,
        ask: &Ask,
        wish: Wish<'_>,
        offers: &[Offer],
        closed: impl Fn(&Offer) -> Option<String>,
    ) -> Result<Vec<LeasedDevice>, HostError> {
        let near = wish.only.nic.map(|_| self.nearest_interfaces());
        let own = offers.iter().filter(|offer| offer.device.kind == wish.kind);
        let candidates = own.map(|offer| Candidate {
            offer,
            closed: closed(offer),
            nic: near
                .as_ref()
                .and_then(|near| near.get(&offer.on()?).copied()),
        });
        let candidates: Vec<Candidate<'_>> = candidates.collect();
        let ask = ask.to_string();
        pick::pick(wish, &candidates).map_err(|short| match short {
            pick::Short::Never(why) => HostError::Unknown { ask, why },
            pick::Short::Now(why) => HostError::NoRoom { ask, why },
        })
    }

    /// How near the nearest network interface of each accelerator is.
    fn nearest_interfaces(&self) -> BTreeMap<PciAddress, LinkClass> {
        let site = Site::new(&self.inventory);
        let nearest = |device: &kerf_partitioner::topology::Device| {
            let nics = site.interfaces().iter();
            let level = nics.map(|nic| site.level(device, nic)).min()?;
            Some((device.pci?, level))
        };
        site.accelerators().iter().filter_map(nearest).collect()
    }

    /// The device of that name, free for a new lease.
    pub(super) async fn named_device(&mut self, name: &str) -> Result<LeasedDevice, HostError> {
        let offers = self.offers();
        let offer = offers
            .iter()
            .find(|offer| offer.device.name.as_str() == name);
        let offer = offer.ok_or_else(|| HostError::NotFound {
            what: "device",
            name: name.to_owned(),
        })?;
        let busy = |(state, by)| HostError::Busy {
            what: offer.device.to_string(),
            state,
            by,
        };
        if let Some(taken) = self.taken(offer) {
            return Err(busy(taken));
        }
        match self.users_of([offer]).await?.of(offer) {
            Some(by) => Err(busy(("in use".to_owned(), Some(by)))),
            None => Ok(offer.device.clone()),
        }
    }

    /// In which state a device is that no new lease gets, and who has it; `None` for a free one.
    fn taken(&self, offer: &Offer) -> Option<(String, Option<String>)> {
        let device = &offer.device;
        let mut leases = self.leases.values().map(|row| &row.lease);
        let of_it = leases.find(|lease| lease.devices.iter().any(|own| own.conflicts(device)));
        if let Some(lease) = of_it {
            return Some(("leased".to_owned(), Some(lease.holder.to_string())));
        }
        if let Some(why) = &offer.sick {
            return Some((format!("not well ({why})"), None));
        }
        let why = self.against_new(offer)?;
        Some(("not free".to_owned(), Some(why)))
    }

    /// Why no new lease gets a device that nobody has; those that have it keep it.
    fn against_new(&self, offer: &Offer) -> Option<String> {
        let board = offer.on()?;
        if let Some(held) = self.is_held(board) {
            return Some(held.to_owned());
        }
        if offer.device.kind != DeviceKind::Vgpu {
            return None;
        }
        if self.vgpus_are_in_doubt(board) {
            return Some(format!("a worker of an earlier kerfd on GPU {board}"));
        }
        // The numbers of a group that is gone are given anew, and such a lease's container may open them.
        let is_gone = |device: &LeasedDevice| {
            device.kind == DeviceKind::Vgpu && self.row_of(device).is_none()
        };
        let mut leases = self.leases.values().map(|row| &row.lease);
        let late = leases.find(|lease| lease.devices.iter().any(is_gone))?;
        Some(format!(
            "lease {}, whose own vGPU is gone: it has to end first",
            late.id
        ))
    }

    /// What a lease names, as it is among what is offered now.
    fn offer_of<'o>(offers: &'o [Offer], device: &LeasedDevice) -> Result<&'o Offer, HostError> {
        let gone = || gone(device);
        let mut same = offers.iter().filter(|offer| {
            // What a board does not tell any more says nothing against it.
            let is_board = offer.device.board.is_none()
                || device.board.is_none()
                || offer.device.board == device.board;
            offer.device.name == device.name && offer.device.kind == device.kind && is_board
        });
        same.next()
            .filter(|offer| offer.sick.is_none())
            .ok_or_else(gone)
    }

    /// Adds the nodes, groups and variables of a lease's devices to what its container gets.
    pub(super) fn add_devices(
        &self,
        lease: &Lease,
        nodes: &mut BTreeMap<PathBuf, DeviceNode>,
        to: &mut CdiDevice,
    ) -> Result<(), HostError> {
        let all = self.offers();
        let mut offers = Vec::new();
        for device in &lease.devices {
            let opened = match device.kind {
                DeviceKind::Nic => self.opened_interface(device)?,
                _ => {
                    let offer = Self::offer_of(&all, device)?;
                    let opened = self.opened(offer)?;
                    offers.push(offer.clone());
                    opened
                }
            };
            to.memlock |= opened.memlock;
            to.gids.extend(opened.gids);
            let own = opened.nodes.into_iter();
            nodes.extend(own.map(|node| (node.path.clone(), node)));
        }
        to.env.extend(offer::env(&offers));
        Ok(())
    }

    /// The nodes of a device and those that its driver's devices share, with the groups that may open them.
    fn opened(&self, offer: &Offer) -> Result<CdiDevice, HostError> {
        let mut device = CdiDevice {
            env: offer::env(std::slice::from_ref(offer)),
            ..CdiDevice::default()
        };
        for path in offer.all_nodes() {
            self.open_node(&mut device, Path::new(path))?;
        }
        let ports = offer.ports.iter();
        let root = &self.config.paths.sysroot;
        for path in ports.flat_map(|name| rdma::nodes(root, name)) {
            let is_new = !device.nodes.iter().any(|node| node.path == path);
            if is_new {
                self.open_node(&mut device, &path)?;
            }
            device.memlock = true;
        }
        device.memlock |= offer.is_vfio();
        Ok(device)
    }

    /// Every device that has a name of its own, under that name.
    pub(super) fn standing_makers(&mut self) -> BTreeMap<String, CdiDevice> {
        let mut standing = BTreeMap::new();
        for offer in self.offers() {
            if offer.sick.is_some() {
                continue;
            }
            match self.opened(&offer) {
                Ok(device) => drop(standing.insert(offer.device.name.to_string(), device)),
                Err(error) => self.node_trouble(&error),
            }
        }
        standing
    }

    /// A fresh look at each of a lease's devices: a promise may be hours old. An AMD GPU that does not answer is sick by it.
    pub(super) async fn look_at_devices(&mut self, lease: &Lease) -> Result<(), HostError> {
        let is_amd = |kind| matches!(kind, DeviceKind::AmdGpu | DeviceKind::AmdPartition);
        let amd = lease.devices.iter().filter(|device| is_amd(device.kind));
        for pci in amd.filter_map(|device| device.pci) {
            self.look_at_amd(pci).await;
        }
        self.look_at_own_vgpus(&lease.devices).await
    }

    /// What a lease gets of the driver's files: those of NVIDIA's, with NVIDIA's devices. Other makers' libraries come
    /// with the image, since they need not be of the driver's release.
    pub(super) fn driver_files_of(&self, lease: &Lease) -> &[MountEntry] {
        match lease.subjects.is_empty() {
            true => &[],
            false => &self.driver_files,
        }
    }
}

/// What a lease names is not there any more, or not well.
fn gone(device: &LeasedDevice) -> HostError {
    HostError::Busy {
        what: device.to_string(),
        state: "gone or not well".to_owned(),
        by: None,
    }
}
