//! The constraints of an ask by the addresses of a host's GPUs, and what of them nobody can meet.

use std::collections::BTreeSet;

use kerf_types::PciAddress;
use kerf_types::ask::{Constraints, GpuRef};

use super::{GpuView, Refusal, Unmet};
use crate::rings::{Bound, GpuRings};

/// Which of the host's GPUs an ask may get.
#[derive(Debug, Clone)]
pub(super) struct Bounds<'a> {
    /// GPUs that must be among them.
    pub include: BTreeSet<PciAddress>,
    /// GPUs that must not be. One that is not of this host is avoided as it is.
    pub avoid: BTreeSet<PciAddress>,
    /// The words.
    pub only: &'a Constraints,
    named: Vec<(GpuRef, PciAddress)>,
}

impl<'a> Bounds<'a> {
    /// On a host with these GPUs.
    pub fn of(views: &[GpuView<'_>], only: &'a Constraints, count: u32) -> Result<Self, Unmet> {
        let at = |name: &GpuRef| {
            let is = |view: &&GpuView<'_>| match name {
                GpuRef::Index(index) => view.gpu.index == *index,
                GpuRef::Pci(pci) => view.gpu.pci == *pci,
                GpuRef::Uuid(uuid) => view.gpu.uuid == *uuid,
            };
            views.iter().find(is).map(|view| view.gpu.pci)
        };
        let named = only.include.iter().chain(&only.avoid);
        let named = named.filter_map(|name| Some((name.clone(), at(name)?)));
        let avoid: BTreeSet<PciAddress> = only.avoid.iter().filter_map(at).collect();
        let mut include = BTreeSet::new();
        for name in &only.include {
            let pci = at(name).ok_or_else(|| Unmet::NoSuch(name.clone()))?;
            if avoid.contains(&pci) {
                return Err(Unmet::Avoided(name.clone()));
            }
            include.insert(pci);
        }
        let included = u32::try_from(include.len()).unwrap_or(u32::MAX);
        if included > count {
            return Err(Unmet::TooMany { included, count });
        }
        Ok(Self {
            include,
            avoid,
            only,
            named: named.collect(),
        })
    }

    /// The same by the tables.
    pub fn bound(&self, rings: &GpuRings) -> Bound {
        Bound::of(rings.table().host(), self.only, |name| {
            let known = self.named.iter().find(|(known, _)| known == name);
            known.and_then(|(_, pci)| rings.number(*pci))
        })
    }

    /// What speaks against a GPU by itself.
    pub fn refuses(&self, gpu: PciAddress, rings: Option<(&GpuRings, &Bound)>) -> Option<Refusal> {
        if self.avoid.contains(&gpu) {
            return Some(Refusal::Avoided);
        }
        let Some((rings, bound)) = rings else {
            return self.needs_map().then_some(Refusal::NearUnknown);
        };
        let far = rings.number(gpu).is_some_and(|at| bound.far.contains(at));
        self.only.nic.filter(|_| far).map(Refusal::NoNic)
    }

    /// A GPU that must be among them and is none of these, by its name in the ask.
    pub fn missing(&self, may: impl Fn(PciAddress) -> bool) -> Option<GpuRef> {
        let included = self
            .named
            .iter()
            .filter(|(_, pci)| self.include.contains(pci));
        let mut missing = included.filter(|(_, pci)| !may(*pci));
        missing.next().map(|(name, _)| name.clone())
    }

    /// Whether it takes more than the GPUs by themselves to tell: how near switches and interfaces are.
    fn needs_map(&self) -> bool {
        self.only.nic.is_some() || self.only.same == Some(kerf_types::ask::Same::Switch)
    }
}
