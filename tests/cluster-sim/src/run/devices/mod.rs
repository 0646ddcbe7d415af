//! The GPUs of one host and their driver: what lies where, whose it is, and how the GPU is.
//!
//! It makes what the real planner chose, step by step, and refuses as a driver does what does not fit. It outlives
//! kerfd. It decides nothing.

mod h100;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_planner::{Choice, GpuView, Grid, NoRoom, Pick, Usage, Use, choose};
use kerf_types::inventory::GpuProcess;
use kerf_types::{
    Ask, GiId, Gpu, GpuInstance, Health, Inventory, MigMode, PciAddress, Placement, SliceId,
    Timestamp,
};

use super::facts::{Owner, Share};
use crate::world::Micros;

pub use h100::UNITS;

/// How a GPU truly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Well.
    Well,
    /// Every call takes long.
    Slow,
    /// No call returns.
    Hung,
    /// It has fallen off the bus.
    Lost,
}

/// What the driver's tables do not say of a GPU.
#[derive(Debug)]
struct Card {
    state: State,
    owners: BTreeMap<GiId, Owner>,
}

/// The GPUs.
#[derive(Debug)]
pub struct Devices {
    /// What a look at them shows.
    pub inventory: Inventory,
    cards: Vec<Card>,
    grid: Arc<Grid>,
    /// Grows with every change.
    pub changes: u64,
}

/// What became of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Called {
    /// It is done, and what it destroyed belonged to these.
    Done(Vec<Owner>),
    /// It does not return.
    Hangs,
}

impl Devices {
    /// So many GPUs.
    pub fn new(gpus: u8) -> Self {
        let inventory = Inventory {
            gpus: (0..gpus).map(h100::gpu).collect(),
            ..Inventory::default()
        };
        let card = || Card {
            state: State::Well,
            owners: BTreeMap::new(),
        };
        Self {
            cards: inventory.gpus.iter().map(|_| card()).collect(),
            inventory,
            grid: Arc::new(Grid::from_profiles(&h100::profiles()).expect("its profiles fit")),
            changes: 0,
        }
    }

    fn at(&self, pci: PciAddress) -> Option<usize> {
        self.inventory.gpus.iter().position(|gpu| gpu.pci == pci)
    }

    /// How a GPU truly is.
    pub fn state(&self, pci: PciAddress) -> State {
        self.at(pci).map_or(State::Lost, |at| self.cards[at].state)
    }

    /// The addresses of all GPUs.
    pub fn addresses(&self) -> Vec<PciAddress> {
        self.inventory.gpus.iter().map(|gpu| gpu.pci).collect()
    }

    /// A GPU falls ill, or is well again. After a loss it comes back reset: what kerf made on it is gone.
    pub fn turn(&mut self, pci: PciAddress, state: State) {
        let Some(at) = self.at(pci) else { return };
        self.changes += 1;
        let before = std::mem::replace(&mut self.cards[at].state, state);
        if before == State::Lost && state != State::Lost {
            self.reset(at);
        }
    }

    /// After a reset or a boot there is what an operator's layout brings back, and nothing of kerf's.
    fn reset(&mut self, at: usize) {
        self.changes += 1;
        let card = &mut self.cards[at];
        let gpu = &mut self.inventory.gpus[at];
        gpu.instances
            .retain(|one| card.owners.get(&one.id) != Some(&Owner::Kerf));
        card.owners.retain(|_, owner| *owner != Owner::Kerf);
        gpu.mig_mode = MigMode::Enabled;
    }

    /// The host boots.
    pub fn boot(&mut self) {
        for at in 0..self.cards.len() {
            self.reset(at);
        }
    }

    /// kerfd looks: what it believes of each GPU is what is true. A hung one is found out by a call, unless `calls`.
    pub fn look(&mut self, calls: bool) {
        let since = Timestamp(0);
        for (gpu, card) in self.inventory.gpus.iter_mut().zip(&self.cards) {
            let health = match card.state {
                State::Well | State::Slow => Health::Ok,
                State::Hung if !calls && gpu.health.is_ok() => Health::Ok,
                State::Hung => Health::Unresponsive {
                    since,
                    operation: "create".to_owned(),
                },
                State::Lost => Health::Lost { since },
            };
            self.changes += u64::from(gpu.health != health);
            gpu.health = health;
        }
    }

    /// Somebody of whom kerf knows nothing has an instance, and a process on it, or an operator has made one.
    pub fn settle(&mut self, pci: PciAddress, profile: u32, start: u32, size: u32, owner: Owner) {
        let place = Placement::try_new(start, size).expect("it is within the grid");
        let Some(at) = self.at(pci) else { return };
        let id = self.add(at, kerf_types::ProfileId(profile), place, owner);
        if owner == Owner::Stranger {
            self.inventory.gpus[at].processes.push(GpuProcess {
                pid: 4_242,
                memory: None,
                gi: Some(id),
                ci: None,
            });
        }
    }

    /// Whether something lives here that kerf does not know.
    pub fn has_stranger(&self) -> bool {
        let owners = self.cards.iter().flat_map(|card| card.owners.values());
        owners.into_iter().any(|owner| *owner == Owner::Stranger)
    }

    /// What the planner chooses, where these shares are taken.
    pub fn choose<'a>(
        &self,
        ask: &Ask,
        taken: impl Iterator<Item = &'a Share>,
    ) -> Result<Choice, NoRoom> {
        let usage = self.usage(taken);
        let view = |gpu| GpuView {
            gpu,
            grid: Some(&self.grid),
            may_enable_mig: true,
            may_disable_mig: true,
            closed: None,
        };
        let views: Vec<GpuView<'_>> = self.inventory.gpus.iter().map(view).collect();
        choose(&views, &usage, None, ask)
    }

    /// The same shares in the planner's words.
    pub fn usage<'a>(&self, taken: impl Iterator<Item = &'a Share>) -> Usage {
        let mut usage = Usage::default();
        for share in taken {
            if share.size == UNITS && self.is_whole(share) {
                usage.gpus.insert(share.gpu, "a lease".to_owned());
            } else if let Some(id) = slice_of(share) {
                usage.slices.insert(id, Use::Leased("a lease".to_owned()));
            }
        }
        usage
    }

    /// Whether a share is the GPU itself and no instance of that size.
    fn is_whole(&self, share: &Share) -> bool {
        self.instance(share).is_none()
    }

    /// Whether what was given is not there: a whole GPU always is, an instance may be gone with a reset.
    pub fn has_vanished(&self, share: &Share) -> bool {
        let Some(at) = self.at(share.gpu) else {
            return true;
        };
        let whole = share.size == UNITS && !self.inventory.gpus[at].mig_mode.is_on();
        !whole && self.instance(share).is_none()
    }

    fn instance(&self, share: &Share) -> Option<(usize, &GpuInstance)> {
        let at = self.at(share.gpu)?;
        let place = |one: &&GpuInstance| {
            (one.placement.start, one.placement.size) == (share.start, share.size)
        };
        let found = self.inventory.gpus[at].instances.iter().find(place)?;
        Some((at, found))
    }

    /// The parts of GPUs that picks are.
    pub fn shares(picks: &[Pick]) -> Vec<Share> {
        let share = |pick: &Pick| {
            let gpu = pick.gpu();
            let (start, size) = match pick {
                Pick::Existing { placement, .. } => (placement.start, placement.size),
                Pick::Cut { creation, .. } => (creation.placement.start, creation.placement.size),
                Pick::Part { cut, .. } => (cut.placement.start, cut.placement.size),
                Pick::Gpu { .. } | Pick::Share(_) => (0, UNITS),
            };
            Share { gpu, start, size }
        };
        picks.iter().map(share).collect()
    }

    /// How long the calls that make these picks take; `None` where one does not return.
    pub fn time_for(&self, picks: &[Pick], usual: Micros) -> Option<Micros> {
        let mut total = usual / 10;
        for pick in picks {
            let calls = u64::try_from(pick.steps().len()).unwrap_or(1);
            total += match self.state(pick.gpu()) {
                State::Well => usual * calls,
                State::Slow => usual * calls * 10,
                State::Hung | State::Lost if calls > 0 => return None,
                State::Hung | State::Lost => 0,
            };
        }
        Some(total)
    }

    /// Takes away what an earlier user left: an instance that kerf made is destroyed, one of an operator's wiped.
    pub fn clean(&mut self, share: &Share) -> Called {
        match self.state(share.gpu) {
            State::Hung => return Called::Hangs,
            // Nothing is there; a reset comes before it is given again.
            State::Lost => return Called::Done(Vec::new()),
            State::Well | State::Slow => {}
        }
        let Some((at, instance)) = self.instance(share) else {
            return Called::Done(Vec::new());
        };
        let id = instance.id;
        if self.cards[at].owners.get(&id) != Some(&Owner::Kerf) {
            return Called::Done(Vec::new());
        }
        Called::Done(self.destroy(at, id).into_iter().collect())
    }

    fn destroy(&mut self, at: usize, id: GiId) -> Option<Owner> {
        self.changes += 1;
        self.inventory.gpus[at].instances.retain(|one| one.id != id);
        self.cards[at].owners.remove(&id)
    }

    /// Destroys every instance that no share covers and that `is_victim` names. Returns whose they were.
    pub fn sweep(&mut self, taken: &[Share], is_victim: impl Fn(Owner) -> bool) -> Vec<Owner> {
        let mut gone = Vec::new();
        for at in 0..self.cards.len() {
            if matches!(self.cards[at].state, State::Hung | State::Lost) {
                continue;
            }
            for share in self.uncovered(at, taken, &is_victim) {
                gone.extend(self.destroy(at, share.0));
            }
        }
        gone
    }

    /// Instances of kerf's own that no share covers, on GPUs that answer.
    pub fn orphans(&self, taken: &[Share]) -> usize {
        let answers = |at: &usize| matches!(self.cards[*at].state, State::Well | State::Slow);
        let cards = (0..self.cards.len()).filter(answers);
        cards
            .map(|at| {
                self.uncovered(at, taken, &|owner| owner == Owner::Kerf)
                    .len()
            })
            .sum()
    }

    fn uncovered(
        &self,
        at: usize,
        taken: &[Share],
        is_victim: &impl Fn(Owner) -> bool,
    ) -> Vec<(GiId, Share)> {
        let gpu: &Gpu = &self.inventory.gpus[at];
        let share = |one: &GpuInstance| Share {
            gpu: gpu.pci,
            start: one.placement.start,
            size: one.placement.size,
        };
        let owned = |one: &&GpuInstance| {
            let owner = self.cards[at].owners.get(&one.id);
            owner.is_some_and(|owner| is_victim(*owner))
        };
        let all = gpu.instances.iter().filter(owned);
        all.map(|one| (one.id, share(one)))
            .filter(|(_, own)| !taken.iter().any(|other| other.overlaps(own)))
            .collect()
    }
}

fn slice_of(share: &Share) -> Option<SliceId> {
    let placement = Placement::try_new(share.start.into(), share.size.into()).ok()?;
    Some(SliceId {
        gpu: share.gpu,
        placement,
        compute: None,
    })
}
