//! A second look at what kerfd grants, before it becomes part of a spec that root acts on.
//!
//! Pure, and narrower than the wire format: absolute paths without detours, device nodes under `/dev`, bind
//! mounts alone, a lease id in its one spelling. kerfd is trusted to decide; it is not trusted to be free of
//! faults, and a wrong path here would be a mount on the host's terms.

#[cfg(test)]
mod tests;

use std::path::{Component, Path};

use kerf_types::LeaseId;

use crate::frame::{
    DeviceNode, Grant, LaunchReply, LaunchRequest, MountEntry, Outcome, REPLY_SCHEMA,
};

/// A reply that is not used.
#[derive(Debug, thiserror::Error)]
pub enum VetError {
    /// kerfd decided against it.
    #[error("kerfd refused: {reason}")]
    Refused {
        /// kerfd's reason.
        reason: String,
        /// kerfd's hint, may be empty.
        hint: String,
    },
    /// The reply is of another kind.
    #[error("kerfd answered with a {found:?} instead of a {REPLY_SCHEMA:?}")]
    Schema {
        /// The schema that came.
        found: String,
    },
    /// The grant is of another lease than the one that was named.
    #[error("kerfd granted lease {granted} where {asked:?} was asked for")]
    OtherLease {
        /// The lease that the container named.
        asked: String,
        /// The lease that came.
        granted: String,
    },
    /// A field of the grant holds what a grant must not hold.
    #[error("kerfd's grant has a bad {field}: {value:?} is not {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it should be, with its article.
        expected: &'static str,
    },
}

/// The grant in `reply`, if it is one, answers `request` and is fit for use.
pub fn grant(reply: LaunchReply, request: &LaunchRequest) -> Result<Grant, VetError> {
    if reply.schema != REPLY_SCHEMA {
        return Err(VetError::Schema {
            found: reply.schema,
        });
    }
    match reply.outcome {
        Outcome::Refused { reason, hint } => Err(VetError::Refused { reason, hint }),
        Outcome::Granted(grant) => {
            check(&grant)?;
            check_lease(&grant, request)?;
            Ok(grant)
        }
    }
}

/// Who names a lease gets that one or nothing.
fn check_lease(grant: &Grant, request: &LaunchRequest) -> Result<(), VetError> {
    let claimed = request.claim.as_deref();
    let claimed = claimed.and_then(|device| device.strip_prefix("lease="));
    match request.lease.as_deref().or(claimed) {
        Some(asked) if asked != grant.lease_id => Err(VetError::OtherLease {
            asked: asked.to_owned(),
            granted: grant.lease_id.clone(),
        }),
        _ => Ok(()),
    }
}

fn check(grant: &Grant) -> Result<(), VetError> {
    expect(
        grant.lease_id.parse::<LeaseId>().is_ok(),
        "lease_id",
        &grant.lease_id,
        "a UUID of 36 lower-case characters",
    )?;
    for (index, device) in grant.devices.iter().enumerate() {
        check_device(device)?;
        let earlier = grant.devices.iter().take(index);
        let is_new = !earlier.clone().any(|other| other.path == device.path);
        expect(
            is_new,
            "device",
            &shown(&device.path),
            "the only one at its path",
        )?;
    }
    let offered = grant.offers.iter().map(|offer| &offer.mount);
    for mount in grant.mounts.iter().chain(offered) {
        check_mount(mount)?;
    }
    let offered = grant.offers.iter().flat_map(|offer| &offer.env);
    for entry in grant.env.iter().chain(offered) {
        let key = entry.split_once('=').map(|(key, _)| key);
        let is_good = key.is_some_and(|key| !key.is_empty()) && !entry.contains('\0');
        expect(is_good, "environment entry", entry, "KEY=value")?;
    }
    for list in [&grant.cpuset_cpus, &grant.cpuset_mems]
        .into_iter()
        .flatten()
    {
        let is_good = is_list(list) && !list.is_empty();
        expect(is_good, "cpuset", list, "a list of numbers")?;
    }
    check_memory(grant)
}

/// Modes of linux.memoryPolicy (OCI runtime spec 1.3), and whether they take nodes.
const POLICIES: [(&str, bool); 7] = [
    ("MPOL_DEFAULT", false),
    ("MPOL_LOCAL", false),
    ("MPOL_BIND", true),
    ("MPOL_INTERLEAVE", true),
    ("MPOL_WEIGHTED_INTERLEAVE", true),
    ("MPOL_PREFERRED", true),
    ("MPOL_PREFERRED_MANY", true),
];

/// A policy that set_mempolicy(2) knows, and no memory locked without bound but for RDMA and VFIO.
fn check_memory(grant: &Grant) -> Result<(), VetError> {
    if let Some(policy) = &grant.memory_policy {
        let known = POLICIES.iter().find(|(mode, _)| *mode == policy.mode);
        let takes_nodes = known.map(|(_, takes_nodes)| *takes_nodes);
        let expected = "a mode of set_mempolicy";
        expect(known.is_some(), "memory policy", &policy.mode, expected)?;
        let is_good = is_list(&policy.nodes) && Some(!policy.nodes.is_empty()) == takes_nodes;
        let expected = "the list of nodes of its mode";
        expect(is_good, "memory policy", &policy.nodes, expected)?;
    }
    let mut devices = grant.devices.iter();
    // Both pin what a program hands to the device.
    let pins = |device: &DeviceNode| {
        device.path.starts_with("/dev/infiniband") || device.path.starts_with("/dev/vfio")
    };
    let is_good = !grant.memlock_unlimited || devices.any(pins);
    let expected = "for a grant with a device under /dev/infiniband or /dev/vfio";
    expect(is_good, "memlock_unlimited", "true", expected)
}

fn is_list(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || b",-".contains(&b))
}

fn check_device(device: &DeviceNode) -> Result<(), VetError> {
    let in_dev = is_plain(&device.path) && under_dev(&device.path);
    let path = shown(&device.path);
    expect(in_dev, "device path", &path, "a plain path under /dev")?;
    let host = shown(&device.host_path);
    expect(
        is_plain(&device.host_path),
        "host path",
        &host,
        "an absolute plain path",
    )
}

fn check_mount(mount: &MountEntry) -> Result<(), VetError> {
    let source = shown(&mount.source);
    expect(
        is_plain(&mount.source),
        "mount source",
        &source,
        "an absolute plain path",
    )?;
    let at = shown(&mount.destination);
    let expected = "an absolute plain path below the root";
    expect(
        is_plain(&mount.destination),
        "mount destination",
        &at,
        expected,
    )?;
    expect(mount.kind == "bind", "mount kind", &mount.kind, "bind")?;
    let clean = |option: &&String| option.is_empty() || option.contains(['\0', ',']);
    match mount.options.iter().find(clean) {
        Some(bad) => expect(false, "mount option", bad, "one option"),
        None => Ok(()),
    }
}

/// Absolute, more than the root, and spelled in the one way that has no detour.
fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    let rooted = parts.next() == Some(Component::RootDir);
    let names = parts
        .clone()
        .all(|part| matches!(part, Component::Normal(_)));
    let spelled: usize = parts.clone().map(|part| part.as_os_str().len() + 1).sum();
    let text = path.as_os_str().as_encoded_bytes();
    // `components` skips "//", "/./" and a trailing slash: a path that has one is longer than its parts.
    rooted && names && parts.next().is_some() && spelled == text.len() && !text.contains(&0)
}

fn under_dev(path: &Path) -> bool {
    path.strip_prefix("/dev")
        .is_ok_and(|rest| rest.components().next().is_some())
}

fn expect(
    holds: bool,
    field: &'static str,
    value: &str,
    expected: &'static str,
) -> Result<(), VetError> {
    if holds {
        return Ok(());
    }
    let value = value.chars().take(200).collect();
    Err(VetError::Field {
        field,
        value,
        expected,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
