//! What a runtime says of itself, of pods and of containers, as far as it is of use.

use std::collections::BTreeMap;

use crate::wire;

/// The runtime at the other end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Its name, `containerd` or `cri-o`.
    pub name: String,
    /// Its version as it writes it, `v2.1.9` for example.
    pub version: String,
}

impl Runtime {
    /// Whether it takes names of CDI devices: containerd since 2.1, CRI-O since 1.34. One that does not skips them
    /// without a word, and the container would start with nothing.
    pub fn takes_cdi(&self) -> bool {
        let least = match self.name.as_str() {
            "containerd" => (2, 1),
            "cri-o" | "crio" => (1, 34),
            _ => return false,
        };
        self.version().is_some_and(|version| version >= least)
    }

    /// The first two numbers of its version.
    fn version(&self) -> Option<(u32, u32)> {
        let text = self.version.trim_start_matches('v');
        let mut parts = text.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Id of its sandbox.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its uid, as Kubernetes gave it.
    pub uid: String,
    /// Its namespace of Kubernetes.
    pub namespace: String,
    /// What its author has annotated it with.
    pub annotations: BTreeMap<String, String>,
}

impl From<wire::PodSandbox> for Pod {
    fn from(pod: wire::PodSandbox) -> Self {
        Self {
            id: pod.id,
            name: pod.name,
            uid: pod.uid,
            namespace: pod.namespace,
            annotations: pod.annotations,
        }
    }
}

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContainerState {
    /// Not said, or a word of a later version.
    #[default]
    Unknown,
    /// Made, and not started.
    Created,
    /// It runs, or is held.
    Running,
    /// It has ended.
    Stopped,
}

/// A container of a pod. The pod's sandbox is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Id of its pod's sandbox.
    pub pod: String,
    /// Its name within the pod.
    pub name: String,
    /// Where it is in its life.
    pub state: ContainerState,
    /// Annotations of its OCI configuration: of the runtime, of plugins, and of nobody who is to be trusted.
    pub annotations: BTreeMap<String, String>,
    /// Its first process, where there is one.
    pub pid: Option<u32>,
    /// Whether it has processors of its own already (`cpuset.cpus`).
    pub has_cpus: bool,
    /// Whether it has memory nodes of its own already (`cpuset.mems`).
    pub has_mems: bool,
}

impl From<wire::Container> for Container {
    fn from(container: wire::Container) -> Self {
        let cpu = container.linux.and_then(|linux| linux.resources?.cpu);
        let cpu = cpu.unwrap_or_default();
        Self {
            id: container.id,
            pod: container.pod_sandbox_id,
            name: container.name,
            state: match container.state {
                1 => ContainerState::Created,
                2 | 3 => ContainerState::Running,
                4 => ContainerState::Stopped,
                _ => ContainerState::Unknown,
            },
            annotations: container.annotations,
            pid: Some(container.pid).filter(|pid| *pid != 0),
            has_cpus: !cpu.cpus.is_empty(),
            has_mems: !cpu.mems.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Runtime;

    #[test]
    fn cdi_is_for_runtimes_that_know_it() {
        let takes = |name: &str, version: &str| {
            let (name, version) = (name.to_owned(), version.to_owned());
            Runtime { name, version }.takes_cdi()
        };
        for version in [
            "v2.1.9",
            "2.1.9+unknown",
            "2.1.0",
            "v2.3.0-rc.1",
            "3.0",
            "10.0.1",
        ] {
            assert!(takes("containerd", version), "{version}");
        }
        for version in ["v1.7.27", "2.0.5", "", "v2", "main"] {
            assert!(!takes("containerd", version), "{version}");
        }
        assert!(takes("cri-o", "1.34.0"));
        assert!(!takes("cri-o", "1.33.9"));
        assert!(!takes("another", "9.9.9"));
    }
}
