//! The wanted layout, as `kerf plan` and `kerf apply` take it: a file of ours, a file of mig-parted, or flags.

mod mig_parted;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use kerf_api::convert::{ConvertError, Fault};
use kerf_api::json::layout::{
    DOCUMENT_LIMIT, GpuName, Gpus, LayoutDocument, LayoutRuleDocument, LayoutSchema,
};
use kerf_api::v1;
use kerf_types::ParseError;
use kerf_types::layout::Layout;
use serde::Deserialize;
use serde::de::IgnoredAny;

pub use mig_parted::Config;

use super::client::{Client, soon};
use super::excerpt::Excerpt;
use super::fail::Failure;
use super::input::{InputError, Source};
use super::print::Printer;

/// The wanted layout.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("wanted").required(true))]
pub struct LayoutArgs {
    /// A kerf.v1.Layout or a mig-parted file, in YAML, TOML or JSON; - for standard input
    #[arg(value_name = "FILE", group = "wanted")]
    file: Option<PathBuf>,
    /// The same
    #[arg(short = 'f', long = "file", value_name = "FILE", group = "wanted")]
    named_file: Option<PathBuf>,
    /// Which configuration of a mig-parted file, where it has several
    #[arg(long, alias = "select", value_name = "NAME")]
    #[arg(conflicts_with_all = ["gpu", "slices", "mig_off"])]
    label: Option<String>,
    /// GPUs by index, UUID, PCI address, model:NAME or label:NAME, or all; may be given several times
    #[arg(
        long,
        value_name = "GPU",
        value_delimiter = ',',
        conflicts_with_all = ["file", "named_file"]
    )]
    gpu: Vec<String>,
    /// Turn MIG on with exactly these slices on each of the GPUs (1g.10gb:2,3g.40gb:1), or none
    #[arg(long, value_name = "SLICES", requires = "gpu", group = "wanted")]
    slices: Option<SliceList>,
    /// Turn MIG off on the GPUs
    #[arg(long, requires = "gpu", group = "wanted")]
    mig_off: bool,
    /// Accept the reset of a GPU where a change of MIG mode needs one
    #[arg(long)]
    pub allow_reset: bool,
}

/// Profiles and how many of each, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SliceList(BTreeMap<String, u32>);

impl FromStr for SliceList {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            ParseError::new(
                "a list of slices",
                text,
                "write it as 1g.10gb:2,3g.40gb:1, or none",
            )
        };
        if text == "none" {
            return Ok(Self(BTreeMap::new()));
        }
        let mut slices = BTreeMap::new();
        for part in text.split(',') {
            let (profile, count) = part.split_once(':').unwrap_or((part, "1"));
            let count = count.parse().map_err(|_| error())?;
            if profile.is_empty() || slices.insert(profile.to_owned(), count).is_some() {
                return Err(error());
            }
        }
        Ok(Self(slices))
    }
}

/// Why there is no layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutInputError {
    /// The file does not read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// It reads, and asks for what cannot be.
    #[error("{name} is not a right layout")]
    Document {
        /// The file.
        name: String,
        /// What is wrong.
        source: Box<ConvertError>,
        /// The line.
        excerpt: Option<Box<Excerpt>>,
    },
    /// A mig-parted file of a version that nobody knows.
    #[error("{name} is a mig-parted file of version {version:?}, and kerf reads v1")]
    Version {
        /// The file.
        name: String,
        /// Its version.
        version: String,
    },
    /// The file has several configurations and none was chosen.
    #[error("{name} has {} configurations, and none is selected", names.len())]
    NotSelected {
        /// The file.
        name: String,
        /// Their names.
        names: Vec<String>,
    },
    /// The file has no such configuration.
    #[error("{name} has no configuration {selected:?}")]
    NoSuchConfig {
        /// The file.
        name: String,
        /// What was asked for.
        selected: String,
        /// What there is.
        names: Vec<String>,
    },
    /// `--label` for a file of ours.
    #[error("{name} is a kerf.v1.Layout, which has no configurations to select from")]
    NothingToSelect {
        /// The file.
        name: String,
    },
    /// A device filter that is no PCI id.
    #[error("device filter {filter:?} of configuration {config:?} is no PCI id like 0x233010DE")]
    Filter {
        /// The configuration.
        config: String,
        /// The filter.
        filter: String,
    },
    /// Two entries want different things of one GPU.
    #[error("two entries of configuration {config:?} want different things of GPU {gpu}")]
    Conflict {
        /// The configuration.
        config: String,
        /// The GPU's index.
        gpu: u32,
    },
    /// The configuration is for other GPUs.
    #[error("no GPU of this host passes a device filter of configuration {config:?}")]
    NoMatch {
        /// The configuration.
        config: String,
    },
    /// The configuration names only GPUs that are not here.
    #[error("this host has none of the GPUs that configuration {config:?} names")]
    NoneHere {
        /// The configuration.
        config: String,
    },
}

impl LayoutInputError {
    /// Whether the file could be read, and is wrong.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Input(error) => error.is_usage(),
            Self::NoMatch { .. } | Self::NoneHere { .. } => false,
            _ => true,
        }
    }

    /// The line that is wrong.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::Input(error) => error.excerpt(),
            Self::Document { excerpt, .. } => excerpt.as_deref(),
            _ => None,
        }
    }

    /// The same, with the line of `source` that holds the word which is wrong.
    fn pointing_at(mut self, source: &Source) -> Self {
        if let Self::Document {
            source: error,
            excerpt,
            ..
        } = &mut self
        {
            let word = match &error.fault {
                Fault::Text(fault) => fault.found.clone(),
                Fault::Number { found, .. } => found.clone(),
                Fault::Duplicate { what } => what.clone(),
                Fault::Missing
                | Fault::Conflict { .. }
                | Fault::TooMany { .. }
                | Fault::TooLong { .. } => {
                    return self;
                }
            };
            *excerpt = source.excerpt_of(&word, None).map(Box::new);
        }
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotSelected { names, .. } | Self::NoSuchConfig { names, .. } => {
                Some(format!("choose one with --label: {}", names.join(", ")))
            }
            Self::Document { .. } => {
                Some("see `kerf schema layout` and `kerf profiles`".to_owned())
            }
            Self::NoMatch { .. } | Self::NoneHere { .. } => {
                Some("see the PCI ids in `kerf inventory -o json`".to_owned())
            }
            _ => None,
        }
    }
}

/// The key that only a file of mig-parted has.
const CONFIGS: &str = "mig-configs";

/// What a file may be, told by the keys that only the other kind has.
#[derive(Debug, Deserialize)]
struct Probe {
    #[serde(rename = "mig-configs")]
    mig_configs: Option<IgnoredAny>,
}

impl LayoutArgs {
    /// The layout as kerfd takes it, and the text that it stands in. kerfd is asked only where a file of mig-parted
    /// speaks of some GPUs; those that are not here are told as a note.
    pub async fn layout(&self, client: &mut Client, print: Printer) -> Result<Wanted, Failure> {
        let Some(path) = self.file.as_ref().or(self.named_file.as_ref()) else {
            let layout = v1::Layout::from(&self.flags_layout()?);
            return Ok(Wanted {
                layout,
                source: None,
            });
        };
        let source = Source::read(path)?.within(DOCUMENT_LIMIT)?;
        let layout = match read(&source, self.label.as_deref())? {
            Read::Layout(layout) => layout,
            Read::MigParted(config) => {
                let gpus = match config.is_for_all() {
                    true => Vec::new(),
                    false => {
                        let request = soon(v1::GetInventoryRequest { refresh: false });
                        let inventory = client.get_inventory(request).await;
                        let inventory = inventory.map_err(Failure::call("read the inventory"))?;
                        inventory.into_inner().gpus
                    }
                };
                for name in config.absent(&gpus) {
                    print.note(&format!(
                        "note: GPU {name} of {config} is not in this host; the others are meant"
                    ));
                }
                config
                    .layout(&gpus)
                    .map_err(|error| error.pointing_at(&source))?
            }
        };
        let (layout, source) = (v1::Layout::from(&layout), Some(source));
        Ok(Wanted { layout, source })
    }

    fn flags_layout(&self) -> Result<Layout, LayoutInputError> {
        let named = |name: &String| GpuName::Text(name.clone());
        let gpus = match self.gpu.as_slice() {
            [all] if all == "all" => Gpus::All,
            names => Gpus::List(names.iter().map(named).collect()),
        };
        let slices = self
            .slices
            .clone()
            .map(|slices| slices.0)
            .unwrap_or_default();
        let rule = LayoutRuleDocument {
            gpus,
            mig: Some(!self.mig_off),
            slices,
            ..LayoutRuleDocument::default()
        };
        check("the command line", vec![rule])
    }
}

/// A layout, and the text that it came from.
#[derive(Debug)]
pub struct Wanted {
    /// The layout.
    pub layout: v1::Layout,
    /// Its file.
    pub source: Option<Source>,
}

/// What was read from a file.
#[derive(Debug)]
pub enum Read {
    /// Ready.
    Layout(Layout),
    /// To be matched with the GPUs of the host.
    MigParted(Config),
}

/// Reads a file of either kind; `select` names a configuration of one of mig-parted.
///
/// # Errors
/// Where it is neither, or asks for what cannot be: with the line, where one can be told.
pub fn read(source: &Source, select: Option<&str>) -> Result<Read, LayoutInputError> {
    read_kind(source, select).map_err(|error| error.pointing_at(source))
}

fn read_kind(source: &Source, select: Option<&str>) -> Result<Read, LayoutInputError> {
    let name = source.name();
    // One that does not read at all is told to be wrong as what its words make it.
    let is_parted = match source.parse::<Probe>() {
        Ok(probe) => probe.mig_configs.is_some(),
        Err(_) => source.mentions(CONFIGS),
    };
    if is_parted {
        let file: mig_parted::File = source.parse()?;
        return file.select(name, select).map(Read::MigParted);
    }
    let document: LayoutDocument = source.parse()?;
    if select.is_some() {
        return Err(LayoutInputError::NothingToSelect {
            name: name.to_owned(),
        });
    }
    check(name, document.rules).map(Read::Layout)
}

/// The one check that every layout goes through, wherever it comes from.
fn check(name: &str, rules: Vec<LayoutRuleDocument>) -> Result<Layout, LayoutInputError> {
    let document = LayoutDocument {
        schema: LayoutSchema::V1,
        rules,
    };
    let error = |source| LayoutInputError::Document {
        name: name.to_owned(),
        source: Box::new(source),
        excerpt: None,
    };
    Layout::try_from(document).map_err(error)
}

#[cfg(test)]
mod tests;
