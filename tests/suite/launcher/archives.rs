//! Image archives, right ones and wrong ones, and that of the wrong ones nothing stays.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use kerf_agent::launcher::{ImportLimits, Launcher, LauncherConfig};
use kerf_tests::bins;
use kerf_types::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{World, chain, config};

/// A layer, as a tar.
pub struct Layer(Vec<u8>);

impl Layer {
    /// The host's static busybox with the few applets that scripts here use.
    pub fn busybox() -> Self {
        let busybox = bins::system("busybox").expect("busybox is there with containerd");
        let program = std::fs::read(busybox).expect("it can be read");
        let mut tar = tar::Builder::new(Vec::new());
        entry(&mut tar, "bin/busybox", &program, 0o755);
        for applet in ["cat", "id", "sh", "sleep", "touch", "true"] {
            link(&mut tar, &format!("bin/{applet}"), "busybox");
        }
        Self(tar.into_inner().expect("memory"))
    }

    pub fn file(path: &str, data: &[u8]) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        entry(&mut tar, path, data, 0o644);
        Self(tar.into_inner().expect("memory"))
    }

    pub fn link(path: &str, target: &str) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        link(&mut tar, path, target);
        Self(tar.into_inner().expect("memory"))
    }
}

/// The parts of an image, to be put together rightly or wrongly.
pub struct Parts {
    pub name: String,
    pub config: Value,
    architecture: &'static str,
    media_type: &'static str,
    layers: Vec<Layer>,
}

impl Parts {
    pub fn new(name: &str, layers: Vec<Layer>) -> Self {
        Self {
            name: name.to_owned(),
            config: json!({ "Cmd": ["sh"] }),
            architecture: match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            },
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip",
            layers,
        }
    }

    fn config_bytes(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(&layer.0)).collect();
        bytes(&json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        }))
    }

    fn manifest_bytes(&self) -> Vec<u8> {
        let layers = self.layers.iter().map(|layer| gzip(&layer.0));
        let layers = layers.map(|layer| descriptor(self.media_type, &layer));
        bytes(&json!({
            "schemaVersion": 2,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &self.config_bytes()),
            "layers": layers.collect::<Vec<_>>(),
        }))
    }

    pub fn manifest_digest(&self) -> String {
        digest(&self.manifest_bytes())
    }

    /// The files of an OCI layout by their paths.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let manifest = self.manifest_bytes();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let mut entry = descriptor(kind, &manifest);
        entry["annotations"] = json!({ "io.containerd.image.name": self.name });
        let index = json!({ "schemaVersion": 2, "manifests": [entry] });
        let mut files = BTreeMap::from([
            ("index.json".to_owned(), bytes(&index)),
            (
                "oci-layout".to_owned(),
                br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(),
            ),
        ]);
        let layers = self.layers.iter().map(|layer| gzip(&layer.0));
        for blob in layers.chain([manifest, self.config_bytes()]) {
            files.insert(blob_path(&blob), blob);
        }
        files
    }

    pub fn archive(&self) -> Vec<u8> {
        pack(&self.files())
    }

    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.archive()).expect("a file");
    }

    /// What an older `docker save` writes; the last layer is a link, as for a layer that is there twice.
    pub fn docker_archive(&self) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut paths = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            entry(&mut tar, &format!("store/{number}.tar"), &layer.0, 0o644);
            link(
                &mut tar,
                &format!("{number}/layer.tar"),
                &format!("../store/{number}.tar"),
            );
            paths.push(format!("{number}/layer.tar"));
        }
        entry(&mut tar, "config.json", &self.config_bytes(), 0o644);
        let manifest =
            json!([{ "Config": "config.json", "RepoTags": [self.name], "Layers": paths }]);
        entry(&mut tar, "manifest.json", &bytes(&manifest), 0o644);
        tar.into_inner().expect("memory")
    }
}

fn entry(tar: &mut tar::Builder<Vec<u8>>, path: &str, data: &[u8], mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(data.len()).expect("it fits"));
    header.set_mode(mode);
    tar.append_data(&mut header, path, data).expect("memory");
}

fn link(tar: &mut tar::Builder<Vec<u8>>, path: &str, target: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    header.set_mode(0o777);
    tar.append_link(&mut header, path, target).expect("memory");
}

fn pack(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, data) in files {
        entry(&mut tar, path, data, 0o644);
    }
    tar.into_inner().expect("memory")
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

fn digest(data: &[u8]) -> String {
    let hex = Sha256::digest(data);
    let hex: String = hex.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn blob_path(data: &[u8]) -> String {
    format!("blobs/{}", digest(data).replace(':', "/"))
}

fn descriptor(media_type: &str, data: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(data), "size": data.len() })
}

fn good() -> Parts {
    Parts::new("example.org/x:1", vec![Layer::file("etc/x", b"x")])
}

/// Archives that must be refused, with a part of the reason.
fn wrong_archives() -> Vec<(&'static str, Vec<u8>)> {
    let files = good().files();
    let layer = gzip(&good().layers[0].0);
    let config = good().config_bytes();
    let with = |change: &dyn Fn(&mut BTreeMap<String, Vec<u8>>)| {
        let mut files = files.clone();
        change(&mut files);
        pack(&files)
    };
    let index =
        |index: Value| with(&|files| drop(files.insert("index.json".to_owned(), bytes(&index))));
    let mut damaged = layer.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    let foreign = Parts {
        architecture: "s390x",
        ..good()
    };
    let zstd = Parts {
        media_type: "application/vnd.oci.image.layer.v1.tar+zstd",
        ..good()
    };
    let strange_name = Parts {
        name: "a b\nc".to_owned(),
        ..good()
    };
    // Announces another diff id by having another layer in the configuration.
    let mut lying = good().files();
    let other = Parts::new("x", vec![Layer::file("etc/y", b"y")]).config_bytes();
    lying.remove(&blob_path(&config));
    lying.insert(blob_path(&other), other.clone());
    let manifest = bytes(&json!({
        "schemaVersion": 2,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &other),
        "layers": [descriptor(good().media_type, &layer)],
    }));
    let mut listed = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    listed["annotations"] = json!({ "io.containerd.image.name": "x:1" });
    let lying_index = json!({ "schemaVersion": 2, "manifests": [listed] });
    lying.insert("index.json".to_owned(), bytes(&lying_index));
    lying.insert(blob_path(&manifest), manifest);
    let whole = good().archive();
    vec![
        (
            "no tar file",
            b"this is no archive, and long enough".repeat(40),
        ),
        ("no tar file", whole[..whole.len() / 2 - 200].to_vec()),
        ("neither an index.json nor a manifest.json", Vec::new()),
        ("not proper gzip data", vec![0x1f, 0x8b, 8, 0, 1, 2, 3]),
        (
            "lacks blobs/sha256/",
            with(&|files| drop(files.remove(&blob_path(&layer)))),
        ),
        (
            "lacks blobs/sha256/",
            with(&|files| drop(files.remove(&blob_path(&config)))),
        ),
        (
            "has the digest sha256:",
            with(&|files| drop(files.insert(blob_path(&layer), damaged.clone()))),
        ),
        (
            "bytes instead of",
            with(&|files| drop(files.insert(blob_path(&layer), b"short".to_vec()))),
        ),
        ("unpacks to sha256:", pack(&lying)),
        (
            "index.json in it cannot be read",
            index(json!({ "manifests": 5 })),
        ),
        (
            "index.json in it cannot be read",
            index(json!({ "manifests": [{ "digest": "sha256:../../etc", "size": 1 }] })),
        ),
        (
            "which is no image",
            index(json!({ "manifests": [descriptor("text/plain", b"")] })),
        ),
        ("nothing for linux/", foreign.archive()),
        (
            "of the type application/vnd.oci.image.layer.v1.tar+zstd",
            zstd.archive(),
        ),
        ("strange name", strange_name.archive()),
        ("leads out of it", raw_entry("../../etc/cron.d/x", b'0', "")),
        ("leads out of it", raw_entry("/etc/passwd", b'0', "")),
        (
            "leads out of it",
            raw_entry("blobs/link", b'2', "../../../etc/shadow"),
        ),
        (
            "neither file nor folder nor link",
            raw_entry("dev", b'3', ""),
        ),
        (
            "twice",
            [
                raw_header("index.json", b'0', ""),
                raw_entry("index.json", b'0', ""),
            ]
            .concat(),
        ),
    ]
}

/// An entry that no honest writer makes.
fn raw_header(path: &str, kind: u8, target: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    header.set_entry_type(tar::EntryType::new(kind));
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn raw_entry(path: &str, kind: u8, target: &str) -> Vec<u8> {
    let mut archive = raw_header(path, kind, target);
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// Nothing of an import is left, neither in containerd nor in kerfd's folder.
fn assert_clean(world: &World) {
    for list in ["images", "leases"] {
        assert_eq!(world.ctr(&[list, "list", "-q"]), "");
    }
    assert_eq!(world.ctr(&["content", "list", "-q"]), "");
    assert_eq!(world.ctr(&["content", "active"]).lines().count(), 1);
    assert_eq!(world.ctr(&["snapshots", "list"]).lines().count(), 1);
    let folder = world.scratch.join("state/import");
    assert_eq!(std::fs::read_dir(folder).expect("it is there").count(), 0);
}

#[test]
fn wrong_archives_are_refused_and_leave_nothing() {
    let Some(world) = World::without_image() else {
        return;
    };
    for (reason, archive) in wrong_archives() {
        let imported = world.run(world.launcher.import_image(archive.as_slice(), None));
        let error = chain(&imported.expect_err(reason));
        assert!(error.contains(reason), "{reason:?} is not in {error:?}");
        assert_clean(&world);
    }
}

#[test]
fn archives_past_the_limits_are_refused() {
    let Some(world) = World::without_image() else {
        return;
    };
    let limits = ImportLimits {
        archive: Bytes(64 << 10),
        unpacked: Bytes(1 << 20),
    };
    let config = LauncherConfig {
        import: limits,
        ..config(&world.containerd, &world.scratch)
    };
    let launcher = Launcher::new(config).expect("a launcher");
    let check = |archive: &[u8], reason: &str| {
        let imported = world.run(launcher.import_image(archive, None));
        let error = chain(&imported.expect_err(reason));
        assert!(error.contains(reason), "{reason:?} is not in {error:?}");
        assert_clean(&world);
    };
    let zeros = vec![0; 4 << 20];
    check(&zeros, "it is larger than 64KiB");
    check(&gzip(&zeros), "it is larger than 64KiB");
    let bomb = Parts::new("bomb:1", vec![Layer::file("etc/bomb", &zeros)]);
    check(&bomb.archive(), "its layers unpack to more than 1MiB");
    // A long name of which the header says that it has 60 GiB.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(60 << 30);
    header.set_cksum();
    check(
        header.as_bytes(),
        "larger entries than an image archive can have",
    );
}

#[test]
fn a_name_can_be_given_to_one_image() {
    let Some(world) = World::without_image() else {
        return;
    };
    let archive = good().archive();
    let import = |name| world.run(world.launcher.import_image(archive.as_slice(), Some(name)));
    assert_eq!(import("mine:2").expect("it is taken"), ["mine:2"]);
    assert!(import("not a name").is_err());
    assert_eq!(world.ctr(&["images", "list", "-q"]), "mine:2\n");
}
