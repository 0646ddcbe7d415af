//! The accelerators among which is chosen, and what is near them: from a file of NCCL, or from the machine itself.

use std::collections::{BTreeMap, BTreeSet};

use kerf_partitioner::nccl::NcclSystem;
use kerf_partitioner::topology::{Device, Near, Site, nearest};
use kerf_planner::rings::{DeviceSet, Nearness, PairWeights, RingHost, TooMany};
use kerf_types::ask::GpuRef;
use kerf_types::map;
use kerf_types::topology::LinkClass;
use kerf_types::{GpuUuid, Inventory, PciAddress};

/// Accelerators in the order of their addresses, so that a choice between sets that are as good does not depend on how
/// a file happens to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The number by which each is known: in the order of the file, or of their addresses.
    numbers: Vec<usize>,
    /// `None` for one that is no PCI function.
    addresses: Vec<Option<PciAddress>>,
    accelerators: Vec<Accelerator>,
    /// How near each is to each before it.
    near: Vec<Vec<Nearness>>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Accelerator {
    /// What the inventory calls it: its PCI address, or the name of its device where it has none.
    id: String,
    /// The driver's name for it, of an NVIDIA GPU that a driver has told of.
    uuid: Option<GpuUuid>,
    numa_node: Option<u32>,
    /// Whether its driver says that it is well.
    is_well: bool,
    /// Network interfaces, each with how near it is.
    nics: Vec<(String, LinkClass)>,
}

impl Machine {
    /// As a file has it; whether a device is well is not told there.
    ///
    /// # Errors
    /// Where there are too many to choose among, before anything is made of them.
    pub fn of_nccl(system: &NcclSystem) -> Result<Self, TooMany> {
        let addresses: Vec<_> = system.accelerators().map(Some).collect();
        TooMany::check(addresses.len())?;
        // Where there are interfaces with RDMA, NCCL uses no others.
        let has_gdr = system.nets().iter().any(|net| net.has_gdr);
        let nets = system.nets().iter();
        let nets: Vec<_> = nets.filter(|net| net.has_gdr || !has_gdr).collect();
        let mut numbers: Vec<usize> = (0..addresses.len()).collect();
        numbers.sort_by_key(|number| addresses.get(*number));
        let address = |at: usize| addresses.get(at).copied().flatten();
        let accelerators = numbers.iter().copied().map(|at| Accelerator {
            id: address(at).map_or_else(String::new, |pci| pci.to_string()),
            uuid: None,
            numa_node: system.numa_node(at),
            is_well: true,
            nics: nets
                .iter()
                .filter_map(|net| Some((net.name.clone(), system.near_net(at, net)?)))
                .collect(),
        });
        let addresses = numbers.iter().filter_map(|at| addresses.get(*at).copied());
        Ok(
            Self::new(accelerators.collect(), addresses.collect(), |a, b| {
                system.near(*numbers.get(a)?, *numbers.get(b)?)
            })
            .numbered(&numbers),
        )
    }

    /// As it was found.
    ///
    /// # Errors
    /// Where there are too many to choose among.
    pub fn of_inventory(found: &Inventory) -> Result<Self, TooMany> {
        let site = Site::new(found);
        let mut devices: Vec<&Device> = site.accelerators().iter().collect();
        TooMany::check(devices.len())?;
        devices
            .sort_by(|one, next| map::Accelerator::order((one.pci, &one.id), (next.pci, &next.id)));
        let nics = |device: &Device| {
            let nics = site.interfaces().iter();
            nics.map(|nic| (nic.id.clone(), site.level(device, nic)))
                .collect()
        };
        let uuid = |pci: Option<PciAddress>| {
            let gpu = found.gpus.iter().find(|gpu| Some(gpu.pci) == pci);
            gpu.map(|gpu| gpu.uuid.clone())
        };
        let accelerators = devices.iter().map(|device| Accelerator {
            id: device.id.clone(),
            uuid: uuid(device.pci),
            numa_node: device.numa_node,
            is_well: device.is_well,
            nics: nics(device),
        });
        let addresses = devices.iter().map(|device| device.pci);
        Ok(Self::new(
            accelerators.collect(),
            addresses.collect(),
            |a, b| Some(site.near(devices.get(a)?, devices.get(b)?)),
        ))
    }

    fn new(
        accelerators: Vec<Accelerator>,
        addresses: Vec<Option<PciAddress>>,
        near: impl Fn(usize, usize) -> Option<Near>,
    ) -> Self {
        let nearness = |a: usize, b: usize| {
            let address = |at: usize| addresses.get(at).copied().flatten();
            let near = near(a, b)?;
            let (a, b) = (address(a), address(b));
            Some(Nearness::between(a, b, near.level, near.links))
        };
        let row = |a: usize| (0..a).filter_map(|b| nearness(a, b)).collect();
        Self {
            near: (0..addresses.len()).map(row).collect(),
            numbers: (0..addresses.len()).collect(),
            addresses,
            accelerators,
        }
    }

    /// The same, each known by this number.
    fn numbered(self, numbers: &[usize]) -> Self {
        let numbers = numbers.to_vec();
        Self { numbers, ..self }
    }

    /// The place of the accelerator of that name.
    pub fn place(&self, name: &GpuRef) -> Option<usize> {
        match name {
            GpuRef::Index(number) => {
                let number = usize::try_from(*number).ok()?;
                self.numbers.iter().position(|known| *known == number)
            }
            GpuRef::Pci(pci) => self.addresses.iter().position(|one| *one == Some(*pci)),
            GpuRef::Uuid(uuid) => {
                let mut all = self.accelerators.iter();
                all.position(|one| one.uuid.as_ref() == Some(uuid))
            }
        }
    }

    /// Numbers of these accelerators, in order, each with its address.
    pub fn named(&self, of: DeviceSet) -> BTreeMap<usize, Option<PciAddress>> {
        let known = of.iter().map(|at| self.number(at)).zip(of.iter());
        let address = |at: usize| self.addresses.get(at).copied().flatten();
        known.map(|(number, at)| (number, address(at))).collect()
    }

    /// Ids of these accelerators, in the order of their numbers.
    pub fn ids(&self, of: DeviceSet) -> Vec<String> {
        let known = of.iter().map(|at| (self.number(at), at)).collect();
        let known: BTreeMap<usize, usize> = known;
        let places = known.values().filter_map(|at| self.accelerators.get(*at));
        places.map(|one| one.id.clone()).collect()
    }

    /// The number by which the accelerator at a place is known.
    pub fn number(&self, place: usize) -> usize {
        self.numbers.get(place).copied().unwrap_or(place)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.accelerators.len()
    }

    /// Those that are well.
    pub fn well(&self) -> DeviceSet {
        self.those(|one| one.is_well)
    }

    fn those(&self, are: impl Fn(&Accelerator) -> bool) -> DeviceSet {
        let all = self.accelerators.iter().enumerate();
        all.filter(|(_, one)| are(one)).map(|(at, _)| at).collect()
    }

    fn nearness(&self, a: usize, b: usize) -> Option<Nearness> {
        let row = self.near.get(a.max(b))?;
        row.get(a.min(b)).copied()
    }

    /// The nearest network interfaces of these: of each all that are as near as its nearest.
    pub fn nics(&self, of: DeviceSet) -> Vec<String> {
        let chosen = of.iter().filter_map(|at| self.accelerators.get(at));
        let near = chosen.flat_map(|one| {
            let nics = one.nics.iter().map(|(name, level)| (name, *level));
            nearest(nics)
        });
        let names: BTreeSet<&String> = near.collect();
        names.into_iter().cloned().collect()
    }

    /// For the planner.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn rings(&self, weights: &PairWeights) -> Result<RingHost, TooMany> {
        let devices = self
            .accelerators
            .iter()
            .map(|one| weights.device(one.numa_node, one.nics.iter().map(|(_, level)| *level)));
        RingHost::new(devices.collect(), |a, b| {
            let near = self.nearness(a, b);
            near.map(|near| weights.pair(near)).unwrap_or_default()
        })
    }
}
