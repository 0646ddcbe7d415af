//! Processors, as documents show them.

use kerf_types::map as facts;
use schemars::JsonSchema;
use serde::Serialize;

use super::place::known;

/// The processors of a host. Lists of CPUs are as the kernel writes them, `0-55,112-167`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cpus {
    /// Threads that are online; empty where the kernel does not say.
    pub online: String,
    /// Threads that are present and not online; empty for none.
    pub offline: String,
    /// The instruction set as `uname -m` has it.
    pub architecture: Option<String>,
    /// Marketing name.
    pub model: Option<String>,
    /// Maker, as CPUID has it; null for others than x86.
    pub vendor: Option<String>,
    /// Family, as x86 counts them.
    pub family: Option<u32>,
    /// Model within the family.
    pub model_number: Option<u32>,
    /// Packages (sockets), by id.
    pub packages: Vec<Package>,
    /// Cores that have a thread online; null where the kernel does not name every thread's.
    pub cores: Option<u32>,
    /// Threads that are online; null where the kernel does not say.
    pub threads: Option<u32>,
    /// Kinds of cores of a hybrid machine, the most capable first; empty where all are alike.
    pub kinds: Vec<CoreKind>,
    /// Caches, each once.
    pub caches: Vec<Cache>,
    /// Units for AI code that all of them have: `amx-bf16`, `avx512-fp16`, `sve2`, …
    pub units: Vec<String>,
    /// Ways to keep memory from the host that the kernel has enabled: `sev`, `sev-es`, `sev-snp`, `tdx`, `cca`.
    pub confidential: Vec<String>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Package {
    /// The kernel's id; there may be gaps.
    pub id: u32,
    /// Its online threads.
    pub cpus: String,
    /// Its cores that have a thread online; null where the kernel does not name every thread's.
    pub cores: Option<u32>,
    /// Its dies.
    pub dies: Vec<Die>,
    /// Threads of each group of cores between core and die.
    pub clusters: Vec<String>,
}

/// A die of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Die {
    /// The kernel's id.
    pub id: u32,
    /// Its online threads.
    pub cpus: String,
}

/// Cores of one kind on a hybrid machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CoreKind {
    /// Its threads.
    pub cpus: String,
    /// The kernel's word: `core`, `atom`, `lowpower`; on Arm the name of the core, `Arm Cortex-X925`.
    pub name: Option<String>,
    /// Its capacity, where the most capable has 1024.
    pub capacity: Option<u32>,
}

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cache {
    /// Level, from 1.
    pub level: u32,
    /// What it holds.
    pub kind: CacheKind,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// The online threads that share it.
    pub cpus: String,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Data.
    Data,
    /// Instructions.
    Instruction,
    /// Both.
    Unified,
}

impl From<&facts::Cpus> for Cpus {
    fn from(cpus: &facts::Cpus) -> Self {
        Self {
            online: cpus.online.clone(),
            offline: cpus.offline.clone(),
            architecture: cpus.architecture.clone(),
            model: cpus.model.clone(),
            vendor: cpus.vendor.clone(),
            family: cpus.family,
            model_number: cpus.model_number,
            packages: cpus.packages.iter().map(Into::into).collect(),
            cores: cpus.cores,
            threads: cpus.threads,
            kinds: cpus.kinds.iter().map(Into::into).collect(),
            caches: cpus.caches.iter().map(Into::into).collect(),
            units: cpus.units.clone(),
            confidential: cpus.confidential.clone(),
        }
    }
}

impl From<&facts::Package> for Package {
    fn from(package: &facts::Package) -> Self {
        let die = |die: &facts::Die| Die {
            id: die.id,
            cpus: die.cpus.clone(),
        };
        Self {
            id: package.id,
            cpus: package.cpus.clone(),
            cores: package.cores,
            dies: package.dies.iter().map(die).collect(),
            clusters: package.clusters.clone(),
        }
    }
}

impl From<&facts::CoreKind> for CoreKind {
    fn from(kind: &facts::CoreKind) -> Self {
        Self {
            cpus: kind.cpus.clone(),
            name: known(&kind.name),
            capacity: kind.capacity,
        }
    }
}

impl From<&facts::Cache> for Cache {
    fn from(cache: &facts::Cache) -> Self {
        Self {
            level: cache.level,
            kind: match cache.kind {
                facts::CacheKind::Data => CacheKind::Data,
                facts::CacheKind::Instruction => CacheKind::Instruction,
                facts::CacheKind::Unified => CacheKind::Unified,
            },
            bytes: cache.bytes,
            cpus: cache.cpus.clone(),
        }
    }
}
