//! From an ask to a lease: choose, cut what is missing, write the lease down.

use std::time::Duration;

use kerf_planner::check::check_choice;
use kerf_planner::choose::Refusal;
use kerf_planner::host::profiles_of;
use kerf_planner::{Choice, GpuView, Grid, NoRoom, Pick, choose};
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::{Ask, LeaseId, PciAddress, Placement, ProfileId, SliceId, Timestamp};

use super::{Host, HostError, now, view};
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
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever serves the ask best.
    Ask(Ask),
    /// This slice, by the name of its place or by its MIG UUID.
    Slice(String),
    /// This GPU, by address, UUID or index.
    Gpu(String),
}

/// A piece of cutting that is done and not yet covered by a lease.
type Cut = (i64, PciAddress, ProfileId, Placement);

impl Host {
    /// Promises devices to a holder, and cuts what is missing.
    pub(super) async fn reserve(&mut self, request: &Reserve) -> Result<Lease, HostError> {
        if self.draining {
            return Err(HostError::Draining);
        }
        let mut cuts = Vec::new();
        let subjects = match &request.wanted {
            Wanted::Ask(ask) => self.serve(ask, &mut cuts).await,
            Wanted::Slice(name) => self.named_slice(name).map(|subject| vec![subject]),
            Wanted::Gpu(name) => self.named_gpu(name).map(|subject| vec![subject]),
        };
        let outcome = match subjects {
            Ok(subjects) => self.write_lease(request, subjects, !cuts.is_empty()).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(lease) => {
                for (work, ..) in cuts {
                    self.write(|store| store.end_work(work))?;
                }
                self.settle().await;
                Ok(lease)
            }
            Err(error) => {
                for (work, gpu, profile, placement) in cuts {
                    self.undo_cut(work, gpu, profile, placement).await;
                }
                self.settle().await;
                Err(error)
            }
        }
    }

    async fn serve(&mut self, ask: &Ask, cuts: &mut Vec<Cut>) -> Result<Vec<Subject>, HostError> {
        let choice = match self.choose(ask) {
            Ok(choice) => choice,
            // What is known may be five seconds old: look again before saying no.
            Err(_) => {
                self.observe_all().await;
                self.choose(ask)?
            }
        };
        let mut subjects = Vec::new();
        for pick in &choice.picks {
            match pick {
                Pick::Existing { gpu, placement, .. } => {
                    subjects.push(self.slice_subject(*gpu, *placement)?);
                }
                Pick::Cut { gpu, creation, .. } => {
                    let (profile, placement) = (creation.profile, creation.placement);
                    let work = self.cut(*gpu, profile, placement, &pick.steps()).await?;
                    cuts.push((work, *gpu, profile, placement));
                    subjects.push(self.slice_subject(*gpu, placement)?);
                }
                Pick::Gpu { gpu, uuid, .. } => {
                    self.run_steps(&pick.steps(), None).await?;
                    subjects.push(Subject::Gpu {
                        gpu: *gpu,
                        uuid: uuid.clone(),
                    });
                }
            }
        }
        Ok(subjects)
    }

    fn choose(&self, ask: &Ask) -> Result<Choice, HostError> {
        let no_room = |why: String| HostError::NoRoom {
            ask: ask.to_string(),
            why,
        };
        let grids: Vec<Option<Grid>> = self
            .inventory
            .gpus
            .iter()
            .map(|gpu| {
                let profiles = profiles_of(gpu, &self.inventory);
                Grid::from_profiles(profiles)
                    .ok()
                    .filter(|grid| grid.units() > 0)
            })
            .collect();
        let policy = self.config.partition;
        let change_mode = policy.on_demand && policy.mode_change_when_idle;
        let views: Vec<GpuView<'_>> = self
            .inventory
            .gpus
            .iter()
            .zip(&grids)
            .map(|(gpu, grid)| GpuView {
                gpu,
                grid: grid.as_ref(),
                may_enable_mig: change_mode,
                may_disable_mig: change_mode,
                closed: None,
            })
            .collect();
        let usage = self.usage();
        let choice = choose(&views, &usage, ask).map_err(|refusal| refused(ask, &refusal))?;
        let violations = check_choice(&views, &usage, &choice);
        if !violations.is_empty() {
            let words: Vec<String> = violations
                .iter()
                .map(|(index, fault)| format!("GPU {index}: {fault}"))
                .collect();
            return Err(HostError::Unsafe {
                violations: words.join("; "),
            });
        }
        let cuts = choice
            .picks
            .iter()
            .any(|pick| matches!(pick, Pick::Cut { .. }));
        if cuts && !policy.on_demand {
            let why = "no such slice is free, and cutting on demand is off (partition.on_demand)";
            return Err(no_room(why.to_owned()));
        }
        Ok(choice)
    }

    fn slice_subject(&self, gpu: PciAddress, placement: Placement) -> Result<Subject, HostError> {
        let id = SliceId { gpu, placement };
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
        })
    }

    fn named_slice(&self, name: &str) -> Result<Subject, HostError> {
        let slices = self.slices();
        let slice = slices
            .iter()
            .find(|slice| {
                slice.id.to_string() == name
                    || slice
                        .device()
                        .is_some_and(|(_, uuid)| uuid.as_str() == name)
            })
            .ok_or_else(|| HostError::NotFound {
                what: "slice",
                name: name.to_owned(),
            })?;
        if slice.state != kerf_types::lease::SliceState::Free {
            let holder = slice.lease.as_ref().map(|lease| lease.holder.to_string());
            return Err(HostError::Busy {
                what: format!("slice {}", slice.id),
                state: slice.state.as_str().to_owned(),
                by: holder.or_else(|| slice.reason.clone()),
            });
        }
        self.slice_subject(slice.id.gpu, slice.id.placement)
    }

    fn named_gpu(&self, name: &str) -> Result<Subject, HostError> {
        let gpu = self
            .inventory
            .gpus
            .iter()
            .find(|gpu| {
                gpu.pci.to_string() == name
                    || gpu.uuid.as_str() == name
                    || gpu.index.to_string() == name
            })
            .ok_or_else(|| HostError::NotFound {
                what: "GPU",
                name: name.to_owned(),
            })?;
        let busy = |state: &str, by: Option<String>| HostError::Busy {
            what: format!("GPU {} ({})", gpu.index, gpu.pci),
            state: state.to_owned(),
            by,
        };
        let leases = self.leases.values().map(|row| &row.lease);
        let on_it = leases.into_iter().find(|lease| {
            lease
                .subjects
                .iter()
                .any(|subject| subject.gpu() == gpu.pci)
        });
        if let Some(lease) = on_it {
            return Err(busy("leased", Some(lease.holder.to_string())));
        }
        if !gpu.health.is_ok() {
            return Err(busy("not well", None));
        }
        if gpu.mig_mode.is_on() {
            return Err(busy("in MIG mode", None));
        }
        if let Some(process) = gpu.processes.first() {
            return Err(busy("in use", Some(format!("process {}", process.pid))));
        }
        Ok(Subject::Gpu {
            gpu: gpu.pci,
            uuid: gpu.uuid.clone(),
        })
    }

    /// Writes down a new lease: store first, then its copy and its CDI name.
    async fn write_lease(
        &mut self,
        request: &Reserve,
        subjects: Vec<Subject>,
        on_demand: bool,
    ) -> Result<Lease, HostError> {
        let conflict = self.leases.values().map(|row| &row.lease).find(|lease| {
            lease
                .subjects
                .iter()
                .any(|a| subjects.iter().any(|b| a.conflicts(b)))
        });
        if let Some(lease) = conflict {
            // The choice was made from the same table, so this is a fault of ours; better refuse than share.
            return Err(HostError::Busy {
                what: "what was chosen".to_owned(),
                state: lease.state.as_str().to_owned(),
                by: Some(lease.holder.to_string()),
            });
        }
        let created = now();
        let fence = self.write(Store::next_fence)?;
        let ttl_ms = u64::try_from(request.ttl.as_millis()).unwrap_or(u64::MAX);
        let lease = Lease {
            id: new_lease_id(created)?,
            fence,
            subjects,
            holder: request.holder.clone(),
            state: LeaseState::Reserved,
            container: None,
            init: None,
            on_demand,
            created,
            expires: Some(Timestamp(created.0.saturating_add(ttl_ms))),
        };
        let device = self.lease_device(&lease).await?;
        let row = LeaseRow {
            lease: lease.clone(),
            pending: None,
        };
        self.put(row)?;
        if let Err(error) = self.cdi.write_lease(&lease.id.to_string(), &device) {
            self.forget(&lease)?;
            return Err(HostError::Cdi(error));
        }
        let text = format!("reserved for {}", lease.holder);
        self.events.add("lease", &lease.id.to_string(), &text);
        Ok(lease)
    }

    /// Slices with their states, from what is known now.
    pub(super) fn slices(&self) -> Vec<view::SliceView> {
        view::slices(
            &self.inventory,
            &self.lives,
            self.leases.values().map(|row| &row.lease),
        )
    }
}

/// The planner's refusal with GPUs of one reason named together.
fn refused(ask: &Ask, refusal: &NoRoom) -> HostError {
    let mut groups: Vec<(String, Vec<u32>)> = Vec::new();
    for (gpu, reason) in &refusal.reasons {
        let reason = reason.to_string();
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, gpus)) => gpus.push(gpu.index),
            None => groups.push((reason, vec![gpu.index])),
        }
    }
    let words: Vec<String> = groups
        .into_iter()
        .map(|(reason, gpus)| {
            let numbers: Vec<String> = gpus.iter().map(ToString::to_string).collect();
            format!("GPU {}: {reason}", numbers.join(", "))
        })
        .collect();
    let ask = ask.to_string();
    let nobody = refusal
        .reasons
        .iter()
        .all(|(_, reason)| matches!(reason, Refusal::Name(_)));
    if nobody && !refusal.reasons.is_empty() {
        return HostError::Unknown {
            ask,
            why: words.join("; "),
        };
    }
    let why = if words.is_empty() {
        "this host has no GPU".to_owned()
    } else {
        words.join("; ")
    };
    HostError::NoRoom { ask, why }
}

fn new_lease_id(now: Timestamp) -> Result<LeaseId, HostError> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|error| HostError::Node {
        path: "/dev/urandom".to_owned(),
        why: error.to_string(),
    })?;
    Ok(LeaseId::new(now.0, random))
}
