//! What a plugin adds to a container before it is made.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire;

/// Before the key of an annotation that is to be taken away (`deletionMarker` of containerd/nri).
const REMOVED: &str = "-";

/// Changes of a container; the empty one changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
    /// Annotations to take away.
    pub without: BTreeSet<String>,
    /// Bind mounts.
    pub mounts: Vec<Mount>,
    /// Variables; each replaces what was there.
    pub env: BTreeMap<String, String>,
    /// Character devices, each allowed to be read and written.
    pub devices: Vec<Device>,
    /// Qualified names of CDI devices.
    pub cdi: Vec<String>,
    /// Processors, as a list of the kernel.
    pub cpus: Option<String>,
    /// Memory nodes, likewise.
    pub mems: Option<String>,
    /// Whether its processes may lock memory without a bound.
    pub memlock_unlimited: bool,
}

/// A bind mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub destination: String,
    /// Options.
    pub options: Vec<String>,
}

/// A character device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Path in the container.
    pub path: String,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl From<Adjustment> for wire::ContainerAdjustment {
    fn from(adjustment: Adjustment) -> Self {
        let mut annotations = adjustment.annotations;
        for key in adjustment.without {
            annotations.insert(format!("{REMOVED}{key}"), String::new());
        }
        let env = adjustment.env.into_iter();
        Self {
            annotations,
            mounts: adjustment.mounts.into_iter().map(Into::into).collect(),
            env: env
                .map(|(key, value)| wire::KeyValue { key, value })
                .collect(),
            linux: linux(adjustment.devices, adjustment.cpus, adjustment.mems),
            rlimits: match adjustment.memlock_unlimited {
                true => vec![memlock()],
                false => Vec::new(),
            },
            cdi_devices: adjustment
                .cdi
                .into_iter()
                .map(|name| wire::CdiDevice { name })
                .collect(),
        }
    }
}

/// No bound on locked memory, in the words of an OCI configuration: engines put the entry there as it is. RLIM_INFINITY of
/// 64-bit Linux (include/uapi/asm-generic/resource.h).
fn memlock() -> wire::PosixRlimit {
    wire::PosixRlimit {
        r#type: "RLIMIT_MEMLOCK".to_owned(),
        hard: u64::MAX,
        soft: u64::MAX,
    }
}

fn linux(
    devices: Vec<Device>,
    cpus: Option<String>,
    mems: Option<String>,
) -> Option<wire::LinuxContainerAdjustment> {
    let cpu = (cpus.is_some() || mems.is_some()).then(|| wire::LinuxCpu {
        cpus: cpus.unwrap_or_default(),
        mems: mems.unwrap_or_default(),
    });
    if devices.is_empty() && cpu.is_none() {
        return None;
    }
    Some(wire::LinuxContainerAdjustment {
        devices: devices.into_iter().map(Into::into).collect(),
        resources: cpu.map(|cpu| wire::LinuxResources { cpu: Some(cpu) }),
    })
}

impl From<Mount> for wire::Mount {
    fn from(mount: Mount) -> Self {
        Self {
            destination: mount.destination,
            r#type: "bind".to_owned(),
            source: mount.source,
            options: mount.options,
        }
    }
}

impl From<Device> for wire::LinuxDevice {
    fn from(device: Device) -> Self {
        let some = |value| Some(wire::OptionalUInt32 { value });
        Self {
            path: device.path,
            r#type: "c".to_owned(),
            major: device.major.into(),
            minor: device.minor.into(),
            file_mode: some(device.mode),
            uid: some(device.uid),
            gid: some(device.gid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_where_nothing_is_to_change() {
        let wire = wire::ContainerAdjustment::from(Adjustment::default());
        assert_eq!(wire, wire::ContainerAdjustment::default());
    }

    #[test]
    fn an_annotation_is_taken_away_by_a_mark() {
        let wire = wire::ContainerAdjustment::from(Adjustment {
            annotations: [("a".to_owned(), "1".to_owned())].into(),
            without: ["b".to_owned()].into(),
            mems: Some("1".to_owned()),
            ..Adjustment::default()
        });
        let pairs = [("-b", ""), ("a", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(wire.annotations, pairs.into());
        assert_eq!(wire.rlimits, []);
        let cpu = wire.linux.and_then(|linux| linux.resources?.cpu).unwrap();
        assert_eq!((cpu.cpus.as_str(), cpu.mems.as_str()), ("", "1"));
    }

    #[test]
    fn locked_memory_is_a_limit_of_the_process() {
        let wire = wire::ContainerAdjustment::from(Adjustment {
            memlock_unlimited: true,
            ..Adjustment::default()
        });
        let limits = wire.rlimits.iter();
        let limits: Vec<(&str, u64, u64)> = limits
            .map(|limit| (limit.r#type.as_str(), limit.hard, limit.soft))
            .collect();
        assert_eq!(limits, [("RLIMIT_MEMLOCK", u64::MAX, u64::MAX)]);
        assert_eq!(wire.linux, None);
    }
}
