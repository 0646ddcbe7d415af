//! What is fixed about a processor model: how the kernel identifies it, its threads and its caches. Owns the record;
//! the records themselves stand in `tables::processors`.

/// A kind of processor.
#[derive(Debug)]
pub struct Processor {
    /// As the maker calls it. `/proc/cpuinfo` of 64-bit Arm does not say it.
    pub name: &'static str,
    /// How `/proc/cpuinfo` identifies it.
    pub make: Make,
    /// Threads of one core.
    pub threads_per_core: u32,
    /// Highest frequency in MHz.
    pub mhz: u32,
    /// First-level data cache of a core, in KiB.
    pub l1d_kib: u32,
    /// First-level instruction cache of a core, in KiB.
    pub l1i_kib: u32,
    /// Second-level cache of a core, in KiB.
    pub l2_kib: u32,
    /// Third-level cache, in KiB.
    pub l3_kib: u32,
    /// Cores that share one third-level cache, never more than a socket has.
    pub l3_cores: u32,
}

/// How `/proc/cpuinfo` identifies a processor.
#[derive(Clone, Copy, Debug)]
pub enum Make {
    /// `arch/x86/kernel/cpu/proc.c`.
    X86 {
        /// `vendor_id`.
        vendor: &'static str,
        /// `cpu family`, `model` and `stepping`.
        signature: (u32, u32, u32),
        /// `flags`.
        flags: &'static str,
    },
    /// `arch/arm64/kernel/cpuinfo.c`.
    Arm {
        /// `CPU implementer` and `CPU part`.
        part: (u32, u32),
        /// `Features`.
        features: &'static str,
    },
}
