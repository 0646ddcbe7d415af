//! Whether kerf may cut the GPUs of this host: not while another manager cuts them, until `partition.owner` says whose they
//! are. Two who cut one GPU undo each other's work, and take away slices that the other has leased.
//!
//! What exists stays of use: leases on slices that are there, launches, plans. An interrupted change of kerf's own is
//! finished or taken back, and an instance that kerf made is destroyed by kerf: half of either helps nobody.

use kerf_planner::HostPlan;

use super::{Host, HostError};
use crate::config::Owner;
use crate::others::{Facts, Maker, found, who_cuts};

/// Name of the entry in `kerf status`.
pub const PARTITIONING: &str = "partitioning";

/// What to do about it.
pub(in crate::host) const HINT: &str = "stop it, or say in [partition] of kerf.toml whose the GPUs are: owner = \"kerf\" to cut all the same, \"others\" to \
                                        leave it so; see /usr/share/doc/kerf/migration.md";

/// Who else cuts, as seen at the last look.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Cutters {
    nvidia: Option<String>,
    amd: Option<String>,
}

impl Cutters {
    /// Of these facts.
    fn of(facts: &Facts) -> Self {
        let found = found(facts);
        let who = |maker| who_cuts(&found, maker).map(|one| one.words());
        Self {
            nvidia: who(Maker::Nvidia),
            amd: who(Maker::Amd),
        }
    }

    fn who(&self, maker: Maker) -> Option<&String> {
        match maker {
            Maker::Nvidia => self.nvidia.as_ref(),
            Maker::Amd => self.amd.as_ref(),
        }
    }
}

impl Host {
    /// Looks who else cuts, where that decides anything. It reads a line of each process, some ten microseconds each.
    pub(super) fn look_for_cutters(&mut self) {
        let root = &self.config.paths.sysroot;
        self.cutters = match self.config.partition.owner {
            Owner::Auto => tokio::task::block_in_place(|| Cutters::of(&Facts::of_cutting(root))),
            Owner::Kerf | Owner::Others => Cutters::default(),
        };
        let has_some = |maker| match maker {
            Maker::Nvidia => !self.inventory.gpus.is_empty(),
            Maker::Amd => !self.inventory.amd.is_empty(),
        };
        let makers = [Maker::Nvidia, Maker::Amd]
            .into_iter()
            .filter(|maker| has_some(*maker));
        let by: Vec<String> = makers
            .filter_map(|maker| self.cutters.who(maker).cloned())
            .collect();
        if by.is_empty() {
            return self.recovered(PARTITIONING);
        }
        let why = format!(
            "kerf cuts no GPU here, because others do: {}",
            by.join("; ")
        );
        self.degrade(PARTITIONING, why, HINT);
    }

    /// Why kerf does not cut the GPUs of a maker.
    pub(super) fn why_not_cut(&self, maker: Maker) -> Option<String> {
        match self.config.partition.owner {
            // Before the next look as well.
            Owner::Kerf => None,
            Owner::Others => Some("partition.owner leaves them to others".to_owned()),
            Owner::Auto => Some(format!("{} cuts them", self.cutters.who(maker)?)),
        }
    }

    /// Refuses a plan that cuts what others do.
    pub(super) fn refuse_if_owned(&self, plan: &HostPlan) -> Result<(), HostError> {
        let nvidia = plan
            .gpus
            .iter()
            .any(|change| !change.steps.is_empty() || !change.later.is_empty());
        let amd = plan.amd.iter().any(|change| !change.steps.is_empty());
        for (maker, cuts) in [(Maker::Nvidia, nvidia), (Maker::Amd, amd)] {
            if let Some(why) = self.why_not_cut(maker).filter(|_| cuts) {
                return Err(HostError::Owned { why });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
