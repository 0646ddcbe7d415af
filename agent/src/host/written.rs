//! Writing a new lease down. What of it may wait is written once whoever launches has its answer, and before the picture
//! shows the lease: its copy beside the sockets, and the CDI name of one that its container has already.

use std::io;

use kerf_runtime::frame::DeviceNode;
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{ContainerRef, LeaseId, LeasedDevice, Timestamp};

use super::devices::rdma;
use super::grant::{Cut, Gives, expiry};
use super::{Host, HostError, Reserve, locality, moved, now};
use crate::cdi::CdiDevice;
use crate::errors::chain;
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

/// What is still to be written of a lease.
#[derive(Debug)]
pub(super) struct Owed {
    lease: LeaseId,
    /// What its CDI name stands for, where that has not been written yet.
    name: Option<CdiDevice>,
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
        let fence = self.write_fast(Store::next_fence)?;
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
            self.look_at_devices(&lease).await;
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
        };
        let modes = self.modes.iter().map(|row| row.number);
        let work: Vec<i64> = cuts.iter().map(|cut| cut.work).chain(modes).collect();
        let taken = match taker {
            None => {
                self.put_promise(row, &device, &work)?;
                None
            }
            Some(_) => {
                self.put_taken(row, &device, &work)?;
                Some(device)
            }
        };
        self.modes.clear();
        self.tell_reserved(&lease);
        Ok(Written { lease, taken })
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

    /// The name is written first: a lease in the store ends the intents of its cuts, so nothing may fail after it.
    fn put_promise(
        &mut self,
        row: LeaseRow,
        device: &CdiDevice,
        work: &[i64],
    ) -> Result<(), HostError> {
        let id = row.lease.id;
        self.write_lease_name(&row.lease, device)
            .map_err(HostError::Cdi)?;
        if let Err(error) = self.put_new(&row, work) {
            drop(self.cdi.remove_lease(&id.to_string()));
            return Err(error);
        }
        self.keep_copy(&row);
        Ok(())
    }

    /// Its container has its devices from kerf-runtime and uses no name.
    fn put_taken(
        &mut self,
        row: LeaseRow,
        device: &CdiDevice,
        work: &[i64],
    ) -> Result<(), HostError> {
        self.put_new(&row, work)?;
        self.owed.push(Owed {
            lease: row.lease.id,
            name: Some(device.clone()),
        });
        self.begin(&row);
        Ok(())
    }

    fn tell_reserved(&self, lease: &Lease) {
        let ring = self.rings.words(&lease.subjects);
        let ring = ring.map_or_else(String::new, |ring| format!(": {ring}"));
        let text = format!("reserved for {}{ring}", lease.holder);
        self.events.add("lease", &lease.id.to_string(), &text);
    }

    /// Has the copy of a lease written later.
    pub(super) fn owe_copy(&mut self, lease: LeaseId) {
        self.owed.push(Owed { lease, name: None });
    }

    /// Writes what is owed. A name that cannot be written is tried again with the next picture.
    pub(super) fn write_owed(&mut self) {
        let mut failed = None;
        for Owed { lease, name } in std::mem::take(&mut self.owed) {
            let Some(row) = self.leases.get(&lease).cloned() else {
                continue;
            };
            self.keep_copy(&row);
            let is_over = row.lease.state == LeaseState::Releasing;
            let Some(device) = name.filter(|_| !is_over) else {
                continue;
            };
            if let Err(error) = self.write_lease_name(&row.lease, &device) {
                failed = Some(HostError::Cdi(error));
                let name = Some(device);
                self.owed.push(Owed { lease, name });
            }
        }
        if let Some(error) = failed {
            self.degrade("cdi", chain(&error), error.hint());
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
