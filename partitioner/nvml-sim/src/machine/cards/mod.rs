//! What the drivers of accelerators without a library show: their classes, attributes and device nodes. Owns what they
//! have in common; each maker's module owns its driver's files. Nothing of it changes while a machine lives.

mod alveo;
mod dfl;
mod gaudi;
mod neuron;
mod tpu;
mod xe;

use super::CreateError;
use super::nodes::{self, Node};
use super::tree::Tree;
use crate::model::card::{Card, Gaudi, Maker};
use crate::model::machine::{Nodes, functions};
use crate::model::mix;
use crate::model::spec::{MachineSpec, PciFunction, Role};

/// One accelerator in its place.
struct Site<'a> {
    tree: &'a Tree,
    card: &'static Card,
    /// Its function, the one that is used.
    function: &'static PciFunction,
    /// Every function of the machine.
    all: &'static [PciFunction],
    /// Its number.
    index: u32,
    /// How many the machine has.
    count: u32,
    /// Fixes serial numbers.
    seed: u64,
    /// Majors of its nodes.
    majors: [u32; 2],
}

impl Site<'_> {
    /// Its folder below `/`.
    fn folder(&self) -> String {
        self.function.sysfs_folder()
    }

    /// The nth number that is drawn for it.
    fn draw(&self, nth: u64) -> u64 {
        mix(mix(self.seed ^ nth << 40) ^ u64::from(self.index))
    }
}

/// Writes what the driver shows of every accelerator, and their nodes; returns whether those are real ones.
pub fn write(
    tree: &Tree,
    spec: &'static MachineSpec,
    card: &'static Card,
    seed: u64,
    majors: Nodes,
) -> Result<bool, CreateError> {
    let own = |function: &'static PciFunction| match function.role {
        Role::Gpu(index) => Some((index, function)),
        _ => None,
    };
    let places: Vec<_> = functions(spec).iter().filter_map(own).collect();
    let count = u32::try_from(places.len()).unwrap_or(u32::MAX);
    let majors = [majors.frontend, majors.caps];
    write_modules(tree, card, majors)?;
    let mut nodes: Vec<Node> = Vec::new();
    for (index, function) in places {
        let site = Site {
            tree,
            card,
            function,
            all: functions(spec),
            index,
            count,
            seed,
            majors,
        };
        nodes.extend(match card.maker {
            Maker::Gaudi(layout) => gaudi::write(&site, layout)?,
            Maker::Neuron => neuron::write(&site)?,
            Maker::Tpu => tpu::write(&site)?,
            Maker::Alveo => alveo::write(&site)?,
            Maker::Dfl => dfl::write(&site)?,
            Maker::Xe => xe::write(&site)?,
        });
    }
    if card.maker == Maker::Tpu {
        nodes.push(tpu::container(majors));
    }
    for (path, ..) in &nodes {
        let folder = path.rsplit_once('/').map_or("dev", |(folder, _)| folder);
        tree.folder(folder)?;
    }
    nodes::make(tree, nodes)
}

/// Modules and majors.
fn write_modules(tree: &Tree, card: &Card, majors: [u32; 2]) -> Result<(), CreateError> {
    let (modules, names): (&[&str], [&str; 2]) = match card.maker {
        Maker::Gaudi(Gaudi::Accel) => (&["habanalabs"], ["accel", "habanalabs"]),
        Maker::Gaudi(Gaudi::Habanalabs) => (&["habanalabs"], ["habanalabs", ""]),
        Maker::Neuron => (&["neuron"], ["neuron", ""]),
        Maker::Tpu => (&["vfio", "vfio_pci"], ["vfio", "misc"]),
        Maker::Alveo => (&["xocl", "xclmgmt"], ["drm", "xclmgmt"]),
        Maker::Dfl => (&["dfl", "dfl_pci", "dfl_fme", "dfl_afu"], ["dfl", ""]),
        Maker::Xe => (&["xe"], ["drm", ""]),
    };
    tree.folder("proc")?;
    let mut loaded = String::new();
    for module in modules {
        let facts = [("initstate", "live".to_owned()), ("refcnt", "0".to_owned())];
        tree.attributes(format!("sys/module/{module}"), &facts)?;
        loaded.push_str(&format!("{module} 2097152 0 - Live 0x0000000000000000\n"));
    }
    tree.text("proc/modules", loaded)?;
    let own = majors
        .iter()
        .zip(names)
        .filter(|(_, name)| !name.is_empty());
    let own: String = own
        .map(|(major, name)| format!("{major} {name}\n"))
        .collect();
    tree.text(
        "proc/devices",
        format!("Character devices:\n  1 mem\n  5 /dev/tty\n{own}\nBlock devices:\n  7 loop\n"),
    )
}
