//! Machines by description: what a kernel and drivers would show of it, under a root of its own.
//!
//! `describe` is the shape of what is told, `plan` looks it through before anything is written, `place` makes up the
//! ports that a description leaves out; `pci`, `amd` and `nets` write. A machine whose GPUs are a product of the
//! tables has its library and NVML's state as others have. What is told is not kept: the state remembers where
//! functions lie and which NVLinks there are, and the rest stands in the tree alone, as files that nothing changes.

mod amd;
mod buses;
pub mod describe;
mod error;
mod nets;
mod pci;
mod place;
mod plan;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use crate::kernel;
use crate::kernel::state::State;
use crate::machine::{
    self, CreateError, CreateOptions, MachineInfo, Tree, cpu, cpuinfo, driver, failed, library,
    nodes, numa, tools,
};
use crate::model::machine::Machine;
use crate::store::{Store, now_us};

use describe::Description;
pub use error::ImportError;
use plan::{Plan, plan};

/// Whether the machine of a description has a driver library: its GPUs must be of a product that is known.
#[must_use]
pub fn has_library(description: &Description) -> bool {
    plan::product(description).is_some()
}

/// Makes the machine of a description in `dir`, with a copy of `library` and of the tools that lie beside it where
/// it [has](has_library) one. Nothing is written unless all of the description can be.
///
/// # Errors
/// What is wrong with the description; those of [`machine::create`].
pub fn import(
    description: &Description,
    dir: &Path,
    library: &Path,
    options: &CreateOptions,
) -> Result<MachineInfo, ImportError> {
    let plan = plan(description)?;
    let fill = |dir: &Path, seed| fill(&plan, dir, library, seed);
    Ok(machine::make(dir, options, fill)?)
}

fn fill(plan: &Plan<'_>, dir: &Path, library: &Path, seed: u64) -> Result<(), CreateError> {
    let devices = Path::new("/proc/devices");
    let devices = fs::read_to_string(devices).map_err(|error| failed("read", devices, error))?;
    let spec = plan.imported.spec();
    let mut machine = Machine::new(spec, seed, nodes::choose(dir, &devices)?, now_us());
    // All of none are real ones.
    machine.nodes.real = true;
    let tree = Tree::new(dir.join("root"));
    cpu::write(&tree, spec)?;
    cpuinfo::write(&tree, spec)?;
    numa::write(&tree, spec)?;
    pci::write(&tree, spec, plan)?;
    nets::write(&tree, plan)?;
    if let Some(product) = spec.nvidia() {
        driver::write(&tree, product, &machine)?;
        machine.nodes.real = nodes::write(&tree, product, &machine)?;
        library::install(dir, library)?;
        tools::install(dir, library)?;
        if plan.description.has_peer_memory {
            driver::write_peer_memory(&tree)?;
        } else {
            kernel_without_dma_buf(&tree)?;
        }
    }
    if let Some(real) = amd::write(&tree, plan, seed, machine.nodes)? {
        machine.nodes.real = real;
    }
    kernel::begin(dir, State::default())?;
    Store::new(dir).begin(&machine)?;
    Ok(())
}

/// A kernel on which interfaces reach the memory of GPUs by a module alone: DMA-BUF for that came with 5.12.
fn kernel_without_dma_buf(tree: &Tree) -> Result<(), CreateError> {
    let release = ("osrelease", "5.10.0".to_owned());
    tree.attributes("proc/sys/kernel", &[release])
}
