//! The calls of the driver: each step of a plan is legal or refused, whatever the planner thinks of it.

use kerf_planner::Pick;
use kerf_types::{CiId, ComputeInstance, GiId, GpuInstance, MigMode, Placement, ProfileId, Step};

use super::Devices;
use crate::run::facts::Owner;

impl Devices {
    /// Makes what these picks need.
    ///
    /// # Errors
    /// With the first step that the driver refuses.
    pub fn make(&mut self, picks: &[Pick]) -> Result<(), String> {
        for step in picks.iter().flat_map(Pick::steps) {
            self.apply(&step)?;
        }
        Ok(())
    }

    fn apply(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::SetMigMode { gpu, enabled, .. } => {
                let at = self.at(*gpu).ok_or("no such GPU")?;
                let gpu = &mut self.inventory.gpus[at];
                if !gpu.instances.is_empty() {
                    return Err("the MIG mode changes under instances".to_owned());
                }
                self.changes += 1;
                gpu.mig_mode = match enabled {
                    true => MigMode::Enabled,
                    false => MigMode::Disabled,
                };
                Ok(())
            }
            Step::CreateGpuInstance {
                gpu,
                profile,
                placement,
            } => {
                let at = self.at(*gpu).ok_or("no such GPU")?;
                let gpu = &self.inventory.gpus[at];
                let known = gpu.profile(*profile).ok_or("no such profile")?;
                if !gpu.mig_mode.is_on() || !known.placements.contains(placement) {
                    return Err(format!("{} cannot lie at {placement}", known.name));
                }
                let lies = |one: &GpuInstance| one.placement.mask().overlaps(placement.mask());
                if gpu.instances.iter().any(lies) {
                    return Err(format!("something lies at {placement}"));
                }
                self.add(at, *profile, *placement, Owner::Kerf);
                Ok(())
            }
            // It comes with its instance here, as both are made or neither.
            Step::CreateComputeInstance { .. } => Ok(()),
            other => Err(format!("an ask never needs {other:?}")),
        }
    }

    /// Adds an instance with the compute instance that fills it.
    pub(super) fn add(
        &mut self,
        at: usize,
        profile: ProfileId,
        placement: Placement,
        owner: Owner,
    ) -> GiId {
        self.changes += 1;
        let gpu = &mut self.inventory.gpus[at];
        let used = |id: u32| gpu.instances.iter().any(|one| one.id == GiId(id));
        let id = GiId((0..=64).find(|id| !used(*id)).unwrap_or(64));
        let full = gpu
            .profile(profile)
            .and_then(|one| one.full_compute_profile);
        let uuid = format!("MIG-{}-{}", gpu.index, self.changes);
        let compute = ComputeInstance {
            id: CiId(0),
            profile: full.unwrap_or(profile),
            placement: None,
            uuid: uuid.parse().expect("it is a UUID"),
            capability_minor: None,
        };
        gpu.instances.push(GpuInstance {
            id,
            profile,
            placement,
            capability_minor: None,
            compute: vec![compute],
        });
        self.cards[at].owners.insert(id, owner);
        id
    }
}
