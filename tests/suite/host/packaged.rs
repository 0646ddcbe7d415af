//! kerfd and its workers as their units have them, under a booted systemd and on a simulated machine: what takes rights
//! over processes of others is done by the worker for it, and kerfd has none.

use kerf_tests::nspawn::Machine;
use kerf_tests::{bins, executable, note, tree};

const SCRIPT: &str = include_str!("packaged.sh");

fn lay_out(machine: &Machine) -> anyhow::Result<()> {
    let work = machine.work();
    let units = work.join("units");
    std::fs::create_dir_all(&units)?;
    let ours = tree::workspace_root().join("systemd");
    for entry in std::fs::read_dir(ours)? {
        let unit = entry?.path();
        if let Some(name) = unit.file_name().filter(|_| unit.is_file()) {
            std::fs::copy(&unit, units.join(name))?;
        }
    }
    executable::copy(&bins::runtime()?, &work.join("kerf-runtime"))?;
    Ok(())
}

#[test]
fn as_a_unit_kerfd_does_all_that_it_does_without_rights_over_others() {
    let name = "as_a_unit_kerfd_does_all_that_it_does_without_rights_over_others";
    let Some(machine) = Machine::open(name) else {
        return;
    };
    lay_out(&machine).expect("units and programs");
    let said = machine.boot(SCRIPT).expect("the script runs to its end");
    for line in said.lines() {
        note(line);
    }
}
