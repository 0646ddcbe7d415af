//! Processors and their caches.

use kerf_types::map::{Cache, CacheKind, CoreKind, Cpus, Die, Package};

use super::names;
use crate::convert::{
    CPUS_LIMIT, ConvertError, NAME_LIMIT, each, number_error, optional_text, text,
};
use crate::v1;

/// Most packages, dies, kinds and caches: Linux is built for at most 8,192 CPUs, each with four caches of its own.
const PART_LIMIT: usize = 32_768;

impl From<&Cpus> for v1::Cpus {
    fn from(cpus: &Cpus) -> Self {
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

impl TryFrom<v1::Cpus> for Cpus {
    type Error = ConvertError;

    fn try_from(cpus: v1::Cpus) -> Result<Self, ConvertError> {
        Ok(Self {
            online: text("online", cpus.online, CPUS_LIMIT)?,
            offline: text("offline", cpus.offline, CPUS_LIMIT)?,
            architecture: optional_text("architecture", cpus.architecture, NAME_LIMIT)?,
            model: optional_text("model", cpus.model, NAME_LIMIT)?,
            vendor: optional_text("vendor", cpus.vendor, NAME_LIMIT)?,
            family: cpus.family,
            model_number: cpus.model_number,
            packages: each("packages", cpus.packages, PART_LIMIT, Package::try_from)?,
            cores: cpus.cores,
            threads: cpus.threads,
            kinds: each("kinds", cpus.kinds, PART_LIMIT, CoreKind::try_from)?,
            caches: each("caches", cpus.caches, PART_LIMIT, Cache::try_from)?,
            units: names("units", cpus.units)?,
            confidential: names("confidential", cpus.confidential)?,
        })
    }
}

impl From<&Package> for v1::Package {
    fn from(package: &Package) -> Self {
        let die = |die: &Die| v1::Die {
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

impl TryFrom<v1::Package> for Package {
    type Error = ConvertError;

    fn try_from(package: v1::Package) -> Result<Self, ConvertError> {
        let die = |die: v1::Die| {
            Ok::<_, ConvertError>(Die {
                id: die.id,
                cpus: text("cpus", die.cpus, CPUS_LIMIT)?,
            })
        };
        let cluster = |cluster| text("", cluster, CPUS_LIMIT);
        Ok(Self {
            id: package.id,
            cpus: text("cpus", package.cpus, CPUS_LIMIT)?,
            cores: package.cores,
            dies: each("dies", package.dies, PART_LIMIT, die)?,
            clusters: each("clusters", package.clusters, PART_LIMIT, cluster)?,
        })
    }
}

impl From<&CoreKind> for v1::CoreKind {
    fn from(kind: &CoreKind) -> Self {
        Self {
            cpus: kind.cpus.clone(),
            name: kind.name.clone(),
            capacity: kind.capacity,
        }
    }
}

impl TryFrom<v1::CoreKind> for CoreKind {
    type Error = ConvertError;

    fn try_from(kind: v1::CoreKind) -> Result<Self, ConvertError> {
        Ok(Self {
            cpus: text("cpus", kind.cpus, CPUS_LIMIT)?,
            name: text("name", kind.name, NAME_LIMIT)?,
            capacity: kind.capacity,
        })
    }
}

impl From<&Cache> for v1::Cache {
    fn from(cache: &Cache) -> Self {
        let kind = match cache.kind {
            CacheKind::Data => v1::CacheKind::Data,
            CacheKind::Instruction => v1::CacheKind::Instruction,
            CacheKind::Unified => v1::CacheKind::Unified,
        };
        Self {
            level: cache.level,
            kind: kind.into(),
            bytes: cache.bytes,
            cpus: cache.cpus.clone(),
        }
    }
}

impl TryFrom<v1::Cache> for Cache {
    type Error = ConvertError;

    fn try_from(cache: v1::Cache) -> Result<Self, ConvertError> {
        let kind = match cache.kind() {
            v1::CacheKind::Data => CacheKind::Data,
            v1::CacheKind::Instruction => CacheKind::Instruction,
            v1::CacheKind::Unified => CacheKind::Unified,
            v1::CacheKind::Unspecified => {
                return Err(number_error("kind", cache.kind, "a kind of cache"));
            }
        };
        Ok(Self {
            level: cache.level,
            kind,
            bytes: cache.bytes,
            cpus: text("cpus", cache.cpus, CPUS_LIMIT)?,
        })
    }
}
