//! `/proc/cpuinfo` of a machine. Owns the form that each architecture prints, of which readers take the identity and
//! the features; times and bugs are left out.

use super::CreateError;
use super::tree::Tree;
use crate::model::processor::Make;
use crate::model::spec::MachineSpec;

/// Writes it.
pub fn write(tree: &Tree, spec: &MachineSpec) -> Result<(), CreateError> {
    let mut text = String::new();
    for cpu in 0..spec.cpu_count() {
        match spec.processor.make {
            Make::X86 {
                vendor,
                signature,
                flags,
            } => x86(&mut text, spec, cpu, vendor, signature, flags),
            Make::Arm { part, features } => arm(&mut text, cpu, part, features),
        }
    }
    tree.folder("proc")?;
    tree.text("proc/cpuinfo", text)
}

/// One CPU as `show_cpuinfo` of `arch/x86/kernel/cpu/proc.c` prints it.
fn x86(
    text: &mut String,
    spec: &MachineSpec,
    cpu: u32,
    vendor: &str,
    (family, model, stepping): (u32, u32, u32),
    flags: &str,
) {
    let (processor, cores) = (spec.processor, spec.cores_per_socket);
    let core = cpu % spec.core_count();
    let (socket, id) = (core / cores, core % cores);
    let siblings = cores * processor.threads_per_core;
    let (name, mhz, cache) = (processor.name, processor.mhz, processor.l2_kib);
    text.push_str(&format!(
        "processor\t: {cpu}\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n\
         model name\t: {name}\nstepping\t: {stepping}\ncpu MHz\t\t: {mhz}.000\ncache size\t: {cache} KB\n\
         physical id\t: {socket}\nsiblings\t: {siblings}\ncore id\t\t: {id}\ncpu cores\t: {cores}\n\
         fpu\t\t: yes\nflags\t\t: {flags}\nclflush size\t: 64\n\
         address sizes\t: 52 bits physical, 57 bits virtual\n\n"
    ));
}

/// One CPU as `c_show` of `arch/arm64/kernel/cpuinfo.c` prints it.
fn arm(text: &mut String, cpu: u32, (implementer, part): (u32, u32), features: &str) {
    text.push_str(&format!(
        "processor\t: {cpu}\nBogoMIPS\t: 2000.00\nFeatures\t: {features}\n\
         CPU implementer\t: {implementer:#04x}\nCPU architecture: 8\nCPU variant\t: 0x0\n\
         CPU part\t: {part:#05x}\nCPU revision\t: 0\n\n"
    ));
}
