//! Where the functions of a description lie in `/sys/devices`, with the ports that it leaves out. Owns the
//! addresses of those.
//!
//! A description names a switch once, by its upstream port. In the kernel's tree each device below it hangs at a
//! downstream port, and each that hangs below no switch at a root port: those are made up here, with addresses that
//! nothing else has. Devices of one NUMA node and domain share a host bridge, as far as is known: where they meet is
//! told by nothing but the `cpu` that they stand in.

use std::collections::BTreeMap;

use super::ImportError;
use super::buses::Buses;
use super::describe::{Description, Function, Holds, Link};
use crate::model::spec::{Bdf, PciFunction, Role};

/// Switches below each other at most: three are the most that were seen.
const DEPTH_LIMIT: usize = 64;

/// A function in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Where it lies and what it is.
    pub function: PciFunction,
    /// Its NUMA node; an NVSwitch's is not known.
    pub node: Option<u32>,
    /// The function of the description that says the rest.
    pub of: Of<'a>,
}

/// What says the rest of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// One of the description, and which of its functions that is: a card has several.
    Told(&'a Function, u8),
    /// A downstream port of a switch of the description.
    Downstream(&'a Function, Link),
    /// A root port.
    RootPort(Link),
    /// An NVSwitch that only links name.
    NvSwitch,
}

/// The GPUs of a machine whose functions are numbered, in order, with what is told of each.
pub fn gpus<'p, 'a>(placed: &'p [Placed<'a>]) -> Vec<(u32, &'p Placed<'a>, &'a Function)> {
    let gpus = placed
        .iter()
        .filter_map(|one| match (one.function.role, &one.of) {
            (Role::Gpu(index), Of::Told(told, _)) => Some((index, one, *told)),
            _ => None,
        });
    let mut gpus: Vec<_> = gpus.collect();
    gpus.sort_by_key(|(index, ..)| *index);
    gpus
}

/// Everything above a function.
#[derive(Clone)]
struct Above {
    root_bus: u8,
    bridges: Vec<Bdf>,
    switches: Vec<Bdf>,
}

/// Places every function of a description, and the NVSwitches that are not among them.
pub fn place<'a>(
    description: &'a Description,
    nvswitches: &[Bdf],
) -> Result<Vec<Placed<'a>>, ImportError> {
    let functions = &description.functions;
    let addresses = functions.iter().map(|function| function.bdf);
    let mut walk = Walk {
        functions,
        below: vec![Vec::new(); functions.len()],
        buses: Buses::of(addresses.chain(nvswitches.iter().copied())),
        placed: Vec::new(),
    };
    let mut tops: BTreeMap<(u32, u16), Vec<usize>> = BTreeMap::new();
    for (at, function) in functions.iter().enumerate() {
        match function.parent {
            None => {
                let key = (function.node, function.bdf.domain);
                tops.entry(key).or_default().push(at);
            }
            Some(parent) if parent < at => walk.below[parent].push(at),
            Some(_) => return Err(ImportError::Place { bdf: function.bdf }),
        }
    }
    for ((_, domain), all) in tops {
        walk.host_bridge(domain, &all)?;
    }
    walk.nvswitches(nvswitches)?;
    Ok(walk.placed)
}

struct Walk<'a> {
    functions: &'a [Function],
    /// What hangs below each.
    below: Vec<Vec<usize>>,
    buses: Buses,
    placed: Vec<Placed<'a>>,
}

impl<'a> Walk<'a> {
    fn host_bridge(&mut self, domain: u16, tops: &[usize]) -> Result<(), ImportError> {
        let first = tops.iter().map(|at| self.functions[*at].bdf).min();
        let Some(first) = first else {
            return Ok(());
        };
        let root_bus = self.buses.before(domain, first.bus);
        let root_bus = root_bus.ok_or(ImportError::NoBus { domain, bdf: first })?;
        let above = Above {
            root_bus,
            bridges: Vec::new(),
            switches: Vec::new(),
        };
        for (nth, at) in tops.iter().enumerate() {
            let port = port(domain, root_bus, nth, self.functions[*at].bdf)?;
            let of = Of::RootPort(self.functions[*at].link.clone());
            self.port(port, Role::RootPort, of, &above, &[*at])?;
        }
        Ok(())
    }

    /// A root port or downstream port with what hangs at it.
    fn port(
        &mut self,
        bdf: Bdf,
        role: Role,
        of: Of<'a>,
        above: &Above,
        below: &[usize],
    ) -> Result<(), ImportError> {
        let node = below.first().map(|at| self.functions[*at].node);
        let place = self.push(bdf, role, of, node, above);
        let mut deeper = above.clone();
        deeper.bridges.push(bdf);
        for at in below {
            self.told(*at, &deeper)?;
        }
        self.end_bridge(place);
        Ok(())
    }

    fn told(&mut self, at: usize, above: &Above) -> Result<(), ImportError> {
        let functions = self.functions;
        let function = &functions[at];
        let (bdf, node) = (function.bdf, Some(function.node));
        if self.below[at].is_empty() {
            // Their numbers are given out by whoever knows all of them.
            let role = Role::Nic(0);
            for nth in 0..functions_of(function) {
                let own = Bdf {
                    function: bdf.function + nth,
                    ..bdf
                };
                self.push(own, role, Of::Told(function, nth), node, above);
            }
            return Ok(());
        }
        if above.switches.len() >= DEPTH_LIMIT {
            return Err(ImportError::Place { bdf });
        }
        let place = self.push(bdf, Role::Upstream, Of::Told(function, 0), node, above);
        let mut deeper = above.clone();
        deeper.bridges.push(bdf);
        deeper.switches.push(bdf);
        let bus = self.buses.behind(bdf.domain, bdf.bus);
        let bus = bus.ok_or(ImportError::NoBus {
            domain: bdf.domain,
            bdf,
        })?;
        for (nth, group) in self.groups(at).into_iter().enumerate() {
            let port = port(bdf.domain, bus, nth, bdf)?;
            let of = Of::Downstream(function, self.widest(&group));
            self.port(port, Role::Downstream, of, &deeper, &group)?;
        }
        self.end_bridge(place);
        Ok(())
    }

    /// What hangs below a switch, by its downstream ports: devices on one bus hang at one port, a switch at its own.
    fn groups(&self, at: usize) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let is_switch = |at: usize| !self.below[at].is_empty();
        let bus = |at: usize| (self.functions[at].bdf.domain, self.functions[at].bdf.bus);
        for child in self.below[at].iter().copied() {
            let beside = groups.iter_mut().find(|group| {
                let first = group.first().copied();
                first.is_some_and(|first| {
                    !is_switch(first) && !is_switch(child) && bus(first) == bus(child)
                })
            });
            match beside {
                Some(group) => group.push(child),
                None => groups.push(vec![child]),
            }
        }
        groups
    }

    /// What a port must be able to do so that it holds none of these back.
    fn widest(&self, below: &[usize]) -> Link {
        let links = || below.iter().map(|at| &self.functions[*at].link);
        let speeds = links().filter_map(|link| link.speed.as_ref());
        Link {
            speed: speeds.max_by_key(|speed| speed.mts).cloned(),
            lanes: links().filter_map(|link| link.lanes).max(),
        }
    }

    /// On a root bus of their own, each at a root port: nothing tells where they hang.
    fn nvswitches(&mut self, all: &[Bdf]) -> Result<(), ImportError> {
        let mut roots: BTreeMap<u16, (u8, usize)> = BTreeMap::new();
        for bdf in all {
            let domain = bdf.domain;
            let (root_bus, nth) = match roots.get(&domain) {
                Some(root) => *root,
                None => {
                    let bus = self.buses.before(domain, bdf.bus);
                    let no_bus = ImportError::NoBus { domain, bdf: *bdf };
                    (bus.ok_or(no_bus)?, 0)
                }
            };
            roots.insert(domain, (root_bus, nth + 1));
            let mut above = Above {
                root_bus,
                bridges: Vec::new(),
                switches: Vec::new(),
            };
            let port = port(domain, root_bus, nth, *bdf)?;
            let place = self.push(
                port,
                Role::RootPort,
                Of::RootPort(Link::default()),
                None,
                &above,
            );
            above.bridges.push(port);
            self.push(*bdf, Role::NvSwitch(0), Of::NvSwitch, None, &above);
            self.end_bridge(place);
        }
        Ok(())
    }

    fn push(
        &mut self,
        bdf: Bdf,
        role: Role,
        of: Of<'a>,
        node: Option<u32>,
        above: &Above,
    ) -> usize {
        let function = PciFunction {
            bdf,
            role,
            root_bus: above.root_bus,
            node: node.unwrap_or(0),
            bridges: above.bridges.clone(),
            switches: above.switches.clone(),
            buses: None,
        };
        self.placed.push(Placed { function, node, of });
        self.placed.len() - 1
    }

    /// The bridge at that place has everything behind it that was placed since.
    fn end_bridge(&mut self, place: usize) {
        let behind: Vec<Bdf> = self.placed[place + 1..]
            .iter()
            .map(|placed| placed.function.bdf)
            .collect();
        let Some(first) = behind.first() else {
            return;
        };
        let same = behind.iter().filter(|bdf| bdf.domain == first.domain);
        let last = same.map(|bdf| bdf.bus).max().unwrap_or(first.bus);
        self.placed[place].function.buses = Some((first.bus, last.max(first.bus)));
    }
}

/// How many functions a device has.
fn functions_of(function: &Function) -> u8 {
    match &function.holds {
        Holds::Nets(nets) => u8::try_from(nets.len()).unwrap_or(u8::MAX).max(1),
        _ => 1,
    }
}

/// The place of port `nth` of a bus, which leads to `bdf`.
fn port(domain: u16, bus: u8, nth: usize, bdf: Bdf) -> Result<Bdf, ImportError> {
    let nth = u8::try_from(nth).map_err(|_| ImportError::NoPort { bdf })?;
    Ok(Bdf {
        domain,
        bus,
        device: nth % 32,
        function: nth / 32,
    })
}
