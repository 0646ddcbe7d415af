//! Devices and specs from a seed, with real nodes that open nothing: Linux gives drivers no major from 512 on.

use std::path::Path;

use kerf_agent::cdi::CdiDevice;
use kerf_runtime::frame::{DeviceNode, MountEntry};
use kerf_tests::Scratch;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::{Value, json};

pub const LEASE: &str = "0198c0de-0000-7000-8000-000000000001";

const MAJOR: u32 = 600;

/// Numbers from a seed (splitmix64): the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).expect("few")).expect("less")
    }

    fn some<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        let chosen = all.iter().filter(|_| self.roll(3) > 0);
        chosen.cloned().collect()
    }
}

pub struct World {
    pub spec: Value,
    pub device: CdiDevice,
    pub common: Vec<MountEntry>,
}

/// Real nodes in a folder, as the kernel tells their numbers.
pub fn nodes(scratch: &Scratch) -> Vec<DeviceNode> {
    let node = |minor: u32| {
        let name = format!("accel{minor}");
        let host_path = scratch.join(&name);
        let numbers = makedev(MAJOR.into(), minor.into());
        mknod(
            &host_path,
            SFlag::S_IFCHR,
            Mode::from_bits_truncate(0o666),
            numbers,
        )
        .expect("a node");
        DeviceNode {
            path: Path::new("/dev").join(&name),
            host_path,
            major: MAJOR,
            minor,
            file_mode: 0o666,
            uid: 0,
            gid: 0,
        }
    };
    (0..8).map(node).collect()
}

impl World {
    pub fn new(seed: u64, nodes: &[DeviceNode]) -> Self {
        let mut dice = Dice::new(seed);
        let mut devices = dice.some(nodes);
        if devices.is_empty() {
            devices.push(nodes[0].clone());
        }
        let mount = |at: &str, options: &[&str]| MountEntry {
            source: "/etc/hostname".into(),
            destination: at.into(),
            options: options.iter().map(|word| (*word).to_owned()).collect(),
            kind: "bind".to_owned(),
        };
        let read_only = ["ro", "nosuid", "nodev", "bind"];
        let common = dice.some(&[
            mount("/usr/bin/tool", &read_only),
            mount("/usr/lib/libx.so.1", &read_only),
        ]);
        let own = dice.some(&[
            mount("/run/place", &["rw", "bind"]),
            mount("/opt/deep/er", &read_only),
        ]);
        let env = dice
            .some(&["A=1", "PATH=/own", "KERF_LEASE=x", "EMPTY=", "WITH=a=b"].map(str::to_owned));
        let gids = dice.some(&[44, 109, 7]);
        Self {
            spec: spec(&mut dice),
            device: CdiDevice {
                nodes: devices,
                mounts: own,
                env,
                gids,
                memlock: false,
            },
            common,
        }
    }
}

/// A spec as engines write it, with more and with less in it.
fn spec(dice: &mut Dice) -> Value {
    let mut spec = json!({
        "ociVersion": "1.0.2",
        "process": { "terminal": false, "cwd": "/", "args": ["sh"], "user": { "uid": 0, "gid": 0 } },
        "root": { "path": "rootfs" },
        "hostname": "h",
        "linux": { "resources": { "devices": [{ "allow": false, "access": "rwm" }] } },
    });
    let env = dice.some(&["PATH=/bin", "A=old", "OTHER=1"]);
    if dice.roll(4) > 0 {
        spec["process"]["env"] = json!(env);
    }
    if dice.roll(2) > 0 {
        spec["process"]["user"]["additionalGids"] = json!(dice.some(&[7, 10, 27]));
    }
    // Every engine's spec has mounts; in one without any the reference puts an empty one before its own.
    spec["mounts"] = json!([{ "destination": "/proc", "type": "proc", "source": "proc" }]);
    if dice.roll(2) > 0 {
        let data = json!({ "destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "rw"] });
        spec["mounts"].as_array_mut().expect("mounts").push(data);
    }
    if dice.roll(2) > 0 {
        spec["linux"]["devices"] =
            json!([{ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 }]);
        let rule =
            json!({ "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm" });
        let rules = spec["linux"]["resources"]["devices"].as_array_mut();
        rules.expect("rules").push(rule);
    }
    spec
}

/// Changes of a document: what they are, the member, and its new value.
fn changes(document: &Value) -> [(&'static str, &'static str, Value); 21] {
    [
        ("no such version", "/cdiVersion", json!("0.9.9")),
        ("a version of another shape", "/cdiVersion", json!("1")),
        ("too old a version", "/cdiVersion", json!("0.3.0")),
        ("a kind without a class", "/kind", json!("kerf.dev")),
        (
            "a vendor that begins with a digit",
            "/kind",
            json!("1kerf/slice"),
        ),
        ("a class with a space", "/kind", json!("kerf.dev/a b")),
        ("a younger version", "/cdiVersion", json!("1.0.0")),
        ("another name", "/devices/0/name", json!("x_1.y:z-9")),
        (
            "other groups",
            "/devices/0/containerEdits/additionalGids",
            json!([1]),
        ),
        ("no devices", "/devices", json!([])),
        ("a name with a slash", "/devices/0/name", json!("a/b")),
        ("an empty name", "/devices/0/name", json!("")),
        ("a name that ends in a dash", "/devices/0/name", json!("a-")),
        (
            "a name twice",
            "/devices/0/name",
            document["devices"][1]["name"].clone(),
        ),
        ("no edits", "/devices/0/containerEdits", json!({})),
        (
            "a variable without a value",
            "/devices/0/containerEdits/env",
            json!(["A"]),
        ),
        (
            "a hook at no moment",
            "/devices/0/containerEdits/hooks/0/hookName",
            json!("sometime"),
        ),
        (
            "a hook without a program",
            "/devices/0/containerEdits/hooks/0/path",
            json!(""),
        ),
        (
            "a node of no type",
            "/devices/0/containerEdits/deviceNodes/0/type",
            json!("x"),
        ),
        (
            "rights that are none",
            "/devices/0/containerEdits/deviceNodes/0/permissions",
            json!("rwx"),
        ),
        (
            "a node without a path",
            "/devices/0/containerEdits/deviceNodes/0/path",
            json!(""),
        ),
    ]
}

/// The document with one thing wrong, or only unusual, and which.
pub fn broken(seed: u64, document: &Value) -> (&'static str, Value) {
    let mut dice = Dice::new(seed ^ 0xb0b0);
    let mut broken = document.clone();
    let changes = changes(document);
    let (what, at, value) = &changes[dice.roll(changes.len())];
    match broken.pointer_mut(at) {
        Some(place) => *place = value.clone(),
        None => {
            // A member that this document does not have: it is made in the object that it belongs to.
            let (parent, key) = at.rsplit_once('/').expect("a pointer");
            if let Some(parent) = broken.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.insert(key.to_owned(), value.clone());
            }
        }
    }
    (what, broken)
}
