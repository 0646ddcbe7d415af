//! What is done: devices put into containers and taken out, bare processes fenced in, guards started, cgroups removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kerf_api::partitioner::v1::process_answer::Answer;
use kerf_api::partitioner::v1::process_call::Call;
use kerf_api::partitioner::v1::{self as wire, ActFailure};
use kerf_partitioner::process::attach::rules::Numbers;
use kerf_partitioner::process::attach::{AttachError, Node, Off, Target};
use kerf_partitioner::process::cgroup::Cgroup;
use kerf_partitioner::process::confine::{ConfineError, Confined, DeviceNumber};
use kerf_partitioner::process::guard::{GuardError, Said};
use kerf_partitioner::process::wire as words;
use kerf_types::lease::InitProcess;
use kerf_types::{ContainerRef, LeaseId};

use super::{ActError, ProcessError, Processes, Touch};

/// How long a change may take: some files of the kernel, or a few hundred for a container with as many cgroups.
const LIMIT: Duration = Duration::from_secs(10);

/// What it takes to give a container some nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// Folders and nodes that are to be made, folders first.
    pub made: Vec<PathBuf>,
    /// Numbers that are to be allowed: its list does not have them.
    pub allowed: Vec<Numbers>,
}

type Done<T, E> = Result<T, ActError<E>>;

impl Processes {
    /// Looks whether a container can be given these nodes at all, and what that takes. `others` is what else was attached
    /// to it. Changes nothing.
    pub async fn plan_attachment(
        &self,
        target: &Target,
        nodes: &[Node],
        others: &BTreeSet<Numbers>,
    ) -> Done<Planned, AttachError> {
        let operation = "looking at the container";
        let call = Call::PlanAttachment(wire::PlanAttachment {
            target: Some(words::target_container(target)),
            nodes: words::container_nodes(nodes),
            others: words::devices(others),
        });
        match self.call(operation, Touch::Nothing, LIMIT, call).await? {
            Answer::Planned(planned) => Ok(Planned {
                made: words::paths(planned.made),
                allowed: ordered(&planned.allowed),
            }),
            other => Err(attach_failed(operation, other)),
        }
    }

    /// Makes what was planned, which is written down, and allows it. Whatever fails, some of it may be done.
    pub async fn attach(
        &self,
        target: &Target,
        nodes: &[Node],
        others: &BTreeSet<Numbers>,
        planned: &Planned,
    ) -> Done<(), AttachError> {
        let operation = "putting devices into the container";
        let call = Call::Attach(wire::Attach {
            target: Some(words::target_container(target)),
            nodes: words::container_nodes(nodes),
            others: words::devices(others),
            made: words::all_bytes(&planned.made),
        });
        match self.call(operation, Touch::Nodes, LIMIT, call).await? {
            Answer::Done(_) => Ok(()),
            other => Err(attach_failed(operation, other)),
        }
    }

    /// Allows again what the lists of a container have lost; how many rules were missing. `given` is all that was attached
    /// to it.
    pub async fn restore_rules(
        &self,
        cgroup: &Cgroup,
        nodes: &[Node],
        given: &BTreeSet<Numbers>,
    ) -> Done<u64, AttachError> {
        let operation = "looking at the rules of the container";
        let call = Call::RestoreRules(wire::RestoreRules {
            cgroup: Some(words::cgroup_name(cgroup)),
            nodes: words::container_nodes(nodes),
            given: words::devices(given),
        });
        match self.call(operation, Touch::Something, LIMIT, call).await? {
            Answer::Restored(restored) => Ok(restored.missing),
            other => Err(attach_failed(operation, other)),
        }
    }

    /// Takes rules and nodes out of a container again; gives the nodes that stay, which nobody can open.
    pub async fn take_out(
        &self,
        cgroup: &Cgroup,
        init: &InitProcess,
        off: &Off,
    ) -> Done<Vec<PathBuf>, AttachError> {
        let operation = "taking devices out of the container";
        let call = Call::TakeOut(words::take_out(cgroup, init, off));
        match self.call(operation, Touch::Something, LIMIT, call).await? {
            Answer::Stays(stays) => Ok(words::paths(stays.paths)),
            other => Err(attach_failed(operation, other)),
        }
    }

    /// Makes the cgroup of a lease below that of a process, with its rules, and moves the process in. Where that fails
    /// there is no such cgroup.
    pub async fn confine(
        &self,
        process: &InitProcess,
        lease: LeaseId,
        nodes: &[DeviceNumber],
    ) -> Done<Confined, ConfineError> {
        let operation = "fencing the process in";
        let call = Call::Confine(wire::Confine {
            process: Some(words::process_name(process)),
            lease: lease.to_string(),
            nodes: words::granted(nodes),
        });
        match self.call(operation, Touch::Something, LIMIT, call).await? {
            Answer::Confinement(found) => {
                let wrong = |_| ActError::Worker(ProcessError::Protocol { operation });
                words::confined(found).map_err(wrong)
            }
            other => Err(failed(operation, other, words::confine_error)),
        }
    }

    /// Takes the cgroup of an ended lease away, if it is one that was made for it; one with processes stays.
    pub async fn remove_confinement(&self, cgroup: &Cgroup, lease: LeaseId) {
        let operation = "removing a cgroup";
        let call = Call::RemoveConfinement(wire::RemoveConfinement {
            cgroup: Some(words::cgroup_name(cgroup)),
            lease: lease.to_string(),
        });
        let done = self.call(operation, Touch::Something, LIMIT, call).await;
        if let Err(error) = done {
            let error = crate::errors::chain(&error);
            tracing::warn!(path = %cgroup.folder.display(), error, "cgroup of an ended lease remains");
        }
    }

    /// Takes the cgroups of a job's container away with all below them; gives those that stay.
    pub async fn remove_job_cgroups(
        &self,
        container: &ContainerRef,
    ) -> Result<Vec<PathBuf>, ProcessError> {
        let operation = "removing the cgroups of a job";
        let call = Call::RemoveJobCgroups(wire::RemoveJobCgroups {
            namespace: container.namespace.clone(),
            id: container.id.clone(),
        });
        match self.call(operation, Touch::Something, LIMIT, call).await? {
            Answer::Stays(stays) => Ok(words::paths(stays.paths)),
            _ => Err(ProcessError::Protocol { operation }),
        }
    }

    /// Starts the guard of a job's container, whose deadline is in this file.
    pub async fn stand_guard(
        &self,
        file: &Path,
        folders: &[PathBuf],
        limit: Duration,
    ) -> Done<Said, GuardError> {
        let operation = "starting a guard";
        let call = Call::StandGuard(wire::StandGuard {
            file: words::bytes(file),
            folders: words::all_bytes(folders),
        });
        match self.call(operation, Touch::Something, limit, call).await? {
            Answer::Guard(said) => Ok(Said {
                success: said.success,
                out: said.out,
                err: said.err,
            }),
            other => Err(failed(operation, other, words::guard_error)),
        }
    }
}

fn ordered(devices: &[wire::DeviceNumbers]) -> Vec<Numbers> {
    devices.iter().map(|one| (one.major, one.minor)).collect()
}

fn attach_failed(operation: &'static str, answer: Answer) -> ActError<AttachError> {
    failed(operation, answer, words::attach_error)
}

/// What a failure says, where it is one of this call.
fn failed<E: std::error::Error + 'static>(
    operation: &'static str,
    answer: Answer,
    understood: impl FnOnce(ActFailure) -> Option<E>,
) -> ActError<E> {
    let error = match answer {
        Answer::Failure(failure) => understood(failure),
        _ => None,
    };
    match error {
        Some(error) => ActError::Act(error),
        None => ActError::Worker(ProcessError::Protocol { operation }),
    }
}
