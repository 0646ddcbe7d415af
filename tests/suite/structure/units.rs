//! What is installed names what is installed: units and packages agree with the code and with each other.

use std::collections::BTreeMap;
use std::path::Path;

use kerf_agent::config::file::{self, FileConfig};
use kerf_tests::tree;
use toml::{Table, Value};

use super::assert_none;

/// Manifests with the metadata of a package.
const PACKAGES: [&str; 2] = ["agent/Cargo.toml", "partitioner/nvml-sim/Cargo.toml"];

/// Keys of a unit that start a program.
const STARTS: [&str; 4] = ["ExecStart", "ExecStartPre", "ExecStop", "ExecReload"];

/// Programs of the system that units may start.
const SYSTEM: [&str; 1] = ["/bin/sh"];

fn read(path: &str) -> String {
    let path = tree::workspace_root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of `systemd/` below a folder, by name.
fn files(folder: &str) -> BTreeMap<String, String> {
    let root = tree::workspace_root().join(folder);
    let entries = std::fs::read_dir(&root).expect("the folder").flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    files
        .map(|entry| {
            let name = name(entry);
            let text = read(&format!("{folder}/{name}"));
            (name, text)
        })
        .collect()
}

/// A file of the sources, and where a kind of package puts it.
type Asset = (String, String);

fn table<'a>(manifest: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (last, path) = keys.split_last()?;
    let mut found = manifest;
    for key in path {
        found = found.get(*key)?.as_table()?;
    }
    found.get(*last)
}

/// What the deb of a manifest installs.
fn deb(manifest: &str) -> Vec<Asset> {
    let manifest: Table = read(manifest).parse().expect("a manifest");
    let assets = table(&manifest, &["package", "metadata", "deb", "assets"]);
    let list = assets.and_then(Value::as_array).expect("assets of a deb");
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    list.iter()
        .map(|asset| (text(asset.get(0)), format!("/{}", text(asset.get(1)))))
        .collect()
}

/// What the rpm of a manifest installs.
fn rpm(manifest: &str) -> Vec<Asset> {
    let manifest: Table = read(manifest).parse().expect("a manifest");
    let keys = ["package", "metadata", "generate-rpm", "assets"];
    let assets = table(&manifest, &keys);
    let list = assets.and_then(Value::as_array).expect("assets of an rpm");
    let text = |asset: &Value, key| {
        let value = asset.get(key).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    list.iter()
        .map(|asset| (text(asset, "source"), text(asset, "dest")))
        .collect()
}

/// Whether an asset ends up at this path.
fn installs(assets: &[Asset], path: &str) -> bool {
    assets.iter().any(|(source, target)| {
        let name = Path::new(source).file_name().unwrap_or_default();
        let whole = if target.ends_with('/') {
            format!("{target}{}", name.to_string_lossy())
        } else {
            target.clone()
        };
        whole == path
    })
}

/// Programs that a unit starts and no asset installs.
fn strangers(name: &str, unit: &str, assets: &[Asset]) -> Vec<String> {
    let starts = unit.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        STARTS.contains(&key.trim()).then_some(value)
    });
    let programs = starts.filter_map(|value| {
        let word = value.split_whitespace().next()?;
        Some(word.trim_start_matches(['-', '@', ':', '+', '!']))
    });
    programs
        .filter(|program| !SYSTEM.contains(program) && !installs(assets, program))
        .map(|program| format!("{name} starts {program}, which no package installs"))
        .collect()
}

#[test]
fn units_start_what_the_packages_install() {
    for assets in [deb("agent/Cargo.toml"), rpm("agent/Cargo.toml")] {
        let units = files("systemd");
        assert_eq!(units.len(), 8, "{:?}", units.keys());
        let findings = units
            .iter()
            .flat_map(|(name, text)| strangers(name, text, &assets));
        assert_none(findings.collect());
        for name in units.keys() {
            let path = format!("/usr/lib/systemd/system/{name}");
            assert!(installs(&assets, &path), "{path} is not installed");
        }
        for (folder, at) in [
            ("sysusers.d", "/usr/lib/sysusers.d/kerf.conf"),
            ("tmpfiles.d", "/usr/lib/tmpfiles.d/kerf.conf"),
        ] {
            assert!(files(&format!("systemd/{folder}")).contains_key("kerf.conf"));
            assert!(installs(&assets, at), "{at} is not installed");
        }
    }
}

#[test]
fn a_unit_with_a_program_of_nobody_is_caught() {
    let assets = [("target/release/kerfd".to_owned(), "/usr/bin/".to_owned())];
    let unit = "[Service]\nExecStart=/usr/bin/kerfd --x\nExecReload=/bin/sh -c x\n";
    assert!(strangers("a.service", unit, &assets).is_empty());
    let moved = unit.replace("/usr/bin/kerfd", "-/usr/sbin/kerfd");
    let found = strangers("a.service", &moved, &assets);
    assert_eq!(
        found,
        ["a.service starts /usr/sbin/kerfd, which no package installs"]
    );
}

/// kerfd, the unit and the packages must not look for the worker in different places.
#[test]
fn code_unit_and_packages_agree_where_things_are() {
    let worker = file::INSTALLED_PARTITIONER;
    let found = file::find_partitioner(Path::new("/nowhere"));
    assert_eq!(found, Path::new(worker));
    let unit = read("systemd/kerf-partitioner@.service");
    assert!(
        unit.contains(&format!("ExecStart={worker} worker ")),
        "{unit}"
    );
    let socket = read("systemd/kerf-partitioner.socket");
    assert!(socket.contains("ListenStream=/run/kerf/partitioner.sock\n"));
    let unit = read("systemd/kerf-process@.service");
    let verb = "process-worker --sysroot / --runtime /usr/bin/kerf-runtime";
    assert!(
        unit.contains(&format!("ExecStart={worker} {verb}\n")),
        "{unit}"
    );
    let socket = read("systemd/kerf-process.socket");
    assert!(socket.contains("ListenStream=/run/kerf/process.sock\n"));
    // Where kerf-runtime asks by default, and kerfd takes it over.
    let socket = read("systemd/kerfd.socket");
    assert!(socket.contains("ListenStream=/run/kerf/runtime.sock\n"));
    let unit = read("systemd/kerf-mps@.service");
    assert!(
        unit.contains(&format!("ExecStart={worker} mps-daemon ")),
        "{unit}"
    );
    // Where kerfd has its daemons, and asks for them (`Shared::new`, `Host::place_of`).
    for folders in ["--run /run/kerf/mps ", "--log /var/lib/kerf/mps\n"] {
        assert!(unit.contains(folders), "{unit}");
    }
    let socket = read("systemd/kerf-mps.socket");
    assert!(socket.contains("ListenStream=/run/kerf/mps.sock\n"));
    for assets in [deb("agent/Cargo.toml"), rpm("agent/Cargo.toml")] {
        for path in [
            worker,
            "/usr/bin/kerf",
            "/usr/bin/kerfd",
            "/usr/bin/kerf-runtime",
        ] {
            assert!(installs(&assets, path), "{path} is not installed");
        }
        assert!(installs(&assets, kerf_agent::config::DEFAULT_PATH));
        assert!(!installs(&assets, "/usr/lib/kerf/sim/libnvidia-ml.so.1"));
    }
    for assets in [deb(PACKAGES[1]), rpm(PACKAGES[1])] {
        assert!(installs(&assets, nvidia_ml::machine::INSTALLED));
    }
}

/// Sources are files of the tree, or what `xtask dist` builds below `target/release/`.
#[test]
fn packages_are_made_of_files_that_exist() {
    let mut missing = Vec::new();
    for manifest in PACKAGES {
        let folder = Path::new(manifest).parent().expect("a folder");
        let in_tree = |source: &str| tree::workspace_root().join(folder).join(source).is_file();
        for (source, _) in deb(manifest) {
            if !source.starts_with("target/release/") && !in_tree(&source) {
                missing.push(format!("{manifest}: deb: {source} does not exist"));
            }
        }
        for (source, _) in rpm(manifest) {
            let at_root = tree::workspace_root().join(&source).is_file();
            if !source.starts_with("target/release/") && !at_root {
                missing.push(format!("{manifest}: rpm: {source} does not exist"));
            }
        }
    }
    assert_none(missing);
}

#[test]
fn the_installed_configuration_reads_and_shows_the_defaults() {
    let text = read("packaging/kerf.toml");
    let resolve = |text: &str| {
        let parsed = file::parse(Path::new("kerf.toml"), text);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
        parsed
            .resolve(Path::new("/nowhere"), "gpu-1")
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let defaults = FileConfig::default()
        .resolve(Path::new("/nowhere"), "gpu-1")
        .expect("defaults are right");
    assert_eq!(resolve(&text), defaults, "as installed it changes nothing");

    // With every setting in force it says the same, but for the three that depend on the host and the example.
    let all: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') && !setting.is_empty() => setting,
            _ => line,
        })
        .collect();
    let mut shown = resolve(&all.join("\n"));
    assert_eq!(shown.launch.volumes.len(), 1, "the example of a volume");
    shown.launch.volumes.clear();
    shown.paths.nvml = defaults.paths.nvml.clone();
    shown.paths.runtime = defaults.paths.runtime.clone();
    assert_eq!(shown, defaults);
}
