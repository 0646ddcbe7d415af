//! Which files an engine has: read, and handed to what decides about them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::FilesError;
use super::files::Root;
use crate::setup::{Engine, Outcome, Source, Wish, containerd, crio, docker, podman};

/// Most files that a containerd is followed through: one that imports itself ends.
const IMPORTS: usize = 64;

/// The change of an engine's files.
pub fn plan(
    engine: Engine,
    config: Option<&Path>,
    wish: &Wish,
    root: &Root,
) -> Result<Outcome, FilesError> {
    let path = |usual: &str| config.map_or_else(|| PathBuf::from(usual), Path::to_owned);
    let outcome = match engine {
        Engine::Containerd => {
            let files = containerd_files(path(containerd::PATH), root)?;
            containerd::plan(&files, wish)?
        }
        Engine::Docker => {
            let path = path(docker::PATH);
            docker::plan(&path, root.read(&path)?.as_deref(), wish)?
        }
        Engine::Podman => {
            let path = path(podman::PATH);
            let others = others(&podman::OTHERS, &path, root)?;
            podman::plan(&path, root.read(&path)?.as_deref(), &others, wish)?
        }
        Engine::Crio => {
            let path = path(crio::PATH);
            let others = others(&crio::OTHERS, &path, root)?;
            crio::plan(&path, root.read(&path)?.as_deref(), &others, wish)?
        }
    };
    Ok(outcome)
}

/// The files of these patterns but one.
fn others(patterns: &[&str], own: &Path, root: &Root) -> Result<Vec<Source>, FilesError> {
    let mut found = Vec::new();
    for path in patterns
        .iter()
        .map(Path::new)
        .flat_map(|one| root.matching(one))
    {
        if path != own
            && let Some(text) = root.read(&path)?
        {
            found.push(Source { path, text });
        }
    }
    Ok(found)
}

fn containerd_files(path: PathBuf, root: &Root) -> Result<containerd::Files, FilesError> {
    let own = Path::new(containerd::DROP_IN);
    let main = root.read(&path)?;
    let mut imported: Vec<Source> = Vec::new();
    let mut pending = match &main {
        Some(text) => containerd::imports(&path, text)?,
        None => Vec::new(),
    };
    while !pending.is_empty() && imported.len() < IMPORTS {
        let pattern = pending.remove(0);
        for found in root.matching(&pattern) {
            let is_known = found == path || imported.iter().any(|one| one.path == found);
            if is_known || found == own {
                continue;
            }
            if let Some(text) = root.read(&found)? {
                pending.extend(containerd::imports(&found, &text)?);
                imported.push(Source { path: found, text });
            }
        }
    }
    let folder = own.with_file_name("*.toml");
    Ok(containerd::Files {
        has_drop_ins: root.matching(&folder).iter().any(|found| found != own),
        drop_in: match path.as_path() {
            path if path == own => None,
            _ => root.read(own)?,
        },
        version: if root.is_real() { version() } else { None },
        path,
        main,
        imported,
    })
}

/// What the installed containerd says that it is.
fn version() -> Option<(u32, u32)> {
    let output = Command::new("containerd").arg("--version").output().ok()?;
    version_in(std::str::from_utf8(&output.stdout).ok()?)
}

/// `containerd github.com/containerd/containerd/v2 2.1.9~ds1 ...`: the first word of numbers.
pub fn version_in(text: &str) -> Option<(u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}
