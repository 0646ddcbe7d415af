//! Names of images, short and full.

use kerf_types::ParseError;

/// Longest name that is taken; registries allow 255 characters for the path and 128 for the tag.
const NAME_LIMIT: usize = 512;

/// Checks that a text can be an image's name in containerd.
pub(super) fn check(name: &str) -> Result<(), ParseError> {
    let clean = |c: char| c.is_ascii_alphanumeric() || "._/:@-+".contains(c);
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if first && name.len() <= NAME_LIMIT && name.chars().all(clean) {
        return Ok(());
    }
    let hint = "a name like registry.example/team/image:tag";
    Err(ParseError::new("an image name", name, hint))
}

/// The full form of a name as people write it: with the registry, and with a tag or a digest.
///
/// Docker's rules, which every client follows: the first part is a registry if it looks like a host.
pub(super) fn full(name: &str) -> String {
    let (path, digest) = match name.split_once('@') {
        Some((path, digest)) => (path, Some(digest)),
        None => (name, None),
    };
    let path = match path.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => path.to_owned(),
        Some(_) => format!("docker.io/{path}"),
        None => format!("docker.io/library/{path}"),
    };
    let tagged = path
        .rsplit_once('/')
        .is_some_and(|(_, last)| last.contains(':'));
    match digest {
        Some(digest) => format!("{path}@{digest}"),
        None if tagged => path,
        None => format!("{path}:latest"),
    }
}
