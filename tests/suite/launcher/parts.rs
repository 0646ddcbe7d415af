//! Image archives for tests, put together from their parts.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use kerf_tests::bins;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The files of an archive by their paths.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A layer, as a tar.
pub struct Layer(pub Vec<u8>);

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
    pub architecture: &'static str,
    pub media_type: &'static str,
    pub layers: Vec<Layer>,
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

    pub fn config_bytes(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(&layer.0)).collect();
        bytes(&json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        }))
    }

    pub fn manifest_bytes(&self) -> Vec<u8> {
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
    pub fn files(&self) -> Files {
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

pub fn pack(files: &Files) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, data) in files {
        entry(&mut tar, path, data, 0o644);
    }
    tar.into_inner().expect("memory")
}

pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

pub fn bytes(document: &Value) -> Vec<u8> {
    document.to_string().into_bytes()
}

pub fn digest(data: &[u8]) -> String {
    let hex = Sha256::digest(data);
    let hex: String = hex.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

pub fn blob_path(data: &[u8]) -> String {
    format!("blobs/{}", digest(data).replace(':', "/"))
}

pub fn descriptor(media_type: &str, data: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(data), "size": data.len() })
}
