//! The configuration file of a private containerd.
//!
//! Everything that can lie in a folder of its own does. What cannot is fixed in containerd: shims
//! listen in `/run/containerd/s` under hashed names, and runc keeps its state in
//! `/run/containerd/runc/<namespace>`, so the namespace must be unique on the machine.

use std::path::Path;

/// Plugins that a private containerd must not start.
///
/// CRI wants network plugins and lowers `oom_score_adj`; NRI listens on one fixed path of the
/// host. Names that a version does not know are ignored by it.
const DISABLED: [&str; 6] = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.nri.v1.nri",
    "io.containerd.podsandbox.controller.v1.podsandbox",
    "io.containerd.sandbox.controller.v1.podsandbox",
];

/// The generation of containerd, which decides the version of its configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// 1.x: file version 2.
    One,
    /// 2.x and later: file version 3.
    Two,
}

impl Generation {
    /// Reads what `containerd --version` printed: the second or third word is the version, with
    /// or without a `v` before it.
    pub fn parse(version_line: &str) -> Option<Self> {
        let major = version_line
            .split_whitespace()
            .map(|word| word.strip_prefix('v').unwrap_or(word))
            .filter_map(|word| word.split_once('.'))
            .find_map(|(major, _)| major.parse::<u32>().ok())?;
        Some(if major < 2 { Self::One } else { Self::Two })
    }

    fn file_version(self) -> u32 {
        match self {
            Self::One => 2,
            Self::Two => 3,
        }
    }
}

/// The text of the file for a containerd whose files all lie in `folder`.
///
/// `oom_score` stays at its default of 0, which means that containerd leaves it alone.
pub fn text(generation: Generation, folder: &Path, socket: &Path) -> String {
    let disabled: Vec<String> = DISABLED.iter().map(|name| format!("{name:?}")).collect();
    format!(
        r#"version = {version}
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = [{disabled}]

[grpc]
  address = "{socket}"

[ttrpc]
  address = "{socket}.ttrpc"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"
"#,
        version = generation.file_version(),
        folder = folder.display(),
        socket = socket.display(),
        disabled = disabled.join(", "),
    )
}

#[cfg(test)]
mod tests;
