//! From words to sets of devices, and back where none can be had.

use kerf_planner::rings::{DeviceSet, Wish};

use super::args::{Args, Named, Same};
use super::error::PickError;
use super::join;
use super::machine::Machine;

/// What the arguments mean on a machine.
pub(super) fn wish(args: &Args, machine: &Machine) -> Result<Wish, PickError> {
    let free = args.free.as_deref().map(|free| set(free, machine));
    let free = free
        .transpose()?
        .unwrap_or_else(|| DeviceSet::first(machine.count()));
    Ok(Wish {
        count: args.count,
        free: free.and(machine.well()),
        include: set(&args.include, machine)?,
        avoid: set(&args.avoid, machine)?.union(far(args, machine)),
        rather_not: DeviceSet::EMPTY,
        within: args.same.map(|same| match same {
            Same::Numa => machine.by_node(),
            Same::Switch => machine.by_switch(),
        }),
    })
}

/// Those without a network interface as near as is asked for.
fn far(args: &Args, machine: &Machine) -> DeviceSet {
    let all = DeviceSet::first(machine.count());
    args.nic.map_or(DeviceSet::EMPTY, |level| {
        all.without(machine.with_nic(level.class()))
    })
}

fn set(names: &[Named], machine: &Machine) -> Result<DeviceSet, PickError> {
    let numbers = names.iter().map(|name| {
        let known = machine.addresses();
        let number = match name {
            Named::Number(number) => machine.place(*number),
            Named::Address(address) => known.iter().position(|one| *one == Some(*address)),
        };
        number.ok_or_else(|| PickError::NoSuch {
            name: name.to_string(),
            count: known.len(),
        })
    });
    numbers.collect()
}

/// Which cannot be had, and why: what the words of the planner leave open.
pub(super) fn left_out(args: &Args, machine: &Machine, wish: &Wish) -> String {
    let all = DeviceSet::first(machine.count());
    let sick = all.without(machine.well());
    let far = far(args, machine);
    let taken = all.without(wish.free).without(sick);
    let avoided = wish.avoid.without(far);
    let reasons = [
        (sick, "not well"),
        (taken, "not free"),
        (avoided, "to be avoided"),
        (far, "without a network interface so near"),
    ];
    let reasons = reasons.iter().filter(|(devices, _)| !devices.is_empty());
    let words = reasons.map(|(devices, why)| {
        let numbers = machine.named(*devices).into_keys();
        let numbers = join(numbers.map(|number| number.to_string()));
        format!("; {why}: {numbers}")
    });
    words.collect()
}
