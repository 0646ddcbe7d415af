//! The tables of a host's GPUs by their addresses, as whoever chooses for asks keeps them.

use kerf_types::PciAddress;

use super::{DeviceSet, Pair, RingDevice, RingHost, RingTable, TooMany};

/// The GPUs of a host, numbered in the order of their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuRings {
    addresses: Vec<PciAddress>,
    table: RingTable,
}

impl GpuRings {
    /// Of these GPUs, in any order; `pair` tells what joins two of them, asked once for each two. Where `known` is of the
    /// same, it is kept: tables of sixteen GPUs take some ten milliseconds, and what joins them seldom changes.
    ///
    /// # Errors
    /// Where there are more than [`super::MOST_DEVICES`].
    pub fn renewed(
        known: Option<Self>,
        mut gpus: Vec<(PciAddress, RingDevice)>,
        mut pair: impl FnMut(PciAddress, PciAddress) -> Pair,
    ) -> Result<Self, TooMany> {
        gpus.sort_by_key(|(address, _)| *address);
        gpus.dedup_by_key(|(address, _)| *address);
        let (addresses, devices): (Vec<_>, Vec<_>) = gpus.into_iter().unzip();
        let at = |number: usize| addresses.get(number).copied();
        let host = RingHost::new(devices, |a, b| {
            let two = at(a).zip(at(b));
            two.map(|(a, b)| pair(a, b)).unwrap_or_default()
        })?;
        match known {
            Some(known) if known.addresses == addresses && *known.table.host() == host => Ok(known),
            _ => Ok(Self {
                table: RingTable::new(host),
                addresses,
            }),
        }
    }

    /// The tables.
    pub fn table(&self) -> &RingTable {
        &self.table
    }

    /// The number of a GPU.
    pub fn number(&self, gpu: PciAddress) -> Option<usize> {
        self.addresses.binary_search(&gpu).ok()
    }

    /// Bandwidth of the widest ring of some GPUs in MB/s; of two, of their pair. `None` for less than two, and where one
    /// of them is not of this host.
    pub fn ring_mbps(&self, gpus: impl IntoIterator<Item = PciAddress>) -> Option<u32> {
        let numbers = gpus.into_iter().map(|gpu| self.number(gpu));
        let set: DeviceSet = numbers.collect::<Option<_>>()?;
        (set.len() > 1).then(|| self.table.ring(set))
    }
}
