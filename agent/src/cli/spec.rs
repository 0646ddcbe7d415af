//! A job's description from flags: each field of `kerf.v1.JobSpec` that fits on a command line has one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kerf_api::json::job::{
    AffinityDocument, Amount, CommunicationWord, CostLimitDocument, DataInputDocument, JobKindWord,
    JobSpecDocument, JobSpecSchema, NetworkWord, OnPartitionWord, RestartWord, VolumeDocument,
};
use kerf_types::{Ask, Bytes, ParseError};
use serde::de::DeserializeOwned;

use super::words::{cpu_milli, seconds};

/// What a job is made of.
#[derive(Debug, clap::Args)]
#[group(id = "spec", multiple = true)]
pub struct SpecArgs {
    /// What it asks for: 1g.10gb, 1g.10gb:2, gpu:2, memory>=20GiB,fp8,nvlink:4 or gpu:4,same=numa,nic=pix,avoid=0
    #[arg(long, value_name = "ASK")]
    accel: Option<Ask>,
    /// Image, as containerd knows it
    #[arg(long, value_name = "REF")]
    image: Option<String>,
    /// Environment variable; without =VALUE it is taken over from here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Volume of the host's configuration, and where it appears
    #[arg(short, long, value_name = "NAME:/PATH[:rw]", value_parser = volume)]
    volume: Vec<VolumeDocument>,
    /// Working directory
    #[arg(short, long, value_name = "PATH")]
    workdir: Option<String>,
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// train, finetune, serve, dataprep, interactive or batch
    #[arg(long, value_parser = word::<JobKindWord>)]
    kind: Option<JobKindWord>,
    /// Members, which start all or none
    #[arg(long, value_name = "N")]
    members: Option<u32>,
    /// CPUs of each member: 2, 0.5 or 500m
    #[arg(long, value_name = "CPUS", value_parser = cpu_milli)]
    cpu: Option<u64>,
    /// Memory of each member: 512MiB, 20GiB
    #[arg(long, value_name = "BYTES")]
    memory: Option<Bytes>,
    /// Network bandwidth that each member wants, in megabits a second
    #[arg(long, value_name = "N")]
    network_mbps: Option<u64>,
    /// End it after this time: 30m, 1h30m, 2d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    time_limit: Option<u64>,
    /// never, always or on-failure:N
    #[arg(long, value_name = "POLICY", value_parser = restart)]
    restart: Option<RestartWord>,
    /// Time between the request to end and the forced end, for a last checkpoint
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    grace: Option<u64>,
    /// How members talk to each other: none, all-reduce, pipeline or all-to-all
    #[arg(long, value_name = "PATTERN", value_parser = word::<CommunicationWord>)]
    communication: Option<CommunicationWord>,
    /// Latency target of a serving job at the 99th percentile, in microseconds
    #[arg(long, value_name = "N")]
    latency_target_us: Option<u64>,
    /// It may be ended for a more important job
    #[arg(long)]
    preemptible: bool,
    /// Larger is more important; 0 is usual
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Who pays
    #[arg(long)]
    tenant: Option<String>,
    /// Label
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// Data that it reads, with its size where that is known
    #[arg(long, value_name = "NAME[=BYTES]", value_parser = data_input)]
    input: Vec<DataInputDocument>,
    /// Most that it may cost: 12.50EUR
    #[arg(long, value_name = "AMOUNT", value_parser = cost)]
    cost_limit: Option<CostLimitDocument>,
    /// In a network partition: stop or continue
    #[arg(long, value_name = "WORD", value_parser = word::<OnPartitionWord>)]
    on_partition: Option<OnPartitionWord>,
    /// The network: host, so that members reach each other, or none
    #[arg(long, value_name = "WORD", value_parser = word::<NetworkWord>)]
    network: Option<NetworkWord>,
    /// An OCI or docker archive to import the image from first
    #[arg(long, value_name = "FILE")]
    pub image_archive: Option<PathBuf>,
    /// Command and arguments; without them the image's own
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl SpecArgs {
    /// The image that was named.
    pub fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// The description, for this image. `own_env` is asked for variables that were named without a value;
    /// one that is not set here is not set there.
    pub fn document(
        self,
        image: String,
        terminal: bool,
        own_env: impl Fn(&str) -> Option<String>,
    ) -> JobSpecDocument {
        let variable = |text: String| match text.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => own_env(&text).map(|value| (text, value)),
        };
        let env: BTreeMap<String, String> = self.env.into_iter().filter_map(variable).collect();
        JobSpecDocument {
            schema: JobSpecSchema::V1,
            name: self.name.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
            image,
            args: self.command,
            env,
            workdir: self.workdir,
            terminal,
            accelerator: self.accel.map(|ask| ask.to_string()),
            members: self.members.unwrap_or(1),
            cpu_milli: self.cpu,
            memory_bytes: self.memory.map(Amount::from),
            network_mbps: self.network_mbps,
            volumes: self.volume,
            time_limit_seconds: self.time_limit,
            restart: self.restart.unwrap_or_default(),
            checkpoint_grace_seconds: self.grace.unwrap_or(GRACE_SECONDS),
            communication: self.communication.unwrap_or_default(),
            latency_target_us: self.latency_target_us,
            preemptible: self.preemptible,
            priority: self.priority.unwrap_or(0),
            tenant: self.tenant.unwrap_or_else(|| TENANT.to_owned()),
            affinity: AffinityDocument::default(),
            labels: self.label.into_iter().collect(),
            inputs: self.input,
            cost_limit: self.cost_limit,
            on_partition: self.on_partition.unwrap_or_default(),
            network: self.network,
        }
    }
}

/// The defaults of the document, which a test compares with it.
pub const GRACE_SECONDS: u64 = 30;
/// See [`GRACE_SECONDS`].
pub const TENANT: &str = "default";

/// One of the words that the document knows, with `-` for its `_`.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let text = serde_json::Value::String(text.replace('-', "_"));
    serde_json::from_value(text).map_err(|error| error.to_string())
}

fn restart(text: &str) -> Result<RestartWord, ParseError> {
    let error = || {
        ParseError::new(
            "a restart policy",
            text,
            "write never, always or on-failure:3",
        )
    };
    match text {
        "never" => Ok(RestartWord::Never),
        "always" => Ok(RestartWord::Always),
        _ => {
            let max = text
                .strip_prefix("on-failure:")
                .and_then(|max| max.parse().ok());
            max.map(|max| RestartWord::OnFailure { max })
                .ok_or_else(error)
        }
    }
}

fn volume(text: &str) -> Result<VolumeDocument, ParseError> {
    let error = || {
        ParseError::new(
            "a volume",
            text,
            "write it as data:/mnt/data or data:/mnt/data:rw",
        )
    };
    let (name, rest) = text.split_once(':').ok_or_else(error)?;
    let (path, writable) = match rest.rsplit_once(':') {
        None => (rest, false),
        Some((path, "rw")) => (path, true),
        Some((path, "ro")) => (path, false),
        Some(_) => return Err(error()),
    };
    if name.is_empty() || !path.starts_with('/') {
        return Err(error());
    }
    Ok(VolumeDocument {
        name: name.to_owned(),
        path: path.to_owned(),
        writable,
    })
}

fn pair(text: &str) -> Result<(String, String), ParseError> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| ParseError::new("a label", text, "write it as KEY=VALUE"))
}

fn data_input(text: &str) -> Result<DataInputDocument, ParseError> {
    let (name, size) = match text.rsplit_once('=') {
        Some((name, size)) => (name, Some(size.parse::<Bytes>()?)),
        None => (text, None),
    };
    Ok(DataInputDocument {
        name: name.to_owned(),
        size_bytes: size.map(Amount::from),
    })
}

fn cost(text: &str) -> Result<CostLimitDocument, ParseError> {
    let error = || ParseError::new("an amount of money", text, "write it as 12.50EUR");
    let at = text
        .find(|letter: char| letter.is_ascii_alphabetic())
        .ok_or_else(error)?;
    let (amount, currency) = text.split_at(at);
    // Thousandths, as CPUs are written; `500m` has a unit of its own there and is none here.
    let milli = cpu_milli(amount).map_err(|_| error())?;
    Ok(CostLimitDocument {
        milli,
        currency: currency.to_owned(),
    })
}
