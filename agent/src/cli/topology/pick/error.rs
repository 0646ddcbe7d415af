//! Why nothing is picked, and what to do about it.

use std::path::PathBuf;

use kerf_partitioner::discover::DiscoverError;
use kerf_partitioner::nccl::NcclError;
use kerf_planner::rings::{TooMany, WishError};

use crate::cli::input::InputError;

/// Where a right file comes from.
pub const NCCL_HINT: &str = "NCCL writes such a file where NCCL_TOPO_DUMP_FILE names it";

/// Why nothing is picked.
#[derive(Debug, thiserror::Error)]
pub enum PickError {
    /// The file is no machine.
    #[error("{name} is no machine of NCCL")]
    Nccl {
        /// The file.
        name: String,
        /// What is wrong with it.
        source: NcclError,
    },
    /// The file is no text.
    #[error("the file is no machine of NCCL")]
    NoText {
        /// What it is.
        source: InputError,
    },
    /// The file is a machine with nothing to choose among.
    #[error("there is no GPU in {name}")]
    NoGpu {
        /// The file.
        name: String,
    },
    /// There is nothing to choose among.
    #[error("there is no accelerator under {}", sysroot.display())]
    NoAccelerator {
        /// The folder that stands for `/`.
        sysroot: PathBuf,
    },
    /// There is no folder in which a machine could be looked for.
    #[error("cannot look at the machine under {}", sysroot.display())]
    Sysroot {
        /// The folder that stands for `/`.
        sysroot: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The machine cannot be looked at.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// A path cannot be made absolute.
    #[error("cannot name the machine")]
    Path(#[source] std::io::Error),
    /// A name that is nobody's.
    #[error("there is no accelerator {name}: they are numbered from 0 and there are {count}")]
    NoSuch {
        /// Which.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// Too many to choose among.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// No set can be had.
    #[error("{why}{left_out}")]
    Wish {
        /// Why. It is the whole of the text, so it is not its cause as well.
        why: WishError,
        /// Which are left out, and why.
        left_out: String,
    },
}

impl PickError {
    /// Whether the command or its file is wrong, and not what it met.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Nccl { .. }
                | Self::NoText { .. }
                | Self::NoGpu { .. }
                | Self::NoSuch { .. }
                | Self::Wish {
                    why: WishError::None,
                    ..
                }
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Nccl { .. } | Self::NoText { .. } | Self::NoGpu { .. } => NCCL_HINT.to_owned(),
            Self::NoAccelerator { .. } => {
                "see what is found there with `kerf discover`, and name the driver library with --nvml"
                    .to_owned()
            }
            Self::Sysroot { .. } => {
                "--sysroot is the folder that stands for /, with /sys in it; for this host it is /"
                    .to_owned()
            }
            Self::Discover(DiscoverError::Library { .. }) => {
                "give --nvml the path of libnvidia-ml.so.1, auto for the installed driver's, or none"
                    .to_owned()
            }
            Self::TooMany(_) => {
                "choose among fewer: `kerf topology -o nccl-xml --only ADDRESS,...` writes a file with those alone"
                    .to_owned()
            }
            Self::Wish { why, .. } => hint_of(why),
            _ => return None,
        })
    }
}

/// What to change in what is asked for.
fn hint_of(why: &WishError) -> String {
    let fewer = |most: &usize, or: &str| match most {
        0 => or.to_owned(),
        _ => format!("ask for {most} with -n {most}, or {or}"),
    };
    match why {
        WishError::None => "-n 1 picks the best one".to_owned(),
        WishError::IncludedAvoided { device } => {
            format!("take {device} out of --include, or out of --avoid, or ask for a wider --nic")
        }
        WishError::IncludedNotFree { device } => {
            format!("take {device} out of --include, or add it to --free once it is free and well")
        }
        WishError::IncludedTooMany { included, .. } => {
            format!("ask for {included} with -n {included}, or name fewer with --include")
        }
        WishError::TooFew { available, .. } => {
            fewer(available, "let more be had with --free, --avoid or --nic")
        }
        WishError::NoGroup { largest, .. } => fewer(largest, "leave out --same"),
    }
}
