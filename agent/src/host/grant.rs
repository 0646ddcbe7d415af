//! From an ask to a lease: choose, cut what is missing, write the lease down.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use kerf_planner::Pick;
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{Ask, LeaseId, ProfileId, SliceId, Timestamp};

use super::{Host, HostError, locality, moved, now};
use crate::cdi::{self, CdiDevice};
use crate::process::BootMoment;
use crate::store::{LeaseRow, Store};

/// A wish for devices.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// What.
    pub wanted: Wanted,
    /// For whom.
    pub holder: Holder,
    /// How long the promise is kept for a container that does not come.
    pub ttl: Duration,
    /// uid of the local user who asks over the API.
    pub by: Option<u32>,
    /// How long it may wait for room that others have now.
    pub wait: Duration,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever serves the ask best.
    Ask(Ask),
    /// This slice, by the name of its place or by its MIG UUID.
    Slice(String),
    /// This GPU, by address, UUID or index; `all` for every one that is not cut or shared.
    Gpu(String),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(ask) => ask.fmt(f),
            Self::Slice(name) => write!(f, "slice={name}"),
            Self::Gpu(name) => write!(f, "gpu={name}"),
        }
    }
}

/// Shortest time between two looks at the hardware for the sake of asks that find no room.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A piece of cutting that is done and not yet covered by a lease.
struct Cut {
    /// Its number in the store.
    work: i64,
    /// What was cut.
    slice: SliceId,
    /// Profile of the GPU instance.
    profile: ProfileId,
}

impl Host {
    /// Promises devices to a holder, and cuts what is missing.
    pub(super) async fn reserve(&mut self, request: &Reserve) -> Result<Lease, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        if let Some(id) = self.promised(request)? {
            self.renew(id, request.ttl)?;
            let row = self.leases.get(&id);
            return row
                .map(|row| row.lease.clone())
                .ok_or_else(|| HostError::NoLease { id: id.to_string() });
        }
        let channel = match self.channel_for(&request.wanted) {
            Ok(channel) => channel,
            // The driver, or its channels, may just have come.
            Err(error) => {
                self.look_again_or(error).await?;
                self.channel_for(&request.wanted)?
            }
        };
        let mut cuts = Vec::new();
        let subjects = match &request.wanted {
            Wanted::Ask(ask) => self.serve(ask, request, &mut cuts).await,
            Wanted::Slice(name) => self.named_slice(name).map(|subject| vec![subject]),
            Wanted::Gpu(name) if name == cdi::ALL => self.every_gpu(),
            Wanted::Gpu(name) => self.named_gpu(name).map(|subject| vec![subject]),
        };
        let outcome = match subjects {
            Ok(subjects) => self.write_lease(request, (subjects, channel), &cuts).await,
            Err(error) => Err(error),
        };
        let changed = outcome.is_ok() || !cuts.is_empty() || !self.modes.is_empty();
        if outcome.is_err() {
            // The last first, so that the instance that several share goes with the first of them.
            for cut in cuts.into_iter().rev() {
                self.undo_cut(cut.work, cut.slice, cut.profile).await;
            }
            self.undo_modes().await;
        }
        // A refusal that changed nothing is not shown to anybody: waiting asks would wake for it.
        if changed {
            self.settle().await;
        }
        outcome
    }

    /// Keeps a promise for longer.
    pub(super) fn renew(&mut self, id: LeaseId, ttl: Duration) -> Result<(), HostError> {
        let unknown = || HostError::NoLease { id: id.to_string() };
        let mut row = self.leases.get(&id).ok_or_else(unknown)?.clone();
        match row.lease.state {
            LeaseState::Reserved => {
                row.lease.expires = Some(expiry(now(), ttl));
                row.until = Some(BootMoment::now().after(ttl));
                self.put(row)
            }
            LeaseState::Active => Ok(()),
            LeaseState::Releasing => Err(unknown()),
        }
    }

    /// Keeps a promise for longer for the one who made it (`by`) or an operator (`None`).
    pub(super) fn renew_by_request(
        &mut self,
        id: LeaseId,
        ttl: Duration,
        by: Option<u32>,
    ) -> Result<Lease, HostError> {
        let unknown = || HostError::NoLease { id: id.to_string() };
        let row = self.leases.get(&id).ok_or_else(unknown)?;
        refuse_foreign(row, by)?;
        if row.lease.state == LeaseState::Active {
            return Err(HostError::Busy {
                what: format!("lease {id}"),
                state: "active, and lasts as long as what has it".to_owned(),
                by: Some(user_of(&row.lease)),
            });
        }
        self.renew(id, ttl)?;
        self.publish();
        let row = self.leases.get(&id).ok_or_else(unknown)?;
        Ok(row.lease.clone())
    }

    /// The promise that this container has already: a kerfd that died between a promise and the launch must
    /// not make the same job wait for itself. It serves what it was made for and nothing else, since whoever
    /// claims another thing has the nodes of that other thing in its configuration.
    fn promised(&self, request: &Reserve) -> Result<Option<LeaseId>, HostError> {
        let Holder::Container(container) = &request.holder else {
            return Ok(None);
        };
        let promise = self.leases.values().find(|row| {
            row.lease.state == LeaseState::Reserved && row.lease.holder == request.holder
        });
        let Some(row) = promise else {
            return Ok(None);
        };
        let (first, second) = (row.wanted.clone(), request.wanted.to_string());
        if first != second {
            return Err(HostError::TwoAsks {
                container: container.to_string(),
                first: format!("{first} (lease {})", row.lease.id),
                second,
            });
        }
        Ok(Some(row.lease.id))
    }

    /// What is known may be five seconds old: looks again before saying no, yet not for each of many asks that wait.
    /// Where that was done just now, the no stands.
    async fn look_again_or(&mut self, error: HostError) -> Result<(), HostError> {
        let last = self.last_look;
        if last.is_some_and(|last| last.elapsed() < LOOK_AGAIN) {
            return Err(error);
        }
        self.last_look = Some(Instant::now());
        self.observe_all().await;
        Ok(())
    }

    async fn serve(
        &mut self,
        ask: &Ask,
        request: &Reserve,
        cuts: &mut Vec<Cut>,
    ) -> Result<Vec<Subject>, HostError> {
        let choice = match self.choose(ask) {
            Ok(choice) => choice,
            Err(error) => {
                self.look_again_or(error).await?;
                self.choose(ask)?
            }
        };
        let mut subjects = Vec::new();
        for pick in &choice.picks {
            self.begin_mode(&pick.steps())?;
            match pick {
                Pick::Existing {
                    gpu,
                    placement,
                    compute,
                    ..
                } => {
                    let slice = SliceId {
                        gpu: *gpu,
                        placement: *placement,
                        compute: *compute,
                    };
                    subjects.push(self.slice_subject(slice)?);
                }
                Pick::Cut { gpu, creation, .. } => {
                    let slice = SliceId {
                        gpu: *gpu,
                        placement: creation.placement,
                        compute: None,
                    };
                    let made = (slice, creation.profile);
                    subjects.push(self.cut_for(pick, made, request, cuts).await?);
                }
                Pick::Part { gpu, cut, .. } => {
                    let slice = SliceId {
                        gpu: *gpu,
                        placement: cut.placement,
                        compute: Some(cut.part),
                    };
                    let made = (slice, cut.profile);
                    subjects.push(self.cut_for(pick, made, request, cuts).await?);
                }
                Pick::Gpu { gpu, uuid, .. } => {
                    self.change_mode_for(*gpu, &pick.steps(), request).await?;
                    subjects.push(Subject::Gpu {
                        gpu: *gpu,
                        uuid: uuid.clone(),
                        share: None,
                    });
                }
                Pick::Share(pick) => subjects.push(self.share_subject(pick)?),
            }
        }
        Ok(subjects)
    }

    async fn cut_for(
        &mut self,
        pick: &Pick,
        (slice, profile): (SliceId, ProfileId),
        request: &Reserve,
        cuts: &mut Vec<Cut>,
    ) -> Result<Subject, HostError> {
        let steps = pick.steps();
        let work = self.cut(slice, profile, &steps, request).await?;
        cuts.push(Cut {
            work,
            slice,
            profile,
        });
        self.slice_subject(slice)
    }

    pub(super) fn slice_subject(&self, id: SliceId) -> Result<Subject, HostError> {
        let slices = self.slices();
        let slice = slices.iter().find(|slice| slice.id == id);
        let missing = || HostError::NotFound {
            what: "slice",
            name: id.to_string(),
        };
        let slice = slice.ok_or_else(missing)?;
        let (_, uuid) = slice.device().ok_or_else(missing)?;
        Ok(Subject::Slice {
            slice: id,
            profile: slice.profile.clone().ok_or_else(missing)?,
            parent: slice.parent.clone(),
            uuid: uuid.clone(),
            share: None,
        })
    }

    /// Gives a lease its CDI name.
    pub(super) fn write_lease_name(&self, id: LeaseId, device: &CdiDevice) -> io::Result<()> {
        self.cdi
            .write_lease(&id.to_string(), device, &self.driver_files)
    }

    /// Writes down a new lease: store first, then its copy and its CDI name.
    async fn write_lease(
        &mut self,
        request: &Reserve,
        (subjects, imex): (Vec<Subject>, Option<u32>),
        cuts: &[Cut],
    ) -> Result<Lease, HostError> {
        let conflict = self.leases.values().map(|row| &row.lease).find(|lease| {
            lease
                .subjects
                .iter()
                .any(|a| subjects.iter().any(|b| moved::conflict(a, b)))
        });
        if let Some(lease) = conflict {
            // The choice was made from the same table, so this is a fault of ours; better refuse than share.
            return Err(HostError::Busy {
                what: "what was chosen".to_owned(),
                state: lease.state.as_str().to_owned(),
                by: Some(lease.holder.to_string()),
            });
        }
        self.spare_vgpus_of(&subjects).await?;
        let created = now();
        let fence = self.write(Store::next_fence)?;
        let nearby = locality::nearby(&self.inventory, &subjects);
        let lease = Lease {
            id: new_lease_id(created)?,
            fence,
            subjects,
            holder: request.holder.clone(),
            state: LeaseState::Reserved,
            container: None,
            init: None,
            on_demand: !cuts.is_empty(),
            imex,
            isolated: None,
            nearest_nics: nearby.nics,
            nearest_nvme: nearby.nvme,
            created,
            expires: Some(expiry(created, request.ttl)),
        };
        let device = self.lease_device(&lease).await?;
        // The name is written first: a lease in the store ends the intents of its cuts, so nothing may fail
        // after it.
        let name = lease.id.to_string();
        self.write_lease_name(lease.id, &device)
            .map_err(HostError::Cdi)?;
        let row = LeaseRow {
            lease: lease.clone(),
            pending: None,
            cut: cuts.iter().map(|cut| cut.slice).collect(),
            wanted: request.wanted.to_string(),
            by: request.by,
            until: Some(BootMoment::now().after(request.ttl)),
            cgroup: None,
        };
        let modes = self.modes.iter().map(|row| row.number);
        let work: Vec<i64> = cuts.iter().map(|cut| cut.work).chain(modes).collect();
        if let Err(error) = self.put_new(row, &work) {
            drop(self.cdi.remove_lease(&name));
            return Err(error);
        }
        self.modes.clear();
        let ring = self.rings.words(&lease.subjects);
        let ring = ring.map_or_else(String::new, |ring| format!(": {ring}"));
        let text = format!("reserved for {}{ring}", lease.holder);
        self.events.add("lease", &lease.id.to_string(), &text);
        Ok(lease)
    }
}

/// Refuses a user who has not asked for a lease; an operator is `None`.
pub(super) fn refuse_foreign(row: &LeaseRow, by: Option<u32>) -> Result<(), HostError> {
    match by {
        Some(uid) if row.by != by => Err(HostError::ForeignLease {
            id: row.lease.id,
            who: format!("user {uid}"),
            why: "another user asked for it".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// What has a lease, in words.
pub(super) fn user_of(lease: &Lease) -> String {
    match (&lease.container, &lease.init) {
        (Some(container), _) => format!("container {container}"),
        (None, Some(init)) => format!("process {}", init.pid),
        (None, None) => lease.holder.to_string(),
    }
}

fn new_lease_id(now: Timestamp) -> Result<LeaseId, HostError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(HostError::Random)?;
    Ok(LeaseId::new(now.0, random))
}

fn expiry(from: Timestamp, ttl: Duration) -> Timestamp {
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    Timestamp(from.0.saturating_add(ttl_ms))
}
