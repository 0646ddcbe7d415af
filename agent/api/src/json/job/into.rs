//! From the document to the meaning, with every check on the way.

use std::collections::BTreeMap;

use kerf_types::job::{Affinity, CostLimit, DataInput, JobSpec, Selector, VolumeMount};
use kerf_types::{Ask, Bytes};

use super::amount::Amount;
use super::check::{self, Checked};
use super::document::{
    AffinityDocument, CostLimitDocument, DataInputDocument, JobSpecDocument, SelectorDocument,
    VolumeDocument,
};
use super::words::RestartWord;
use crate::convert::{At, ConvertError, Fault, count, distinct, each, number_error, parse};

impl TryFrom<JobSpecDocument> for JobSpec {
    type Error = ConvertError;

    fn try_from(document: JobSpecDocument) -> Result<Self, ConvertError> {
        super::check_size(&document)?;
        check_process(&document)?;
        check_numbers(&document)?;
        check_labels(&document.labels)?;
        let accelerator = document.accelerator.as_deref();
        let inputs = each(
            "inputs",
            document.inputs,
            check::LIST_LIMIT,
            DataInput::try_from,
        )?;
        distinct("inputs", inputs.iter().map(|input| &input.name))?;
        Ok(Self {
            accelerator: accelerator.map(ask).transpose()?,
            name: document.name,
            kind: document.kind.into(),
            image: document.image,
            args: document.args,
            env: document.env,
            workdir: document.workdir,
            terminal: document.terminal,
            members: document.members,
            cpu_milli: document.cpu_milli,
            memory: memory("memory_bytes", document.memory_bytes)?,
            network_mbps: document.network_mbps,
            volumes: volumes(document.volumes)?,
            time_limit_seconds: document.time_limit_seconds,
            restart: document.restart.into(),
            checkpoint_grace_seconds: document.checkpoint_grace_seconds,
            communication: document.communication.into(),
            latency_target_us: document.latency_target_us,
            preemptible: document.preemptible,
            priority: document.priority,
            tenant: document.tenant,
            affinity: Affinity::try_from(document.affinity).at("affinity")?,
            labels: document.labels,
            inputs,
            cost_limit: document
                .cost_limit
                .map(CostLimit::try_from)
                .transpose()
                .at("cost_limit")?,
            on_partition: document.on_partition.into(),
            network: document.network.map(Into::into),
        })
    }
}

/// What members ask for. Records of hosts tell of free slices and GPUs and not of shares, so that nobody could say
/// where a share is to be had: a container of a host asks for one itself.
fn ask(text: &str) -> Result<Ask, ConvertError> {
    match parse("accelerator", text)? {
        Ask::Share { .. } => {
            let why = "a job gets slices and GPUs of its own: a share (mps, time-slice) is for containers of this \
                       host, by their annotation or by a lease";
            Err(ConvertError::new("accelerator", Fault::Conflict { why }))
        }
        Ask::Imex(_) => {
            let why = "a job gets no IMEX channel: its members would need one number on every host, and records of \
                       hosts tell of none; containers of this host have one by their annotation or by a lease";
            Err(ConvertError::new("accelerator", Fault::Conflict { why }))
        }
        Ask::Devices { .. } => {
            let why = "a job gets NVIDIA's slices and GPUs: records of hosts tell of no others; containers of this host \
                       have them by their annotation or by a lease";
            Err(ConvertError::new("accelerator", Fault::Conflict { why }))
        }
        ask => Ok(ask),
    }
}

/// What a process is made of.
fn check_process(document: &JobSpecDocument) -> Checked {
    check::line("name", &document.name, check::JOB_NAME_LIMIT)?;
    check::reference("image", "an image reference", &document.image)?;
    count("args", document.args.len(), check::LIST_LIMIT)?;
    for (index, arg) in document.args.iter().enumerate() {
        check::bytes(&format!("args[{index}]"), arg, check::ARGUMENT_LIMIT)?;
    }
    count("env", document.env.len(), check::LIST_LIMIT)?;
    for (name, value) in &document.env {
        check::variable(name)?;
        // Name, equals sign and value are one string for the kernel.
        let limit = check::ARGUMENT_LIMIT.saturating_sub(name.len() + 1);
        check::bytes(&format!("env.{name}"), value, limit)?;
    }
    if let Some(workdir) = &document.workdir {
        check::path("workdir", workdir)?;
    }
    check::word("tenant", "the name of a tenant", &document.tenant)
}

fn check_numbers(document: &JobSpecDocument) -> Checked {
    let members = document.members;
    if !(1..=check::MEMBER_LIMIT).contains(&members) {
        return Err(number_error(
            "members",
            members,
            "a number of members from 1 to 4096",
        ));
    }
    if document.terminal && members > 1 {
        let why = "a terminal belongs to one member, and there are more";
        return Err(ConvertError::new("terminal", Fault::Conflict { why }));
    }
    check::positive("cpu_milli", document.cpu_milli)?;
    check::positive("network_mbps", document.network_mbps)?;
    check::positive("time_limit_seconds", document.time_limit_seconds)?;
    check::positive("latency_target_us", document.latency_target_us)?;
    if document.restart == (RestartWord::OnFailure { max: 0 }) {
        let field = "restart.on_failure.max";
        return Err(number_error(
            field,
            0,
            "a number of restarts from 1; for none, write never",
        ));
    }
    let grace = document.checkpoint_grace_seconds;
    if grace > check::GRACE_LIMIT_SECONDS {
        let field = "checkpoint_grace_seconds";
        return Err(number_error(
            field,
            grace,
            "a number of seconds from 0 to 604800",
        ));
    }
    Ok(())
}

fn check_labels(labels: &BTreeMap<String, String>) -> Checked {
    count("labels", labels.len(), check::LIST_LIMIT)?;
    for (key, value) in labels {
        check::label_key("labels", key)?;
        check::label_value(&format!("labels.{key}"), value)?;
    }
    Ok(())
}

fn memory(field: &str, amount: Option<Amount>) -> Result<Option<Bytes>, ConvertError> {
    check::positive(field, amount.map(|amount| amount.0))?;
    Ok(amount.map(|amount| Bytes(amount.0)))
}

fn volumes(documents: Vec<VolumeDocument>) -> Result<Vec<VolumeMount>, ConvertError> {
    let volumes = each(
        "volumes",
        documents,
        check::LIST_LIMIT,
        VolumeMount::try_from,
    )?;
    distinct("volumes", volumes.iter().map(|volume| &volume.path))?;
    Ok(volumes)
}

impl TryFrom<VolumeDocument> for VolumeMount {
    type Error = ConvertError;

    fn try_from(volume: VolumeDocument) -> Result<Self, ConvertError> {
        let VolumeDocument {
            name,
            path,
            writable,
        } = volume;
        check::word("name", "the name of a volume", &name)?;
        check::path("path", &path)?;
        if path == "/" {
            let why = "a volume cannot take the place of the whole file system";
            return Err(ConvertError::new("path", Fault::Conflict { why }));
        }
        Ok(Self {
            name,
            path,
            writable,
        })
    }
}

impl TryFrom<AffinityDocument> for Affinity {
    type Error = ConvertError;

    fn try_from(affinity: AffinityDocument) -> Result<Self, ConvertError> {
        let selectors = |field, list| each(field, list, check::LIST_LIMIT, Selector::try_from);
        Ok(Self {
            hosts: selectors("hosts", affinity.hosts)?,
            not_hosts: selectors("not_hosts", affinity.not_hosts)?,
            jobs: selectors("jobs", affinity.jobs)?,
            not_jobs: selectors("not_jobs", affinity.not_jobs)?,
        })
    }
}

impl TryFrom<SelectorDocument> for Selector {
    type Error = ConvertError;

    fn try_from(selector: SelectorDocument) -> Result<Self, ConvertError> {
        let SelectorDocument { key, values } = selector;
        check::label_key("key", &key)?;
        let value = |value: String| check::label_value("", &value).map(|()| value);
        Ok(Self {
            key,
            values: each("values", values, check::LIST_LIMIT, value)?,
        })
    }
}

impl TryFrom<DataInputDocument> for DataInput {
    type Error = ConvertError;

    fn try_from(input: DataInputDocument) -> Result<Self, ConvertError> {
        check::reference("name", "the name of a data set", &input.name)?;
        Ok(Self {
            name: input.name,
            size: memory("size_bytes", input.size_bytes)?,
        })
    }
}

impl TryFrom<CostLimitDocument> for CostLimit {
    type Error = ConvertError;

    fn try_from(limit: CostLimitDocument) -> Result<Self, ConvertError> {
        let CostLimitDocument { milli, currency } = limit;
        if milli > check::NUMBER_LIMIT {
            return Err(number_error(
                "milli",
                milli,
                "a number from 0 to 9007199254740991",
            ));
        }
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(number_error(
                "currency",
                currency,
                "an ISO 4217 code of three capitals",
            ));
        }
        Ok(Self { milli, currency })
    }
}
