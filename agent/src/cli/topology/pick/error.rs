//! Why nothing is picked, and what to do about it.

use kerf_partitioner::discover::DiscoverError;
use kerf_partitioner::nccl::NcclError;
use kerf_planner::rings::{TooMany, WishError};

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
            Self::Nccl { .. } => NCCL_HINT.to_owned(),
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
