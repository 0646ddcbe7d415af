//! Whom a job runs as. Root in a container is root on the host wherever both see the same files, so a
//! submitter's job is the submitter there too unless the host says otherwise.

use std::fmt;
use std::str::FromStr;

use kerf_types::ParseError;

use super::{Admitted, Refusal};

/// A user and a group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserIds {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl UserIds {
    /// The user of whom nothing is known.
    pub const NOBODY: Self = Self {
        uid: 65_534,
        gid: 65_534,
    };
}

/// Who submitted a job, as the kernel and the host's configuration said then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitter {
    /// Its user and its group.
    pub ids: UserIds,
    /// Whether it was an admin of this host.
    pub admin: bool,
}

/// Whom the jobs of a host run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunAs {
    /// As whoever submitted them; jobs that root submitted as their image says.
    #[default]
    Submitter,
    /// As their image says, which may be root.
    Image,
    /// All as one user.
    Ids(UserIds),
}

impl RunAs {
    /// The user that is decided before the image is looked at.
    pub(super) fn decided(self, submitter: Submitter) -> Option<UserIds> {
        match self {
            Self::Submitter => Some(submitter.ids).filter(|ids| ids.uid != 0),
            Self::Image => None,
            Self::Ids(ids) => Some(ids),
        }
    }
}

impl FromStr for RunAs {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let ids = || {
            let (uid, gid) = text.split_once(':')?;
            Some(UserIds {
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            })
        };
        match text {
            "submitter" => Ok(Self::Submitter),
            "image" => Ok(Self::Image),
            _ => ids().map(Self::Ids).ok_or_else(|| {
                let hint = "submitter, image, or two numbers like 1000:1000";
                ParseError::new("a user for jobs", text, hint)
            }),
        }
    }
}

impl fmt::Display for RunAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Submitter => f.write_str("submitter"),
            Self::Image => f.write_str("image"),
            Self::Ids(UserIds { uid, gid }) => write!(f, "{uid}:{gid}"),
        }
    }
}

/// Refuses root a folder of the host that it may write to, unless an admin wants it: a program that belongs
/// to root and takes its owner's rights would be left there for everybody on the host.
pub(in crate::launcher) fn check_root(
    admitted: &Admitted,
    submitter: Submitter,
    uid: u32,
) -> Result<(), Refusal> {
    let writable = admitted.mounts.iter().find(|mount| mount.writable);
    match writable {
        Some(mount) if uid == 0 && !submitter.admin => Err(Refusal::RootWrites {
            path: mount.target.clone(),
        }),
        _ => Ok(()),
    }
}
