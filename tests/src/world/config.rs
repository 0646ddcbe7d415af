//! The configuration file of a private containerd.
//!
//! Everything that can lie in a folder of its own does. What cannot is fixed in containerd: shims
//! listen in `/run/containerd/s` under hashed names, and runc keeps its state in
//! `/run/containerd/runc/<namespace>`, so the namespace must be unique on the machine.

use std::path::{Path, PathBuf};

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

/// What a containerd that serves CRI, as it would for a kubelet, has besides.
#[derive(Debug, Clone)]
pub struct Cri {
    /// The program of the runtime handler `kerf`; beside it `runc` is plain.
    pub runtime: PathBuf,
    /// The folder of CDI files, in place of the host's own.
    pub cdi: PathBuf,
}

/// The image of a pod's sandbox in [`Cri`].
pub const PAUSE: &str = "localhost/pause:kerf";

/// The text of the file for a containerd whose files all lie in `folder`.
///
/// `oom_score` stays at its default of 0, which means that containerd leaves it alone.
pub fn text(generation: Generation, folder: &Path, socket: &Path, cri: Option<&Cri>) -> String {
    let disabled = match cri {
        Some(_) => &[][..],
        None => &DISABLED,
    };
    let disabled: Vec<String> = disabled.iter().map(|name| format!("{name:?}")).collect();
    let text = format!(
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
    );
    cri.map_or(text.clone(), |cri| text + &cri.tables(generation, folder))
}

impl Cri {
    /// NRI listens in the folder too, for it is served with CRI. Without `restrict_oom_score_adj` a machine that may
    /// not lower its own score starts no sandbox.
    fn tables(&self, generation: Generation, folder: &Path) -> String {
        let (runtime, sandbox) = match generation {
            Generation::One => (
                "io.containerd.grpc.v1.cri",
                format!("  sandbox_image = {PAUSE:?}\n"),
            ),
            Generation::Two => ("io.containerd.cri.v1.runtime", String::new()),
        };
        let images = match generation {
            Generation::One => String::new(),
            Generation::Two => format!(
                "[plugins.\"io.containerd.cri.v1.images\".pinned_images]\n  sandbox = {PAUSE:?}\n"
            ),
        };
        format!(
            r#"
[plugins."{runtime}"]
{sandbox}  restrict_oom_score_adj = true
  enable_cdi = true
  cdi_spec_dirs = [{cdi:?}]

[plugins."{runtime}".cni]
  bin_dir = "{folder}/cni"
  conf_dir = "{folder}/cni"

[plugins."{runtime}".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."{runtime}".containerd.runtimes.kerf]
  runtime_type = "io.containerd.runc.v2"
  container_annotations = ["kerf.dev/*"]
  pod_annotations = ["kerf.dev/*"]

[plugins."{runtime}".containerd.runtimes.kerf.options]
  BinaryName = {program:?}

[plugins."io.containerd.nri.v1.nri"]
  disable = false
  socket_path = "{folder}/nri.sock"
  plugin_path = "{folder}/nri/plugins"
  plugin_config_path = "{folder}/nri/conf.d"

{images}"#,
            cdi = self.cdi,
            program = self.runtime,
            folder = folder.display(),
        )
    }
}

#[cfg(test)]
mod tests;
