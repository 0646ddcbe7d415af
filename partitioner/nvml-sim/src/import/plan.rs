//! A description, looked through: what can be made of it, before anything is written. Owns what is refused.

use std::collections::BTreeSet;

use super::ImportError;
use super::describe::{Description, Function, Holds, Links, Net, NvidiaGpu};
use super::place::{Of, Placed, gpus, place};
use crate::model::imported::{self, Imported, NvLinks, Record};
use crate::model::product::Product;
use crate::model::spec::{Bdf, Role};
use crate::model::tables;

/// Most devices of a machine: ten times those of the largest that was seen.
const FUNCTIONS_LIMIT: usize = 1_024;
/// Most NUMA nodes: an eighth of them is the most that was seen.
const NODES_LIMIT: u32 = 64;
/// CPUs of a node where nobody says it.
const USUAL_CPUS: u32 = 32;
/// Most CPUs of a node, and of a machine: each is a folder with thirty files.
const NODE_CPUS_LIMIT: u32 = 256;
const CPUS_LIMIT: u32 = 1_024;
/// Longest names of RDMA devices and network interfaces, with the zero at their end (`IB_DEVICE_NAME_MAX`, `IFNAMSIZ`).
const RDMA_NAME: usize = 64;
const NET_NAME: usize = 16;

/// What will be written.
#[derive(Debug)]
pub struct Plan<'a> {
    /// What is told.
    pub description: &'a Description,
    /// Every function in its place.
    pub placed: Vec<Placed<'a>>,
    /// What the state remembers.
    pub imported: Imported,
}

/// The product of its GPUs, if they are NVIDIA's and all of one product that can be simulated.
pub fn product(description: &Description) -> Option<&'static Product> {
    let gpus = description.functions.iter();
    let mut ids = gpus
        .filter(|function| matches!(function.holds, Holds::Nvidia(_)))
        .map(|function| function.device);
    let first = ids.next()??;
    let is_one = ids.all(|id| id == Some(first));
    is_one.then(|| imported::product(first))?
}

/// Looks a description through.
pub fn plan(description: &Description) -> Result<Plan<'_>, ImportError> {
    bounds(description)?;
    addresses(description)?;
    interfaces(description)?;
    let product = product(description);
    let switches = links(description, product)?;
    let mut placed = place(description, &switches)?;
    number(&mut placed);
    let record = record(description, product, &placed);
    // Its product was found above.
    let imported = Imported::new(record).ok_or(ImportError::Empty)?;
    Ok(Plan {
        description,
        placed,
        imported,
    })
}

fn bounds(description: &Description) -> Result<(), ImportError> {
    // What is fixed of a machine in the table is found by its name.
    if description.name.is_empty() || tables::machine(&description.name).is_some() {
        let name = description.name.clone();
        return Err(ImportError::Name { name });
    }
    let functions = &description.functions;
    if functions.is_empty() {
        return Err(ImportError::Empty);
    }
    if functions.len() > FUNCTIONS_LIMIT {
        let limit = FUNCTIONS_LIMIT;
        return Err(ImportError::TooMany { limit });
    }
    match functions.iter().find(|one| one.node >= NODES_LIMIT) {
        Some(Function { bdf, node, .. }) => Err(ImportError::Node {
            bdf: *bdf,
            node: *node,
            last: NODES_LIMIT - 1,
        }),
        None => Ok(()),
    }
}

/// Of those with one address all but one must be bridges, which are found by what hangs below them. Interfaces of a
/// card have functions of their own.
fn addresses(description: &Description) -> Result<(), ImportError> {
    let all = &description.functions;
    let parents: BTreeSet<usize> = all.iter().filter_map(|one| one.parent).collect();
    let seen: BTreeSet<Bdf> = all.iter().map(|function| function.bdf).collect();
    let mut devices = BTreeSet::new();
    for (at, Function { bdf, .. }) in all.iter().enumerate() {
        if !parents.contains(&at) && !devices.insert(*bdf) {
            return Err(ImportError::Twice { bdf: *bdf });
        }
    }
    for function in all {
        let Holds::Nets(nets) = &function.holds else {
            continue;
        };
        let (bdf, count) = (function.bdf, nets.len());
        let refused = ImportError::NetFunctions { bdf, count };
        let more = u8::try_from(count.saturating_sub(1)).unwrap_or(u8::MAX);
        // NCCL names a card by its first function.
        if more > 7 || (more > 0 && bdf.function > 0) {
            return Err(refused);
        }
        let own = (1..=more).map(|function| Bdf { function, ..bdf });
        if own.into_iter().any(|own| seen.contains(&own)) {
            return Err(refused);
        }
    }
    Ok(())
}

fn interfaces(description: &Description) -> Result<(), ImportError> {
    let mut names = BTreeSet::new();
    for function in &description.functions {
        let (Holds::Nets(nets), bdf) = (&function.holds, function.bdf) else {
            continue;
        };
        let is_rdma = |net: &Net| net.is_rdma;
        if nets.iter().any(is_rdma) && !nets.iter().all(is_rdma) {
            return Err(ImportError::NetKinds { bdf });
        }
        for Net { name, is_rdma, .. } in nets {
            let name = name.clone();
            if !is_name(&name, *is_rdma) {
                return Err(ImportError::NetName { bdf, name });
            }
            if !names.insert((*is_rdma, name.clone())) {
                return Err(ImportError::NetTwice { bdf, name });
            }
        }
    }
    Ok(())
}

/// As `dev_valid_name` of `net/core/dev.c` has it; names of RDMA devices may be longer.
fn is_name(name: &str, is_rdma: bool) -> bool {
    let most = if is_rdma { RDMA_NAME } else { NET_NAME };
    let is_clean = |one: char| !one.is_whitespace() && !one.is_control() && !"/:".contains(one);
    !name.is_empty()
        && name.len() < most
        && name.chars().all(is_clean)
        && name != "."
        && name != ".."
}

/// Looks at the links of all GPUs; says which NVSwitches they end at that are not among the functions.
fn links(
    description: &Description,
    product: Option<&'static Product>,
) -> Result<Vec<Bdf>, ImportError> {
    let all = &description.functions;
    let gpus: BTreeSet<Bdf> = all
        .iter()
        .filter(|one| matches!(one.holds, Holds::Amd(_) | Holds::Nvidia(_)))
        .map(|one| one.bdf)
        .collect();
    let known: BTreeSet<Bdf> = all.iter().map(|one| one.bdf).collect();
    let mut is_amd = None;
    let mut switches = BTreeSet::new();
    for function in all {
        let gpu = function.bdf;
        let (links, amd): (&[Links], _) = match &function.holds {
            Holds::Amd(amd) => (&amd.links, true),
            Holds::Nvidia(nvidia) => {
                if let Some(product) = product {
                    fits(gpu, nvidia, product)?;
                }
                (&nvidia.links, false)
            }
            Holds::Nothing | Holds::Nets(_) => continue,
        };
        if *is_amd.get_or_insert(amd) != amd {
            return Err(ImportError::Makers { bdf: gpu });
        }
        for Links {
            target, is_switch, ..
        } in links.iter().copied()
        {
            let Some(target) = target else {
                if is_switch && !amd {
                    continue;
                }
                return Err(ImportError::Unseen { gpu });
            };
            let is_there = match is_switch && !amd {
                true => !gpus.contains(&target),
                false => gpus.contains(&target) && target != gpu,
            };
            if !is_there {
                return Err(ImportError::Target { gpu, target });
            }
            if is_switch && !known.contains(&target) {
                switches.insert(target);
            }
        }
    }
    Ok(switches.into_iter().collect())
}

fn fits(gpu: Bdf, told: &NvidiaGpu, product: &'static Product) -> Result<(), ImportError> {
    let own = product.compute_capability;
    let own = (
        u32::try_from(own.0).unwrap_or(0),
        u32::try_from(own.1).unwrap_or(0),
    );
    if let Some(told) = told.compute.filter(|told| *told != own) {
        let product = product.name;
        return Err(ImportError::Compute {
            gpu,
            told,
            product,
            own,
        });
    }
    let links: u32 = told.links.iter().map(|links| u32::from(links.count)).sum();
    if links > product.nvlink.links {
        return Err(ImportError::Links {
            gpu,
            links,
            product: product.name,
            most: product.nvlink.links,
        });
    }
    Ok(())
}

/// GPUs are numbered by their address, as drivers number them, and so is the rest.
fn number(placed: &mut [Placed<'_>]) {
    let mut leaves: Vec<&mut Placed<'_>> = placed
        .iter_mut()
        .filter(|one| matches!(one.function.role, Role::Nic(_) | Role::NvSwitch(_)))
        .collect();
    leaves.sort_by_key(|one| one.function.bdf);
    let (mut gpus, mut nics, mut switches) = (0, 0, 0);
    for one in leaves {
        let (role, counter): (fn(u32) -> Role, &mut u32) = match &one.of {
            Of::Told(told, _) if matches!(told.holds, Holds::Amd(_) | Holds::Nvidia(_)) => {
                (Role::Gpu, &mut gpus)
            }
            Of::Told(told, _) if told.class >> 8 != NVSWITCH_CLASS => (Role::Nic, &mut nics),
            _ => (Role::NvSwitch, &mut switches),
        };
        one.function.role = role(*counter);
        *counter += 1;
    }
}

/// A bridge of another kind, which an NVSwitch is.
const NVSWITCH_CLASS: u32 = 0x0680;

fn record(
    description: &Description,
    product: Option<&'static Product>,
    placed: &[Placed<'_>],
) -> Record {
    let functions = &description.functions;
    let nodes = functions.iter().map(|one| one.node).max().unwrap_or(0) + 1;
    let threads = description.maker.processor().threads_per_core;
    let cpus = description.cpus_per_node.unwrap_or(USUAL_CPUS);
    let cpus = cpus.clamp(1, NODE_CPUS_LIMIT.min(CPUS_LIMIT / nodes));
    let gpus = gpus(placed).into_iter();
    let nvlinks = gpus.map(|(_, _, told)| match &told.holds {
        Holds::Nvidia(gpu) => gpu.links.iter().map(nvlinks).collect(),
        _ => Vec::new(),
    });
    Record {
        name: description.name.clone(),
        device_id: product.map(Product::pci_device),
        maker: description.maker,
        nodes,
        cores_per_node: (cpus / threads).max(1),
        nvlinks: nvlinks.collect(),
        functions: placed.iter().map(|one| one.function.clone()).collect(),
    }
}

fn nvlinks(links: &Links) -> NvLinks {
    NvLinks {
        target: links.target,
        count: links.count.into(),
    }
}
