//! Confidential computing: which kinds of guests this host can keep its own memory from.
//!
//! Owns the parameters of KVM's modules, which say what firmware and kernel have enabled together. The flags of
//! `/proc/cpuinfo` are not believed here: they say what a processor could do. They also name the guest's side
//! (`tdx_guest`), which is another fact. Arm's CCA has no file that tells whether a host can.
//! Sources: `arch/x86/kvm/svm/sev.c` (`sev`, `sev_es`, `sev_snp`) and `arch/x86/kvm/vmx/tdx.c` (`tdx`) of the kernel.

use crate::sysfs::Reader;

/// Path below `/sys/module` and word, in the order in which they are told.
const PARAMETERS: [(&str, &str); 4] = [
    ("kvm_amd/parameters/sev", "sev"),
    ("kvm_amd/parameters/sev_es", "sev-es"),
    ("kvm_amd/parameters/sev_snp", "sev-snp"),
    ("kvm_intel/parameters/tdx", "tdx"),
];

/// Those that are enabled.
pub fn read(reader: &Reader<'_>) -> Vec<String> {
    let is_on = |(path, word): (&str, &str)| {
        let path = format!("sys/module/{path}");
        let on = reader.parsed(&path, "Y or N", flag).unwrap_or_default();
        on.then(|| word.to_owned())
    };
    PARAMETERS.into_iter().filter_map(is_on).collect()
}

/// Module parameters were numbers before they were flags: `sev` until Linux 5.13.
fn flag(text: &str) -> Option<bool> {
    match text {
        "Y" | "1" => Some(true),
        "N" | "0" => Some(false),
        _ => None,
    }
}
