//! Names of Arm processors by their main id register, since `/proc/cpuinfo` has none on Arm.
//!
//! Owns the table of the server and workstation parts; a part that is not in it has no name.
//! Sources: `arch/arm64/include/asm/cputype.h` of the kernel, and the reference manuals of the cores (MIDR_EL1:
//! implementer in bits 31 to 24, part number in bits 15 to 4).

use crate::sysfs::Reader;
use crate::sysfs::cpus::CpuSet;

use super::FOLDER;

/// Implementer, part, name.
const PARTS: [(u32, u32, &str); 27] = [
    (0x41, 0xd05, "Arm Cortex-A55"),
    (0x41, 0xd07, "Arm Cortex-A57"),
    (0x41, 0xd08, "Arm Cortex-A72"),
    (0x41, 0xd0b, "Arm Cortex-A76"),
    (0x41, 0xd0c, "Arm Neoverse-N1"),
    (0x41, 0xd40, "Arm Neoverse-V1"),
    (0x41, 0xd42, "Arm Cortex-A78AE"),
    (0x41, 0xd49, "Arm Neoverse-N2"),
    (0x41, 0xd4a, "Arm Neoverse-E1"),
    (0x41, 0xd4f, "Arm Neoverse-V2"),
    (0x41, 0xd83, "Arm Neoverse-V3AE"),
    (0x41, 0xd84, "Arm Neoverse-V3"),
    (0x41, 0xd85, "Arm Cortex-X925"),
    (0x41, 0xd87, "Arm Cortex-A725"),
    (0x41, 0xd8e, "Arm Neoverse-N3"),
    (0x43, 0x0af, "Cavium ThunderX2"),
    (0x46, 0x001, "Fujitsu A64FX"),
    (0x46, 0x003, "Fujitsu MONAKA"),
    (0x48, 0xd01, "HiSilicon TSV110"),
    (0x4e, 0x004, "NVIDIA Carmel"),
    (0x4e, 0x010, "NVIDIA Olympus"),
    (0x50, 0x000, "APM X-Gene"),
    (0x51, 0x001, "Qualcomm Oryon"),
    (0x51, 0xc00, "Qualcomm Falkor"),
    (0x6d, 0xd49, "Microsoft Azure Cobalt 100"),
    (0xc0, 0xac3, "Ampere-1"),
    (0xc0, 0xac4, "Ampere-1a"),
];

/// The name of the first of these processors.
pub fn model(reader: &Reader<'_>, cpus: &CpuSet) -> Option<String> {
    let cpu = cpus.first()?;
    let register = register(reader, cpu)?;
    let (implementer, part) = (register >> 24 & 0xff, register >> 4 & 0xfff);
    let is_it =
        |(by, of, _): &&(u32, u32, &str)| u64::from(*by) == implementer && u64::from(*of) == part;
    PARTS
        .iter()
        .find(is_it)
        .map(|(_, _, name)| (*name).to_owned())
}

/// The register of a thread; only an Arm kernel has it.
pub fn register(reader: &Reader<'_>, cpu: u32) -> Option<u64> {
    let path = format!("{FOLDER}/cpu{cpu}/regs/identification/midr_el1");
    reader.parsed(&path, "a register", |text| {
        u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    })
}
