//! From an ask to a lease: choose, cut what is missing, write the lease down.

use std::fmt;
use std::time::{Duration, Instant};

use kerf_planner::Pick;
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{Ask, LeaseId, LeasedDevice, ProfileId, SliceId, Timestamp};

use super::written::{Taker, Written};
use super::{Host, HostError};
use crate::cdi;
use crate::store::LeaseRow;

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
    /// Whether the interfaces that its ask binds (`nic=`) come with it, if the policy has a word in that.
    pub nics: bool,
    /// Whether its promise has no CDI name, since its container can come by kerf-runtime alone: it has one from then on.
    pub is_nameless: bool,
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
    /// This device of another maker, by its name.
    Device(String),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(ask) => ask.fmt(f),
            Self::Slice(name) => write!(f, "slice={name}"),
            Self::Gpu(name) => write!(f, "gpu={name}"),
            Self::Device(name) => write!(f, "device={name}"),
        }
    }
}

/// Shortest time between two looks at the hardware for the sake of asks that find no room.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a lease is to give.
#[derive(Default)]
pub(super) struct Gives {
    pub subjects: Vec<Subject>,
    pub devices: Vec<LeasedDevice>,
    pub imex: Option<u32>,
}

/// A piece of cutting that is done and not yet covered by a lease.
pub(super) struct Cut {
    /// Its number in the store.
    pub work: i64,
    /// What was cut.
    pub slice: SliceId,
    /// Profile of the GPU instance.
    profile: ProfileId,
}

impl Host {
    /// Promises devices to a holder, and cuts what is missing.
    pub(super) async fn reserve(&mut self, request: &Reserve) -> Result<Lease, HostError> {
        let written = self.reserve_for(request, None).await?;
        Ok(written.lease)
    }

    /// The same, or gives them to a container that comes for them at this moment; one that has a promise already gets
    /// that, still as a promise.
    pub(super) async fn reserve_for(
        &mut self,
        request: &Reserve,
        taker: Option<&Taker>,
    ) -> Result<Written, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        self.refuse_in_maintenance()?;
        if let Some(id) = self.promised(request)? {
            self.renew(id, request.ttl)?;
            let row = self.leases.get(&id);
            let lease = row.map(|row| row.lease.clone());
            let lease = lease.ok_or_else(|| HostError::NoLease { id: id.to_string() })?;
            return Ok(Written { lease, taken: None });
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
        let mut has_cut = false;
        let outcome = match self.gives(request, &mut cuts).await {
            Ok(mut gives) => {
                if request.nics {
                    let (subjects, devices) = (&gives.subjects, &gives.devices);
                    let nics = self.interfaces_for(&request.wanted, subjects, devices);
                    gives.devices.extend(nics);
                }
                let imex = channel;
                let gives = Gives { imex, ..gives };
                has_cut = !cuts.is_empty() || !self.modes.is_empty();
                self.write_lease(request, taker, gives, &cuts).await
            }
            Err(error) => Err(error),
        };
        let changed = has_cut || !cuts.is_empty() || !self.modes.is_empty();
        if outcome.is_err() {
            // The last first, so that the instance that several share goes with the first of them.
            for cut in cuts.into_iter().rev() {
                self.undo_cut(cut.work, cut.slice, cut.profile).await;
            }
            self.undo_modes().await;
        }
        // A refusal that changed nothing is not shown to anybody: waiting asks would wake for it. A lease of what stood
        // before changes no name, and is shown once whoever waits for it has it.
        match changed {
            true => self.settle().await,
            false => self.is_unshown |= outcome.is_ok(),
        }
        outcome
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
    pub(super) async fn look_again_or(&mut self, error: HostError) -> Result<(), HostError> {
        let last = self.last_look;
        if last.is_some_and(|last| last.elapsed() < LOOK_AGAIN) {
            return Err(error);
        }
        self.last_look = Some(Instant::now());
        self.observe_all().await;
        Ok(())
    }

    /// What is wanted, as it is here; cut where it has to be.
    async fn gives(&mut self, request: &Reserve, cuts: &mut Vec<Cut>) -> Result<Gives, HostError> {
        let subjects = match &request.wanted {
            Wanted::Ask(ask @ Ask::Devices { .. }) => {
                let devices = self.serve_devices(ask).await?;
                return Ok(Gives {
                    devices,
                    ..Gives::default()
                });
            }
            Wanted::Device(name) => {
                let devices = vec![self.named_device(name).await?];
                return Ok(Gives {
                    devices,
                    ..Gives::default()
                });
            }
            Wanted::Ask(ask) => self.serve(ask, request, cuts).await?,
            Wanted::Slice(name) => vec![self.named_slice(name)?],
            Wanted::Gpu(name) if name == cdi::ALL => self.every_gpu()?,
            Wanted::Gpu(name) => vec![self.named_gpu(name)?],
        };
        Ok(Gives {
            subjects,
            ..Gives::default()
        })
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

pub(super) fn expiry(from: Timestamp, ttl: Duration) -> Timestamp {
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    Timestamp(from.0.saturating_add(ttl_ms))
}
