//! What the constraints of an ask mean on a host: names become numbers, and nearness becomes sets.
//!
//! The one place where they are read off a host's devices: `kerf topology pick`, leases and jobs all choose by it.

use std::collections::BTreeSet;

use kerf_types::ask::{Constraints, GpuRef, NicWithin, Same};

use super::{DeviceSet, RingHost, Wish};

/// The constraints of an ask as sets of a host's devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bound {
    /// Those that must be among what is chosen.
    pub include: DeviceSet,
    /// Those that are to be avoided.
    pub avoid: DeviceSet,
    /// Those without a network interface as near as is asked for.
    pub far: DeviceSet,
    /// The sets of which one must hold all that is chosen; `None` binds nothing.
    pub within: Option<Vec<DeviceSet>>,
}

impl Bound {
    /// On a host; `number` finds a device by its name. A name that is nobody's says nothing here.
    pub fn of(
        host: &RingHost,
        only: &Constraints,
        number: impl Fn(&GpuRef) -> Option<usize>,
    ) -> Self {
        let numbers = |names: &BTreeSet<GpuRef>| names.iter().filter_map(&number).collect();
        let all = DeviceSet::first(host.devices().len());
        Self {
            include: numbers(&only.include),
            avoid: numbers(&only.avoid),
            far: only
                .nic
                .map_or(DeviceSet::EMPTY, |nic| all.without(host.with_nic(nic))),
            within: only.same.map(|same| match same {
                Same::Numa => host.by_node(),
                Same::Switch => host.by_switch(),
            }),
        }
    }

    /// So many of these that are free, bound by it.
    pub fn wish(&self, count: usize, free: DeviceSet) -> Wish {
        Wish {
            count,
            free,
            include: self.include,
            avoid: self.avoid.union(self.far),
            rather_not: DeviceSet::EMPTY,
            within: self.within.clone(),
        }
    }
}

impl RingHost {
    /// Those with a network interface at this level or nearer.
    pub fn with_nic(&self, within: NicWithin) -> DeviceSet {
        self.those(|at| {
            let device = self.devices().get(at);
            let nic = device.and_then(|device| device.nic);
            nic.is_some_and(|level| within.has(level))
        })
    }

    /// The devices of each NUMA node; one whose node is not known is of no group.
    pub fn by_node(&self) -> Vec<DeviceSet> {
        let node = |at: usize| self.devices().get(at).and_then(|device| device.numa_node);
        let nodes: BTreeSet<u32> = (0..self.devices().len()).filter_map(node).collect();
        let of = |wanted| self.those(|at| node(at) == Some(wanted));
        nodes.into_iter().map(of).collect()
    }

    /// The devices that are below a PCIe switch together.
    pub fn by_switch(&self) -> Vec<DeviceSet> {
        let group = |a| self.those(|b| a == b || self.pair(a, b).is_below_one_switch);
        let groups: BTreeSet<DeviceSet> = (0..self.devices().len()).map(group).collect();
        groups.into_iter().collect()
    }

    fn those(&self, are: impl Fn(usize) -> bool) -> DeviceSet {
        (0..self.devices().len()).filter(|at| are(*at)).collect()
    }
}
