//! A host with containers of plain runc, and what is asked of them and of `kerf device`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kerf_api::v1::Lease;
use kerf_tests::{Capability, process, require};
use serde_json::{Value, json};

use super::super::bundle::Bundles;
use super::super::containers::run;
use super::super::isolation::{expected, own, probe_by};
use super::super::world::World;

/// A host with a list of devices, and containers that run on it.
pub struct Host {
    pub bundles: Bundles,
    pub world: World,
}

impl Host {
    pub fn new(machine: &str, config: &str) -> Option<Self> {
        if !require(Capability::Cgroup) || !super::has_list() {
            return None;
        }
        let world = World::bare(machine, config)?;
        let bundles = Bundles::new(&world);
        Some(Self { bundles, world })
    }

    /// A name that no container of another test on this machine has: cgroups of all of them are looked through.
    pub fn name(&self, id: &str) -> String {
        unique(&self.world, id)
    }

    /// Starts a container that sleeps, with what an edit of its spec makes of it.
    pub fn start(&self, id: &str, edit: impl FnOnce(&mut Value)) -> u32 {
        let mut spec = self.bundles.spec(id, "exec sleep 600");
        // Without the latter the mode of a node would answer in the place of the device cgroup.
        let capabilities = json!(["CAP_MKNOD", "CAP_DAC_OVERRIDE"]);
        for set in ["bounding", "effective", "permitted"] {
            spec["process"]["capabilities"][set] = capabilities.clone();
        }
        edit(&mut spec);
        self.bundles.runc(id, &spec).ok();
        let pid = std::fs::read_to_string(self.bundles.folder().join(id).join("pid"));
        pid.expect("a pid file").trim().parse().expect("a pid")
    }

    /// Runs a script in a container.
    pub fn exec(&self, id: &str, script: &str) -> String {
        let mut command = self.runc();
        command.args(["exec", id, "sh", "-c", script]);
        run(&mut command, &self.world.scratch.join("exec.log"))
            .ok()
            .to_owned()
    }

    pub fn runc(&self) -> Command {
        self.bundles
            .command(&kerf_tests::bins::system("runc").expect("runc"))
    }

    pub fn kerf(&self, words: &[&str]) -> Output {
        let mut command = self.world.kerfd.kerf().expect("kerf is built");
        process::output(command.args(words)).expect("it starts")
    }

    /// `kerf … -o json`, which must succeed.
    pub fn document(&self, words: &[&str]) -> Value {
        let mut all = words.to_vec();
        all.extend(["-o", "json"]);
        let output = self.kerf(&all);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).expect("a document")
    }

    /// `kerf …`, which must be refused, and why.
    pub fn refused(&self, words: &[&str]) -> String {
        let output = self.kerf(words);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {text}");
        text
    }

    /// What a container may open of the machine's nodes: it has each of these in its `/dev`, and no other.
    pub fn opens(&self, id: &str) -> BTreeSet<String> {
        let nodes = self.world.nodes();
        own(&probe_by(id, &nodes, |script| self.exec(id, script)))
    }

    pub fn attach(&self, id: &str, ask: &str) -> Lease {
        let document = self.document(&["device", "attach", id, ask]);
        self.lease(document["lease"]["id"].as_str().expect("an id"))
    }

    pub fn lease(&self, id: &str) -> Lease {
        let leases = self.world.client.leases();
        let lease = leases.iter().find(|lease| lease.id == id);
        lease
            .unwrap_or_else(|| panic!("{id} is not in {leases:?}"))
            .clone()
    }

    /// The list of a container's cgroup.
    pub fn list(&self, id: &str) -> PathBuf {
        let unique = self.world.scratch.path().file_name().expect("a name");
        let devices = Path::new("/sys/fs/cgroup/devices");
        devices.join(unique).join(id)
    }

    /// The rules for accelerators in it.
    pub fn rules(&self, id: &str) -> BTreeSet<String> {
        let majors: BTreeSet<String> = self
            .world
            .nodes()
            .iter()
            .map(|node| format!("c {}:", node.major))
            .collect();
        let text = std::fs::read_to_string(self.list(id).join("devices.list")).expect("a list");
        text.lines()
            .filter(|line| majors.iter().any(|major| line.starts_with(major)))
            .map(str::to_owned)
            .collect()
    }

    /// As systemd does when it reads its units anew: nothing that it was not told of stays.
    pub fn write_rules_away(&self, id: &str) {
        let rules = self.rules(id);
        assert!(!rules.is_empty());
        for rule in rules {
            std::fs::write(self.list(id).join("devices.deny"), rule).expect("ours");
        }
    }
}

/// A name of a container that is of this host alone.
pub fn unique(world: &World, id: &str) -> String {
    let folder = world.scratch.path().file_name().expect("a name");
    format!("{id}.{}", folder.to_string_lossy())
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn union(world: &World, leases: &[&Lease]) -> BTreeSet<String> {
    leases
        .iter()
        .flat_map(|lease| expected(world, lease))
        .collect()
}
