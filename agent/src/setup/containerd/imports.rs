//! Which files a containerd's main file imports.

use std::path::{Path, PathBuf};

use toml_edit::Item;

use crate::setup::SetupError;
use crate::setup::text::Toml;

/// The patterns of a file's `imports`, each with the file's folder before it where it is relative.
pub fn imports(path: &Path, text: &str) -> Result<Vec<PathBuf>, SetupError> {
    Ok(patterns(path, &Toml::parse(path, text)?))
}

fn patterns(path: &Path, toml: &Toml<'_>) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let imports = toml.get(&["imports"]).and_then(Item::as_array);
    let imports = imports.into_iter().flat_map(|all| all.iter());
    imports
        .filter_map(|one| one.as_str())
        .map(|one| folder.join(one))
        .collect()
}

/// Whether a file is among what another imports. Patterns with more than `*` are taken not to match: a file that is
/// imported and thought not to be gets its settings where they count all the same.
pub fn is_read(path: &Path, toml: &Toml<'_>, wanted: &Path) -> bool {
    patterns(path, toml).iter().any(|pattern| {
        pattern.parent() == wanted.parent()
            && match (name(pattern), name(wanted)) {
                (Some(pattern), Some(wanted)) => matches(pattern, wanted),
                _ => false,
            }
    })
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// A file's name against a pattern in which `*` stands for anything.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(rest) = name.strip_prefix(before) else {
        return false;
    };
    let mut tails = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    tails.any(|at| rest.get(at..).is_some_and(|rest| matches(behind, rest)))
}
