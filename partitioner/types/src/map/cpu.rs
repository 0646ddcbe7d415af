//! Processors: what hangs together, what is shared, and the units that AI code asks for.

/// The processors of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cpus {
    /// Threads that are online, as the kernel lists them (`0-55,112-167`); empty where the kernel does not say.
    pub online: String,
    /// Threads that are present and not online, as the kernel lists them; empty for none.
    pub offline: String,
    /// Machine word of the instruction set, as `uname -m` has it (`x86_64`, `aarch64`, `ppc64le`).
    pub architecture: Option<String>,
    /// Marketing name of the first processor.
    pub model: Option<String>,
    /// Its maker, as CPUID has it (`GenuineIntel`); `None` for others than x86.
    pub vendor: Option<String>,
    /// Its family, as x86 counts them.
    pub family: Option<u32>,
    /// Its model within the family.
    pub model_number: Option<u32>,
    /// Packages (sockets), by id.
    pub packages: Vec<Package>,
    /// Cores that have a thread online; `None` where the kernel does not name every thread's.
    pub cores: Option<u32>,
    /// Threads that are online; `None` where the kernel does not say.
    pub threads: Option<u32>,
    /// Kinds of cores of a hybrid machine, the most capable first; empty where all are alike.
    pub kinds: Vec<CoreKind>,
    /// Caches, each once, by level, kind and first CPU.
    pub caches: Vec<Cache>,
    /// Units for AI code that all of them have, by the names of the registry (`amx-bf16`, `avx512-fp16`, `sve2`).
    pub units: Vec<String>,
    /// Ways to keep memory from the host that the kernel has enabled: `sev`, `sev-es`, `sev-snp`, `tdx`, `cca`.
    pub confidential: Vec<String>,
}

/// A package: what sits in one socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// `physical_package_id`; firmware may leave gaps.
    pub id: u32,
    /// Its online threads, as the kernel lists them.
    pub cpus: String,
    /// Its cores that have a thread online; `None` where the kernel does not name every thread's.
    pub cores: Option<u32>,
    /// Its dies, by first CPU; one where the kernel names none.
    pub dies: Vec<Die>,
    /// Threads of each group of cores between core and die that the kernel names (`cluster_cpus_list`), by first
    /// CPU; empty where each is a core or the package itself.
    pub clusters: Vec<String>,
}

/// A die of a package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Die {
    /// `die_id`.
    pub id: u32,
    /// Its online threads, as the kernel lists them.
    pub cpus: String,
}

/// Cores of one kind on a hybrid machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CoreKind {
    /// Its threads, as the kernel lists them.
    pub cpus: String,
    /// How the kernel calls it: `core`, `atom` and `lowpower` from `/sys/devices/cpu_*`; on Arm the name of the core by
    /// its main id register; empty where neither is known.
    pub name: String,
    /// `cpu_capacity`, where the most capable has 1024.
    pub capacity: Option<u32>,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheKind {
    /// Data.
    Data,
    /// Instructions.
    Instruction,
    /// Both.
    Unified,
}

/// A cache, which some threads share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Level, from 1.
    pub level: u32,
    /// What it holds.
    pub kind: CacheKind,
    /// Its size; `None` where the kernel does not say.
    pub bytes: Option<u64>,
    /// The online threads that share it, as the kernel lists them.
    pub cpus: String,
}
