//! `/etc/kerf/kerf-runtime.oci`: the link beside `kerf-runtime.toml` to the runtime that the file names, with which a verb
//! that makes no container need not read the file. Pure: what is there in, what is to be there out.
//!
//! A link has no room for a mark, so the mark stands in the file beside it, as the line [`MARK`]. A link without it is
//! somebody else's and is left, and so is one that leads elsewhere than the file says when it is to go.

use std::path::{Path, PathBuf};

use kerf_runtime::settings::{LINK_NAME, SettingsError};

use super::SetupError;

/// The line of the file beside that says whose the link is.
pub const MARK: &str =
    "# kerf-runtime.oci, the link to the same program, is kerf setup's as well\n";

/// What is at the link's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A link of root's, or of whoever runs this, with an absolute path in it.
    Link(PathBuf),
    /// Something that kerf-runtime refuses.
    Other,
}

/// A link before and after; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEdit {
    /// Its path.
    pub path: PathBuf,
    /// Where it leads.
    pub before: Option<PathBuf>,
    /// Where it is to lead.
    pub after: Option<PathBuf>,
}

/// The link of the file at `path`.
pub fn beside(path: &Path) -> PathBuf {
    path.with_file_name(LINK_NAME)
}

/// What becomes of the link, and whether it is kerf's then.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    pub edit: Option<LinkEdit>,
    pub is_ours: bool,
    pub note: Option<String>,
}

/// The link beside a file of kerf's that names the program `below`; `is_ours` is what the file says of it now.
pub(super) fn add(
    path: &Path,
    found: &Found,
    is_ours: bool,
    below: Option<&Path>,
) -> Result<Linked, SetupError> {
    let path = beside(path);
    let to = |before: Option<&PathBuf>| Linked {
        edit: below.map(|below| LinkEdit {
            path: path.clone(),
            before: before.cloned(),
            after: Some(below.to_owned()),
        }),
        is_ours: is_ours || below.is_some(),
        note: None,
    };
    let left = |note: Option<String>| Linked {
        edit: None,
        is_ours,
        note,
    };
    match found {
        // kerf-runtime would refuse every container.
        Found::Other => Err(SetupError::Runtime(Box::new(SettingsError::Link { path }))),
        Found::Nothing => Ok(to(None)),
        Found::Link(target) if below.is_none_or(|below| below == target) => Ok(left(None)),
        Found::Link(target) if is_ours => Ok(to(Some(target))),
        Found::Link(target) => {
            let below = below.unwrap_or(Path::new(""));
            Ok(left(Some(format!(
                "{} leads to {}, and the file beside it names {}: unless that is one program no container starts",
                path.display(),
                target.display(),
                below.display()
            ))))
        }
    }
}

/// The link goes, if it is kerf's and leads where the file of kerf's says.
pub(super) fn remove(
    path: &Path,
    found: &Found,
    is_ours: bool,
    below: Option<&Path>,
) -> Option<LinkEdit> {
    match found {
        Found::Link(target) if is_ours && below == Some(target.as_path()) => Some(LinkEdit {
            path: beside(path),
            before: Some(target.clone()),
            after: None,
        }),
        _ => None,
    }
}
