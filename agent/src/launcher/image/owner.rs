//! Whose image it is.
//!
//! A name says what a job runs, and names are free for whoever comes first. So an image that a user imported
//! carries that user's uid in its record, and is for nobody else's jobs; one that an admin imported or that
//! came from its registry carries none, and is for all.

use std::collections::HashMap;

use containerd_client::services::v1::Image;

use super::super::policy::Submitter;

/// The label of a record that names who imported the image.
pub(super) const IMPORTED_BY: &str = "kerf.dev/imported-by";

/// The labels of an image that somebody imports.
pub(super) fn labels(by: Submitter) -> HashMap<String, String> {
    let label = (!by.admin).then(|| (IMPORTED_BY.to_owned(), by.ids.uid.to_string()));
    label.into_iter().collect()
}

/// Whose image it is, if it is not for everybody. A label without a value is none to containerd.
pub(super) fn owner(image: &Image) -> Option<&str> {
    let label = image.labels.get(IMPORTED_BY).map(String::as_str);
    label.filter(|uid| !uid.is_empty())
}

/// Whether jobs of `user` may use it.
pub(super) fn may_use(image: &Image, user: Submitter) -> bool {
    user.admin || owner(image).is_none_or(|uid| uid == user.ids.uid.to_string())
}
