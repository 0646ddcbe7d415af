//! Writing a new lease down. The copy beside the sockets of one that its container has already is written once whoever
//! launches has its answer, and before the picture shows the lease.

use std::io;

use kerf_runtime::frame::DeviceNode;
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{ContainerRef, Fence, LeaseId, LeasedDevice, Timestamp};

use super::devices::rdma;
use super::grant::{Cut, Gives, expiry};
use super::{Host, HostError, Reserve, locality, moved, now};
use crate::cdi::CdiDevice;
use crate::process::BootMoment;
use crate::store::{LeaseRow, PendingLaunch, Store};

/// A container that comes for what is reserved at this moment.
#[derive(Debug)]
pub(super) struct Taker {
    /// Which.
    pub container: ContainerRef,
    /// The launch that makes it.
    pub pending: PendingLaunch,
    /// `Some(false)` where it can open other accelerators as well.
    pub isolated: Option<bool>,
}

/// A lease that was written down.
#[derive(Debug)]
pub(super) struct Written {
    /// It.
    pub lease: Lease,
    /// What its taker gets; `None` for a promise.
    pub taken: Option<CdiDevice>,
}

impl Host {
    /// Gives a lease its CDI name.
    pub(super) fn write_lease_name(&self, lease: &Lease, device: &CdiDevice) -> io::Result<()> {
        let files = self.driver_files_of(lease);
        let device = by_name(lease, device.clone());
        self.cdi.write_lease(&lease.id.to_string(), &device, files)
    }

    /// Writes down a new lease, as a promise or as what its taker has from now on.
    pub(super) async fn write_lease(
        &mut self,
        request: &Reserve,
        taker: Option<&Taker>,
        Gives {
            subjects,
            devices,
            imex,
        }: Gives,
        cuts: &[Cut],
    ) -> Result<Written, HostError> {
        self.refuse_conflict(&subjects, &devices)?;
        self.spare_vgpus_of(&subjects).await?;
        if taker.is_some() {
            self.see_standing(&subjects).await?;
        }
        let created = now();
        let fence = self.next_fence()?;
        let nearby = locality::nearby(&self.inventory, &subjects, &devices);
        let lease = Lease {
            id: new_lease_id(created)?,
            fence,
            subjects,
            devices,
            holder: request.holder.clone(),
            state: taker.map_or(LeaseState::Reserved, |_| LeaseState::Active),
            container: taker.map(|taker| taker.container.clone()),
            init: None,
            on_demand: !cuts.is_empty(),
            attached: false,
            imex,
            isolated: taker.and_then(|taker| taker.isolated),
            nearest_nics: nearby.nics,
            nearest_nvme: nearby.nvme,
            created,
            expires: taker.is_none().then(|| expiry(created, request.ttl)),
        };
        if taker.is_some() {
            self.look_at_devices(&lease).await?;
        }
        let device = self.lease_device(&lease).await?;
        let row = LeaseRow {
            lease: lease.clone(),
            pending: taker.map(|taker| taker.pending.clone()),
            cut: cuts.iter().map(|cut| cut.slice).collect(),
            wanted: request.wanted.to_string(),
            by: request.by,
            until: taker
                .is_none()
                .then(|| BootMoment::now().after(request.ttl)),
            cgroup: None,
            attachment: None,
            is_nameless: request.is_nameless && taker.is_none(),
        };
        let modes = self.modes.iter().map(|row| row.number);
        let work: Vec<i64> = cuts.iter().map(|cut| cut.work).chain(modes).collect();
        self.put_named(&row, &device, &work)?;
        match taker {
            None => self.keep_copy(&row),
            Some(_) => {
                self.owed.push(row.lease.id);
                self.begin(&row);
            }
        }
        let taken = taker.map(|_| device);
        self.modes.clear();
        self.tell_reserved(&lease);
        Ok(Written { lease, taken })
    }

    /// The first of a kerfd, and the first after many launches between two looks, waits for the disk.
    fn next_fence(&mut self) -> Result<Fence, HostError> {
        match self.store.has_fence() {
            true => self.write_fast(Store::next_fence),
            false => self.write(Store::next_fence),
        }
    }

    /// A choice is made from the table of leases, so a conflict is a fault of ours; better refuse than share.
    fn refuse_conflict(
        &self,
        subjects: &[Subject],
        devices: &[LeasedDevice],
    ) -> Result<(), HostError> {
        let mut leases = self.leases.values().map(|row| &row.lease);
        match leases.find(|lease| moved::conflicts(lease, subjects, devices)) {
            None => Ok(()),
            Some(lease) => Err(HostError::Busy {
                what: "what was chosen".to_owned(),
                state: lease.state.as_str().to_owned(),
                by: Some(lease.holder.to_string()),
            }),
        }
    }

    /// The name is written first, where it has one: a lease in the store ends the intents of its cuts, so nothing may fail
    /// after it.
    fn put_named(
        &mut self,
        row: &LeaseRow,
        device: &CdiDevice,
        work: &[i64],
    ) -> Result<(), HostError> {
        if row.is_nameless {
            return self.put_new(row, work);
        }
        self.write_lease_name(&row.lease, device)
            .map_err(HostError::Cdi)?;
        if let Err(error) = self.put_new(row, work) {
            drop(self.cdi.remove_lease(&row.lease.id.to_string()));
            return Err(error);
        }
        Ok(())
    }

    fn tell_reserved(&self, lease: &Lease) {
        let ring = self.rings.words(&lease.subjects);
        let ring = ring.map_or_else(String::new, |ring| format!(": {ring}"));
        let text = format!("reserved for {}{ring}", lease.holder);
        self.events.add("lease", &lease.id.to_string(), &text);
    }

    /// Writes the copies that are owed.
    pub(super) fn write_owed(&mut self) {
        for lease in std::mem::take(&mut self.owed) {
            if let Some(row) = self.leases.get(&lease).cloned() {
                self.keep_copy(&row);
            }
        }
    }
}

/// What a lease's CDI name stands for. An engine asks nobody who may use a name, and interfaces go by what a namespace may
/// ask for: a user's lease has them by kerf-runtime alone, which asks.
pub(super) fn by_name(lease: &Lease, mut device: CdiDevice) -> CdiDevice {
    if matches!(lease.holder, Holder::User { .. }) {
        let is_interface = |node: &DeviceNode| node.path.starts_with(rdma::FOLDER);
        device.nodes.retain(|node| !is_interface(node));
    }
    device
}

fn new_lease_id(now: Timestamp) -> Result<LeaseId, HostError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(HostError::Random)?;
    Ok(LeaseId::new(now.0, random))
}
