//! From words to sets of devices, and back where none can be had.

use std::collections::BTreeSet;

use kerf_planner::rings::{Bound, DeviceSet, RingHost, Wish};
use kerf_types::ask::{Constraints, GpuRef};

use super::args::Args;
use super::error::PickError;
use super::join;
use super::machine::Machine;

/// What the arguments mean on a machine, by the same rule as the constraints of an ask.
pub(super) struct Meant {
    /// What is picked by.
    pub wish: Wish,
    bound: Bound,
}

/// What the arguments mean on a machine.
pub(super) fn meant(args: &Args, machine: &Machine, host: &RingHost) -> Result<Meant, PickError> {
    let free = args.free.as_deref().map(|free| set(free, machine));
    let free = free.transpose()?;
    let free = free.unwrap_or_else(|| DeviceSet::first(machine.count()));
    // A name that is nobody's is a slip here, where one machine is meant.
    set(&args.include, machine)?;
    set(&args.avoid, machine)?;
    let names = |names: &[GpuRef]| names.iter().cloned().collect::<BTreeSet<GpuRef>>();
    let only = Constraints {
        include: names(&args.include),
        avoid: names(&args.avoid),
        same: args.same,
        nic: args.nic,
        vgpu_type: None,
    };
    let bound = Bound::of(host, &only, |name| machine.place(name));
    Ok(Meant {
        wish: bound.wish(args.count, free.and(machine.well())),
        bound,
    })
}

fn set(names: &[GpuRef], machine: &Machine) -> Result<DeviceSet, PickError> {
    let numbers = names.iter().map(|name| {
        machine.place(name).ok_or_else(|| PickError::NoSuch {
            name: name.to_string(),
            count: machine.count(),
        })
    });
    numbers.collect()
}

impl Meant {
    /// Which cannot be had, and why: what the words of the planner leave open.
    pub fn left_out(&self, machine: &Machine) -> String {
        let all = DeviceSet::first(machine.count());
        let sick = all.without(machine.well());
        let taken = all.without(self.wish.free).without(sick);
        let reasons = [
            (sick, "not well"),
            (taken, "not free"),
            (self.bound.avoid.without(self.bound.far), "to be avoided"),
            (self.bound.far, "without a network interface so near"),
        ];
        let reasons = reasons.iter().filter(|(devices, _)| !devices.is_empty());
        let words = reasons.map(|(devices, why)| {
            let numbers = machine.named(*devices).into_keys();
            let numbers = join(numbers.map(|number| number.to_string()));
            format!("; {why}: {numbers}")
        });
        words.collect()
    }
}
