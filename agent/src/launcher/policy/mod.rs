//! What jobs may have on this host, and the check of one job against it.
//!
//! The check is a pure function and its result, [`Admitted`], is the only thing that a container's
//! spec is built from: what the policy does not mention is not there. It denies by default; it never
//! looks at what an image says about itself.

mod pattern;
mod user;

use std::collections::BTreeMap;
use std::path::PathBuf;

use kerf_types::job::{JobSpec, Network};
use kerf_types::{Bytes, LeaseId};

pub use pattern::ImagePattern;
pub(super) use user::check_root;
pub use user::{RunAs, Submitter, UserIds};

/// Most processes and threads of one container where the policy names no other number: enough for
/// data loaders on large hosts, and far below the kernel's own limit of four million.
const DEFAULT_PIDS: u32 = 32_768;

/// Longest argument list and environment together. The kernel's limit for one `execve` is a quarter
/// of the stack limit, 2 MiB as a rule; past it the job would fail with less clear words.
const TEXT_LIMIT: usize = 1 << 20;

/// The kernel takes no CFS quota below 1 ms, which is ten thousandths of a CPU in 100 ms.
const LEAST_CPU_MILLI: u64 = 10;

/// runc cannot start a container in less; a smaller number is a slip of a unit.
const LEAST_MEMORY: Bytes = Bytes(8 << 20);

/// Places in a container that are the engine's: a volume there would undo the container's own mounts.
const RESERVED: [&str; 4] = ["/proc", "/sys", "/dev", super::gang::FOLDER];

/// What jobs may have on this host. The default allows nothing that needs a permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchPolicy {
    /// Images that may be started; none of them means no image at all.
    pub images: Vec<ImagePattern>,
    /// Volumes by the name under which jobs ask for them.
    pub volumes: BTreeMap<String, VolumePolicy>,
    /// Jobs share the host's network instead of having a loopback of their own.
    pub host_network: bool,
    /// Most memory of one container, and what it gets when it names none.
    pub max_memory: Option<Bytes>,
    /// Most CPU of one container in thousandths, and what it gets when it names none.
    pub max_cpu_milli: Option<u64>,
    /// Most processes and threads of one container.
    pub max_pids: u32,
    /// Whom jobs run as.
    pub user: RunAs,
}

impl Default for LaunchPolicy {
    fn default() -> Self {
        Self {
            images: Vec::new(),
            volumes: BTreeMap::new(),
            host_network: false,
            max_memory: None,
            max_cpu_milli: None,
            max_pids: DEFAULT_PIDS,
            user: RunAs::default(),
        }
    }
}

/// A folder or file of the host that jobs may ask for by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePolicy {
    /// Where it is on the host.
    pub path: PathBuf,
    /// Whether a job may write to it.
    pub writable: bool,
}

/// Why a job may not start here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No pattern allows the image.
    #[error("image {image} is not among the allowed images")]
    Image {
        /// The full name of the image.
        image: String,
    },
    /// The host has no volume of that name.
    #[error("there is no volume {name:?} on this host")]
    NoVolume {
        /// The name.
        name: String,
    },
    /// The volume may only be read.
    #[error("volume {name:?} may only be read")]
    ReadOnlyVolume {
        /// The name.
        name: String,
    },
    /// Root would write to the host.
    #[error("it would write as root to the volume at {path:?}, which only jobs of an admin may")]
    RootWrites {
        /// Where the volume was to be mounted.
        path: String,
    },
    /// A volume cannot be mounted there.
    #[error("volume {name:?} cannot be mounted at {path:?}: {why}")]
    MountPoint {
        /// The volume.
        name: String,
        /// Where it was to be mounted.
        path: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// More memory than one container may have, or too little to start.
    #[error("{asked} of memory is outside of {least} to {most}")]
    Memory {
        /// What the job asks for.
        asked: Bytes,
        /// The least.
        least: Bytes,
        /// The most.
        most: Bytes,
    },
    /// More CPU than one container may have, or too little to start.
    #[error("{asked_milli} thousandths of a CPU are outside of {least_milli} to {most_milli}")]
    Cpu {
        /// What the job asks for.
        asked_milli: u64,
        /// The least.
        least_milli: u64,
        /// The most.
        most_milli: u64,
    },
    /// The host keeps its network to itself.
    #[error("it wants the host's network, which jobs do not get here: launch.host_network is off")]
    Network,
    /// A job that asks for an accelerator never starts without one.
    #[error("the job asks for {ask} and no lease was given")]
    NoLease {
        /// The ask.
        ask: String,
    },
    /// A text cannot be handed to a process.
    #[error("{field} cannot be handed to a process: {why}")]
    Text {
        /// The field of the job.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A volume as it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub source: PathBuf,
    pub target: String,
    pub writable: bool,
}

/// What the policy gives a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    pub mounts: Vec<Mount>,
    pub memory: Option<Bytes>,
    pub cpu_milli: Option<u64>,
    pub pids: u32,
    pub host_network: bool,
    /// `None` where the image decides.
    pub user: Option<UserIds>,
    pub lease: Option<LeaseId>,
}

/// Checks a job that wants to run `image`, the full name that its own name leads to.
pub(super) fn admit(
    policy: &LaunchPolicy,
    image: &str,
    spec: &JobSpec,
    lease: Option<LeaseId>,
    submitter: Submitter,
) -> Result<Admitted, Refusal> {
    check_image(policy, image)?;
    if let (Some(ask), None) = (&spec.accelerator, lease) {
        return Err(Refusal::NoLease {
            ask: ask.to_string(),
        });
    }
    check_texts(spec)?;
    Ok(Admitted {
        mounts: mounts(policy, spec)?,
        memory: memory(policy, spec)?,
        cpu_milli: cpu_milli(policy, spec)?,
        pids: policy.max_pids,
        host_network: network(policy, spec)?,
        user: policy.user.decided(submitter),
        lease,
    })
}

/// Checks an image by its full name.
pub(super) fn check_image(policy: &LaunchPolicy, image: &str) -> Result<(), Refusal> {
    if policy.images.iter().any(|pattern| pattern.matches(image)) {
        return Ok(());
    }
    Err(Refusal::Image {
        image: image.to_owned(),
    })
}

/// Whether the policy allows some images and not others.
pub(super) fn restricts_images(policy: &LaunchPolicy) -> bool {
    !policy.images.contains(&ImagePattern::any())
}

/// Whether the network is the host's.
fn network(policy: &LaunchPolicy, spec: &JobSpec) -> Result<bool, Refusal> {
    match spec.network {
        Some(Network::Host) if !policy.host_network => Err(Refusal::Network),
        Some(Network::Host) => Ok(true),
        Some(Network::None) => Ok(false),
        None => Ok(policy.host_network),
    }
}

fn memory(policy: &LaunchPolicy, spec: &JobSpec) -> Result<Option<Bytes>, Refusal> {
    let most = policy.max_memory.unwrap_or(Bytes(i64::MAX.unsigned_abs()));
    match spec.memory {
        None => Ok(policy.max_memory),
        Some(asked) if (LEAST_MEMORY..=most).contains(&asked) => Ok(Some(asked)),
        Some(asked) => Err(Refusal::Memory {
            asked,
            least: LEAST_MEMORY,
            most,
        }),
    }
}

fn cpu_milli(policy: &LaunchPolicy, spec: &JobSpec) -> Result<Option<u64>, Refusal> {
    // A million CPUs: the kernel's arithmetic on quotas is safe far beyond.
    let most = policy.max_cpu_milli.unwrap_or(1_000_000_000);
    match spec.cpu_milli {
        None => Ok(policy.max_cpu_milli),
        Some(asked) if (LEAST_CPU_MILLI..=most).contains(&asked) => Ok(Some(asked)),
        Some(asked) => Err(Refusal::Cpu {
            asked_milli: asked,
            least_milli: LEAST_CPU_MILLI,
            most_milli: most,
        }),
    }
}

fn mounts(policy: &LaunchPolicy, spec: &JobSpec) -> Result<Vec<Mount>, Refusal> {
    let mut mounts: Vec<Mount> = Vec::new();
    for volume in &spec.volumes {
        let name = || volume.name.clone();
        let Some(allowed) = policy.volumes.get(&volume.name) else {
            return Err(Refusal::NoVolume { name: name() });
        };
        if volume.writable && !allowed.writable {
            return Err(Refusal::ReadOnlyVolume { name: name() });
        }
        let twice = mounts.iter().any(|mount| mount.target == volume.path);
        let wrong = mount_point_fault(&volume.path)
            .or(twice.then_some("another volume is mounted there already"));
        if let Some(why) = wrong {
            return Err(Refusal::MountPoint {
                name: name(),
                path: volume.path.clone(),
                why,
            });
        }
        mounts.push(Mount {
            source: allowed.path.clone(),
            target: volume.path.clone(),
            writable: volume.writable,
        });
    }
    // A volume inside another one's path must be mounted after it.
    mounts.sort_by(|one, other| one.target.cmp(&other.target));
    Ok(mounts)
}

/// What is wrong with a path as a mount point, by its text alone: the runtime resolves it inside of
/// the container's root file system.
fn mount_point_fault(path: &str) -> Option<&'static str> {
    let Some(rest) = path.strip_prefix('/') else {
        return Some("it is not absolute");
    };
    if rest.is_empty() {
        return Some("it is the root");
    }
    if path == "/run" {
        return Some("the engine has files of its own below it");
    }
    let strange = |part: &str| part.is_empty() || part == "." || part == "..";
    if rest.split('/').any(strange) || path.contains('\0') {
        return Some("it is not in its shortest form");
    }
    let inside = |reserved: &str| {
        path.strip_prefix(reserved)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    RESERVED
        .iter()
        .any(|reserved| inside(reserved))
        .then_some("the engine mounts its own things there")
}

fn check_texts(spec: &JobSpec) -> Result<(), Refusal> {
    let fault = |field, why| Err(Refusal::Text { field, why });
    if spec.args.iter().any(|argument| argument.contains('\0')) {
        return fault("args", "an argument holds a NUL character");
    }
    if spec.args.first().is_some_and(String::is_empty) {
        return fault("args", "the command is empty");
    }
    for (key, value) in &spec.env {
        if key.is_empty() || key.contains(['=', '\0']) {
            return fault("env", "a name is empty or holds '=' or a NUL character");
        }
        if value.contains('\0') {
            return fault("env", "a value holds a NUL character");
        }
    }
    if let Some(folder) = &spec.workdir
        && (!folder.starts_with('/') || folder.contains('\0'))
    {
        return fault("workdir", "it is not an absolute path");
    }
    let args: usize = spec.args.iter().map(String::len).sum();
    let env: usize = spec
        .env
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if args + env > TEXT_LIMIT {
        return fault("args and env", "together they are larger than 1 MiB");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
