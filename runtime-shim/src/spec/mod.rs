//! The OCI runtime spec: what a container asks for, and the edit that gives it a grant.
//!
//! Pure functions of text. The edit is idempotent by construction: each part looks for what it would add,
//! so a `create` that is repeated with the same grant changes nothing. What is not kerf's stays byte for
//! byte (see [`crate::json`]). An ask comes from two annotations and nowhere else: an image controls its
//! environment and its labels, never the annotations of the spec.

mod cpuset;
mod devices;
mod error;
mod hooks;
mod limits;
mod memory;
mod mounts;
mod offers;
mod process;
#[cfg(test)]
mod tests;

use crate::frame::{DeviceNode, Grant};
use crate::json;
use crate::json::tree::{Node, Object};

pub use error::SpecError;

/// Annotation with an accelerator ask, `kerf.dev/accelerator`.
pub const ASK_ACCELERATOR: &str = "kerf.dev/accelerator";
/// Annotation that names a lease, `kerf.dev/lease`.
pub const ASK_LEASE: &str = "kerf.dev/lease";
/// Annotation that the edit leaves behind: the lease whose devices the spec carries.
pub const APPLIED: &str = "kerf.dev/applied";
/// Annotation that says `false` of a container that may open more than its devices.
pub const ISOLATED: &str = "kerf.dev/isolated";

/// A constant cannot be put together from another one's text, so the compiler compares instead.
const fn is_of_vendor(key: &str) -> bool {
    let (key, vendor) = (key.as_bytes(), kerf_types::VENDOR.as_bytes());
    let mut i = 0;
    while i < vendor.len() {
        if i >= key.len() || key[i] != vendor[i] {
            return false;
        }
        i += 1;
    }
    i < key.len() && key[i] == b'/'
}
const _: () = assert!(
    is_of_vendor(ASK_ACCELERATOR)
        && is_of_vendor(ASK_LEASE)
        && is_of_vendor(APPLIED)
        && is_of_vendor(ISOLATED)
);

/// Longest ask in bytes. kerfd parses it and has bounds of its own; this one keeps a frame small.
const ASK_LIMIT: usize = 4096;

/// What a grant of a slice adds to a spec, in bytes; a larger one grows the buffer.
const EDIT_ROOM: usize = 4096;

/// Annotations by which CRI engines tell a pod's sandbox from its containers. A sandbox runs `pause` and
/// carries the pod's annotations too: were it served, it would take the slice of its own container.
const SANDBOX_MARKS: [&str; 2] = [
    "io.kubernetes.cri.container-type",
    "io.kubernetes.cri-o.ContainerType",
];

/// Annotations in which CRI engines write the id of the pod's sandbox into each container of the pod.
const SANDBOX_IDS: [&str; 2] = [
    "io.kubernetes.cri.sandbox-id",
    "io.kubernetes.cri-o.SandboxID",
];

/// What a container asks for. A value, not an authority: kerfd decides who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The text of an accelerator ask, e.g. `1g.10gb`.
    Accelerator(String),
    /// The id of a lease.
    Lease(String),
}

/// A `config.json` that was read strictly.
#[derive(Debug)]
pub struct Config<'a> {
    root: Object<'a>,
    length: usize,
    isolated: bool,
}

impl<'a> Config<'a> {
    /// Reads `text`; duplicate keys, trailing text and deep nesting are errors with line and column.
    pub fn parse(text: &'a str) -> Result<Self, SpecError> {
        json::check(text).map_err(SpecError::Syntax)?;
        let root = Object::parse(text).map_err(SpecError::Syntax)?;
        Ok(Self {
            root,
            length: text.len(),
            isolated: true,
        })
    }

    /// What the container asks for, if anything.
    pub fn ask(&mut self) -> Result<Option<Ask>, SpecError> {
        let Some(annotations) = self.root.opened("annotations", "annotations")? else {
            return Ok(None);
        };
        let accelerator = annotation(annotations, ASK_ACCELERATOR)?;
        let lease = annotation(annotations, ASK_LEASE)?;
        if accelerator.is_none() && lease.is_none() {
            return Ok(None);
        }
        if is_sandbox(annotations)? {
            return Ok(None);
        }
        match (accelerator, lease) {
            (Some(_), Some(_)) => Err(SpecError::TwoAsks(ASK_ACCELERATOR, ASK_LEASE)),
            (Some(ask), None) => bounded(ASK_ACCELERATOR, ask).map(|a| Some(Ask::Accelerator(a))),
            (None, Some(lease)) => bounded(ASK_LEASE, lease).map(|l| Some(Ask::Lease(l))),
            (None, None) => Ok(None),
        }
    }

    /// The id of the pod's sandbox, where a CRI engine made the container.
    ///
    /// Two that differ are refused: CRI-O carries a pod's annotations over, so one of them is the pod author's word,
    /// and kerfd confirms a lease by this id.
    pub fn sandbox(&mut self) -> Result<Option<String>, SpecError> {
        let Some(annotations) = self.root.opened("annotations", "annotations")? else {
            return Ok(None);
        };
        let [containerd, crio] = SANDBOX_IDS;
        let ids = (
            annotation(annotations, containerd)?,
            annotation(annotations, crio)?,
        );
        match ids {
            (Some(one), Some(other)) if one != other => {
                Err(SpecError::TwoSandboxes(containerd, crio))
            }
            (Some(id), _) => bounded(containerd, id).map(Some),
            (None, Some(id)) => bounded(crio, id).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Whether a CRI engine made this to be a pod's sandbox.
    pub fn is_sandbox(&mut self) -> Result<bool, SpecError> {
        match self.root.opened("annotations", "annotations")? {
            Some(annotations) => is_sandbox(annotations),
            None => Ok(false),
        }
    }

    /// Refuses a spec that no grant could be isolated in, before kerfd cuts a slice for it. With `allow_privileged`
    /// one that opens every device is marked as not isolated instead.
    pub fn admit(&mut self, allow_privileged: bool) -> Result<(), SpecError> {
        self.root
            .refuse_lookalikes("", &["annotations", "linux", "mounts", "process"])?;
        match devices::admit(&mut self.root) {
            Err(SpecError::Unconfined { .. }) if allow_privileged => self.isolated = false,
            admitted => admitted?,
        }
        Ok(())
    }

    /// Notes that the runtime has no device cgroup to keep the container to its devices.
    pub fn lacks_device_cgroup(&mut self) {
        self.isolated = false;
    }

    /// Whether the container can open its devices alone, as far as is known yet.
    pub fn is_isolated(&self) -> bool {
        self.isolated
    }

    /// Refuses a spec in which an engine has put other devices than those of the grant. With `device` of several
    /// standing names, devices of the others are looked for with the last one, when all have been claimed.
    pub fn verify(&mut self, device: &str, grant: &Grant) -> Result<(), SpecError> {
        devices::carries(&mut self.root, &grant.devices)?;
        let claims = hooks::claims(&mut self.root)?;
        if claims.last().is_some_and(|last| last != device) {
            return Ok(());
        }
        let all: Vec<DeviceNode> = grant
            .devices
            .iter()
            .chain(&grant.claimed)
            .cloned()
            .collect();
        devices::no_others(&mut self.root, &all)
    }

    /// The text of the spec with `grant` in it, in UTF-8.
    pub fn apply(mut self, grant: &Grant) -> Result<Vec<u8>, SpecError> {
        self.admit(!self.isolated)?;
        stamp(&mut self.root, &grant.lease_id)?;
        if !self.isolated {
            mark_open(&mut self.root)?;
        }
        devices::apply(&mut self.root, &grant.devices)?;
        cpuset::apply(&mut self.root, grant)?;
        memory::apply(&mut self.root, grant.memory_policy.as_ref())?;
        process::apply(&mut self.root, grant)?;
        limits::apply(&mut self.root, grant.memlock_unlimited)?;
        mounts::apply(&mut self.root, &grant.mounts)?;
        offers::apply(&mut self.root, &grant.offers)?;
        // Room for the whole at once: growing by doubling would copy the spec several times.
        let mut text = Vec::with_capacity(self.length + EDIT_ROOM);
        serde_json::to_writer(&mut text, &self.root).map_err(SpecError::Encode)?;
        Ok(text)
    }
}

/// The text of the spec `config` with `grant` in it: [`Config::parse`] and [`Config::apply`] in one.
///
/// The grant is taken as vetted (see [`crate::vet`]).
pub fn apply(config: &str, grant: &Grant) -> Result<String, SpecError> {
    let text = Config::parse(config)?.apply(grant)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn annotation(annotations: &Object<'_>, key: &'static str) -> Result<Option<String>, SpecError> {
    let node = annotations.get(key);
    Ok(node.map(|node| node.read(key, "a string")).transpose()?)
}

/// Whether a CRI engine made this to be a pod's sandbox. Every mark that is there must say so: CRI-O carries a pod's
/// annotations over, so the other engine's mark may be the pod author's word.
fn is_sandbox(annotations: &Object<'_>) -> Result<bool, SpecError> {
    let [one, other] = SANDBOX_MARKS;
    let marks = [
        annotation(annotations, one)?,
        annotation(annotations, other)?,
    ];
    let mut there = marks.iter().flatten().peekable();
    Ok(there.peek().is_some() && there.all(|mark| mark == "sandbox"))
}

fn bounded(key: &'static str, ask: String) -> Result<String, SpecError> {
    if ask.trim().is_empty() || ask.len() > ASK_LIMIT {
        return Err(SpecError::AskLength {
            key,
            length: ask.len(),
            limit: ASK_LIMIT,
        });
    }
    Ok(ask)
}

/// Marks the spec as carrying `lease`. The mark decides nothing but the refusal of a second lease: who
/// writes it by hand gets an error or a container without devices, never more.
fn stamp(root: &mut Object<'_>, lease: &str) -> Result<(), SpecError> {
    let annotations = root.object("annotations", "annotations")?;
    match annotation(annotations, APPLIED)? {
        Some(found) if found != lease => {
            let granted = lease.to_owned();
            Err(SpecError::AppliedForOther { found, granted })
        }
        Some(_) => Ok(()),
        None => {
            annotations.set(APPLIED, Node::made(&lease).map_err(SpecError::Encode)?);
            Ok(())
        }
    }
}

/// Says of the container that it can open more than its devices.
fn mark_open(root: &mut Object<'_>) -> Result<(), SpecError> {
    let annotations = root.object("annotations", "annotations")?;
    if annotation(annotations, ISOLATED)?.as_deref() != Some("false") {
        annotations.set(ISOLATED, Node::made(&"false").map_err(SpecError::Encode)?);
    }
    Ok(())
}
