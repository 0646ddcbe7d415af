//! Bus numbers that nobody has, for the ports that a description leaves out. Owns which ones are taken.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::spec::Bdf;

/// Buses in use, by PCI domain.
#[derive(Debug, Default)]
pub struct Buses(BTreeMap<u16, BTreeSet<u8>>);

impl Buses {
    /// The buses of these addresses.
    pub fn of(addresses: impl Iterator<Item = Bdf>) -> Self {
        let mut buses = Self::default();
        for bdf in addresses {
            buses.0.entry(bdf.domain).or_default().insert(bdf.bus);
        }
        buses
    }

    /// A bus before that one, as near as possible; any other where there is none. `None` where all are taken.
    pub fn before(&mut self, domain: u16, bus: u8) -> Option<u8> {
        let near = (0..bus).rev().chain(bus..=u8::MAX);
        self.take(domain, near)
    }

    /// A bus behind that one, as near as possible; any other where there is none. `None` where all are taken.
    pub fn behind(&mut self, domain: u16, bus: u8) -> Option<u8> {
        let near = (bus..=u8::MAX).chain((0..bus).rev());
        self.take(domain, near)
    }

    fn take(&mut self, domain: u16, mut wanted: impl Iterator<Item = u8>) -> Option<u8> {
        let taken = self.0.entry(domain).or_default();
        let bus = wanted.find(|bus| !taken.contains(bus))?;
        taken.insert(bus);
        Some(bus)
    }
}
