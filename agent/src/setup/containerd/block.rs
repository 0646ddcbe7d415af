//! What kerf adds to a file of containerd's: its handlers, CDI and NRI.

use std::path::Path;

use toml_edit::Item;

use super::CDI_FOLDER;
use crate::setup::marks::Change;
use crate::setup::text::{Toml, quoted};
use crate::setup::{Handlers, SetupError, Source, Wish};

/// The plugin with the runtimes, by the version of the file.
const PLUGINS: [&str; 3] = [
    "cri",
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.runtime",
];

/// The plugin of NRI; 1.7 has it turned off, 2.x on.
const NRI: &str = "io.containerd.nri.v1.nri";

/// The shim that starts what BinaryName says.
const SHIM: &str = "io.containerd.runc.v2";

/// The handler that containerd has where no file names one.
const BUILT_IN: &str = "runc";

/// A file, what it imports, and who reads them.
pub(super) struct Block<'a> {
    /// Version of the file, 1 to 4.
    pub version: i64,
    /// containerd's version.
    pub engine: Option<(u32, u32)>,
    /// The file without what is kerf's.
    pub main: &'a Toml<'a>,
    /// What it imports.
    pub imported: &'a [(&'a Source, Toml<'a>)],
}

/// The handlers in what kerf wrote.
pub(super) fn handlers(path: &Path, text: &str) -> Result<Handlers, SetupError> {
    let toml = Toml::parse(path, text)?;
    let mut found = Handlers::new();
    for plugin in PLUGINS {
        for name in toml.names(&["plugins", plugin, "containerd", "runtimes"]) {
            // The built-in handler is written beside and has none.
            if let Some(program) = program(&toml, plugin, name) {
                found.insert(name.to_owned(), program.to_owned());
            }
        }
    }
    Ok(found)
}

fn program<'a>(toml: &'a Toml<'_>, plugin: &str, handler: &str) -> Option<&'a str> {
    let runtime = ["plugins", plugin, "containerd", "runtimes", handler];
    toml.text_at(&[&runtime[..], &["options", "BinaryName"]].concat())
}

impl Block<'_> {
    fn plugin(&self) -> &'static str {
        let [short, whole, parted] = PLUGINS;
        match self.version {
            ..=1 => short,
            2 => whole,
            _ => parted,
        }
    }

    /// Whether it is known that settings of several files are merged.
    fn merges(&self) -> bool {
        self.version >= 3 || self.engine.is_some_and(|(major, _)| major >= 2)
    }

    /// All files, the one that counts most last.
    fn all(&self) -> impl DoubleEndedIterator<Item = &Toml<'_>> {
        let imported = self.imported.iter().map(|(_, toml)| toml);
        std::iter::once(self.main).chain(imported)
    }

    /// Says no where the name is taken, or where what is written would not count; a sentence where somebody else has
    /// written what kerf would.
    pub(super) fn refuse(&self, path: &Path, wish: &Wish) -> Result<Option<String>, SetupError> {
        let paths = self
            .imported
            .iter()
            .map(|(source, _)| source.path.as_path());
        for (toml, path) in self.all().zip(std::iter::once(path).chain(paths)) {
            for plugin in PLUGINS {
                let name = wish.handler.as_str();
                let keys = ["plugins", plugin, "containerd", "runtimes", name];
                let Some(item) = toml.get(&keys) else {
                    continue;
                };
                let found = program(toml, plugin, name);
                if found == Some(wish.program.as_str()) {
                    let line = toml.line_of(item);
                    return Ok(Some(format!(
                        "{}:{line} has the handler {name} already, and not from kerf setup: nothing is changed",
                        path.display()
                    )));
                }
                let found = found.or(toml.text_at(&[&keys[..], &["runtime_type"]].concat()));
                return Err(SetupError::Conflict {
                    path: path.to_owned(),
                    line: toml.line_of(item),
                    handler: name.to_owned(),
                    found: found.unwrap_or("nothing").to_owned(),
                });
            }
        }
        let has_cri = |toml: &Toml<'_>| {
            PLUGINS
                .iter()
                .any(|one| toml.get(&["plugins", one]).is_some())
        };
        let by = self.imported.iter().rev().find(|(_, toml)| has_cri(toml));
        match by.filter(|_| !self.merges()) {
            Some((by, _)) => Err(SetupError::Overridden {
                path: path.to_owned(),
                by: by.path.clone(),
            }),
            None => Ok(None),
        }
    }

    /// What is left as it is and keeps kerf from doing all it can.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let disabled = self
            .main
            .get(&["disabled_plugins"])
            .and_then(Item::as_array);
        let mut disabled = disabled.into_iter().flat_map(|all| all.iter());
        if disabled.any(|one| one.as_str().is_some_and(|one| PLUGINS.contains(&one))) {
            notes.push(
                "the CRI plugin is turned off (disabled_plugins): Kubernetes has no use of the handler until it is on"
                    .to_owned(),
            );
        }
        let folders = ["plugins", self.plugin(), "cdi_spec_dirs"];
        let folders = self.main.get(&folders).and_then(Item::as_array);
        if let Some(folders) = folders
            && !folders.iter().any(|one| {
                one.as_str()
                    .is_some_and(|one| one.trim_end_matches('/') == CDI_FOLDER || one == "/run/cdi")
            })
            && self.cdi_folders().is_none()
        {
            notes.push(format!(
                "cdi_spec_dirs does not have {CDI_FOLDER}, where kerf's CDI files are, and stands on several lines: add it"
            ));
        }
        notes
    }

    /// The changes within the file, and what comes behind it.
    pub(super) fn rendered(&self, handlers: &Handlers) -> (Vec<Change>, String) {
        let mut changes = Vec::new();
        let mut body = String::new();
        self.turn_on_cdi(&mut changes, &mut body);
        self.turn_on_nri(&mut changes, &mut body);
        let plugin = self.plugin();
        let table = |name: &str| match self.version {
            ..=1 => format!("plugins.{plugin}.containerd.runtimes.{name}"),
            _ => format!("plugins.\"{plugin}\".containerd.runtimes.{name}"),
        };
        if self.needs_built_in() {
            body += &format!("[{}]\n  runtime_type = \"{SHIM}\"\n", table(BUILT_IN));
        }
        // Kubernetes hands on a pod's annotations only where the handler says so.
        let annotations = format!("[\"{}/*\"]", kerf_types::VENDOR);
        let systemd = match self.systemd_cgroup() {
            true => "    SystemdCgroup = true\n",
            false => "",
        };
        for (name, program) in handlers {
            let (table, program) = (table(name), quoted(program));
            body += &format!(
                "[{table}]\n  runtime_type = \"{SHIM}\"\n  pod_annotations = {annotations}\n  \
                 container_annotations = {annotations}\n  [{table}.options]\n    BinaryName = {program}\n{systemd}"
            );
        }
        (changes, body)
    }

    /// Whether the first handler of a file would take away the one that is built in. Versions 3 and 4 are read by 2.x alone,
    /// which lays handlers over those that it has.
    fn needs_built_in(&self) -> bool {
        let plugin = self.plugin();
        let containerd = ["plugins", plugin, "containerd"];
        let under =
            |toml: &Toml<'_>, key: &str| toml.get(&[&containerd[..], &[key]].concat()).is_some();
        let has_handlers = self
            .all()
            .any(|toml| under(toml, "runtimes") || under(toml, "default_runtime"));
        self.version <= 2 && !has_handlers && self.default_handler() == BUILT_IN
    }

    fn default_handler(&self) -> &str {
        let keys = [
            "plugins",
            self.plugin(),
            "containerd",
            "default_runtime_name",
        ];
        let name = self.all().rev().find_map(|toml| toml.text_at(&keys));
        name.unwrap_or(BUILT_IN)
    }

    /// Who makes the cgroups must be the same for all of a host's containers.
    fn systemd_cgroup(&self) -> bool {
        let runtimes = ["plugins", self.plugin(), "containerd", "runtimes"];
        let of = |name: &str| {
            let keys = [&runtimes[..], &[name, "options", "SystemdCgroup"]].concat();
            self.all().rev().find_map(|toml| toml.bool_at(&keys))
        };
        let by_default = of(self.default_handler());
        by_default.or_else(|| of(BUILT_IN)).unwrap_or(false)
    }

    fn turn_on_cdi(&self, changes: &mut Vec<Change>, body: &mut String) {
        let plugin = self.plugin();
        let keys = ["plugins", plugin, "enable_cdi"];
        changes.extend(self.set(&keys, false, "true"));
        changes.extend(self.cdi_folders());
        // 1.7 has it turned off, 2.x on, 1.6 does not know it and does not mind.
        let may_need = self.version == 2 && self.engine.is_none_or(|version| version == (1, 7));
        if may_need && self.main.get(&keys).is_none() {
            match self
                .main
                .line_below(&["plugins", plugin], "enable_cdi = true")
            {
                Some(line) => changes.push(line),
                None => *body += &format!("[plugins.\"{plugin}\"]\n  enable_cdi = true\n"),
            }
        }
    }

    /// kerf's folder behind the others in a list on one line.
    fn cdi_folders(&self) -> Option<Change> {
        let keys = ["plugins", self.plugin(), "cdi_spec_dirs"];
        let folders = self.main.get(&keys)?.as_array()?;
        let mut all = folders.iter().filter_map(|one| one.as_str());
        if all.any(|one| one.trim_end_matches('/') == CDI_FOLDER || one == "/run/cdi") {
            return None;
        }
        let (line, value) = self.main.single_line(&keys)?;
        let text = self.main.text.get(value.clone())?;
        let open = text.strip_suffix(']')?.trim_end().trim_end_matches(',');
        let comma = if folders.is_empty() { "" } else { ", " };
        let new = format!("{open}{comma}\"{CDI_FOLDER}\"]");
        Some(Change::Value { line, value, new })
    }

    fn turn_on_nri(&self, changes: &mut Vec<Change>, body: &mut String) {
        let keys = ["plugins", NRI, "disable"];
        changes.extend(self.set(&keys, true, "false"));
        let is_off = self.version == 2 && self.engine == Some((1, 7));
        if is_off && self.main.get(&keys).is_none() {
            match self.main.line_below(&["plugins", NRI], "disable = false") {
                Some(line) => changes.push(line),
                None => *body += &format!("[plugins.\"{NRI}\"]\n  disable = false\n"),
            }
        }
    }

    /// Another value where this one stands.
    fn set(&self, keys: &[&str], from: bool, to: &str) -> Option<Change> {
        if self.main.bool_at(keys) != Some(from) {
            return None;
        }
        let (line, value) = self.main.single_line(keys)?;
        let new = to.to_owned();
        Some(Change::Value { line, value, new })
    }
}
