//! From the meaning to the document. Nothing is checked here.

use kerf_types::Ask;
use kerf_types::job::{Affinity, CostLimit, DataInput, JobSpec, Selector, VolumeMount};

use super::document::{
    AffinityDocument, CostLimitDocument, DataInputDocument, JobSpecDocument, JobSpecSchema,
    SelectorDocument, VolumeDocument,
};

impl From<&JobSpec> for JobSpecDocument {
    fn from(spec: &JobSpec) -> Self {
        Self {
            schema: JobSpecSchema::V1,
            name: spec.name.clone(),
            kind: spec.kind.into(),
            image: spec.image.clone(),
            args: spec.args.clone(),
            env: spec.env.clone(),
            workdir: spec.workdir.clone(),
            terminal: spec.terminal,
            accelerator: spec.accelerator.as_ref().map(ask_text),
            members: spec.members,
            cpu_milli: spec.cpu_milli,
            memory_bytes: spec.memory.map(Into::into),
            network_mbps: spec.network_mbps,
            volumes: spec.volumes.iter().map(Into::into).collect(),
            time_limit_seconds: spec.time_limit_seconds,
            restart: spec.restart.into(),
            checkpoint_grace_seconds: spec.checkpoint_grace_seconds,
            communication: spec.communication.into(),
            latency_target_us: spec.latency_target_us,
            preemptible: spec.preemptible,
            priority: spec.priority,
            tenant: spec.tenant.clone(),
            affinity: (&spec.affinity).into(),
            labels: spec.labels.clone(),
            inputs: spec.inputs.iter().map(Into::into).collect(),
            cost_limit: spec.cost_limit.as_ref().map(Into::into),
            on_partition: spec.on_partition.into(),
            network: spec.network.map(Into::into),
        }
    }
}

/// The one spelling of an ask that is hashed: the order of features does not matter.
fn ask_text(ask: &Ask) -> String {
    let mut ask = ask.clone();
    if let Ask::Capability(requirement) = &mut ask {
        requirement.features.sort_unstable();
    }
    ask.to_string()
}

impl From<&VolumeMount> for VolumeDocument {
    fn from(volume: &VolumeMount) -> Self {
        let VolumeMount {
            name,
            path,
            writable,
        } = volume.clone();
        Self {
            name,
            path,
            writable,
        }
    }
}

impl From<&Affinity> for AffinityDocument {
    fn from(affinity: &Affinity) -> Self {
        let selectors = |list: &[Selector]| list.iter().map(Into::into).collect();
        Self {
            hosts: selectors(&affinity.hosts),
            not_hosts: selectors(&affinity.not_hosts),
            jobs: selectors(&affinity.jobs),
            not_jobs: selectors(&affinity.not_jobs),
        }
    }
}

impl From<&Selector> for SelectorDocument {
    fn from(selector: &Selector) -> Self {
        let Selector { key, values } = selector.clone();
        Self { key, values }
    }
}

impl From<&DataInput> for DataInputDocument {
    fn from(input: &DataInput) -> Self {
        Self {
            name: input.name.clone(),
            size_bytes: input.size.map(Into::into),
        }
    }
}

impl From<&CostLimit> for CostLimitDocument {
    fn from(limit: &CostLimit) -> Self {
        Self {
            milli: limit.milli,
            currency: limit.currency.clone(),
        }
    }
}
