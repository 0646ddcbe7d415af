//! `sriov-manage`, the vendor's tool that turns virtual functions on and off: a program of the machine, which has the
//! state of the machine's kernel and its refusals.

use super::CreateError;
use super::tree::Tree;
use crate::kernel::vgpu::Vgpu;
use crate::model::spec::MachineSpec;

/// Where the vendor's package puts it.
const TOOL: &str = "usr/lib/nvidia/sriov-manage";

/// A shell script, as the vendor's is. It finds the machine by where it lies, and gives the values to the kernel
/// through `kerf sim kernel write`.
const SCRIPT: &str = r#"#!/bin/sh
# Turns the virtual functions of simulated GPUs on (-e) and off (-d): sriov-manage -e|-d <slot|ALL>
machine=$(cd "$(dirname "$0")/../../../.." && pwd) || exit 1
devices=/sys/bus/pci/devices
case "$#$1" in
2-e) on=1 ;;
2-d) on=0 ;;
*) echo "Usage: $0 <-e|-d> <ssss:bb:dd.f|ALL>" >&2; exit 1 ;;
esac
slots=$2
if [ "$slots" = ALL ]; then
    slots=$(cd "$machine/root$devices" && for slot in *; do
        [ -e "$slot/sriov_numvfs" ] && [ "$(cat "$slot/vendor")" = 0x10de ] && echo "$slot"
    done)
fi
failed=0
for slot in $slots; do
    total=$(cat "$machine/root$devices/$slot/sriov_totalvfs") || { failed=1; continue; }
    [ "$on" = 1 ] || total=0
    "${KERF:-kerf}" sim kernel write "$machine" "$devices/$slot/sriov_numvfs" "$total" || failed=1
done
exit "$failed"
"#;

/// Writes it into a machine whose driver offers vGPUs.
pub fn write(tree: &Tree, spec: &'static MachineSpec) -> Result<(), CreateError> {
    if Vgpu::new(spec).is_none() {
        return Ok(());
    }
    tree.folder("usr/lib/nvidia")?;
    tree.text(TOOL, SCRIPT)?;
    tree.mode(TOOL, 0o755)
}
