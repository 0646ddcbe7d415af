//! An OCI image of a busybox, made from the static one of the host and no registry.
//!
//! The archive is what `ctr image import` and any other OCI client takes: `oci-layout`,
//! `index.json` with the image's name in an annotation, and three blobs. Times and owners are
//! fixed, so the same busybox always gives the same digests.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{bins, process};

/// The name that tests and the demo give the image.
pub const IMAGE: &str = "busybox:kerf";

/// Folders of the root file system: mount points of a container, and homes of applets.
const FOLDERS: [(&str, u32); 12] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sbin", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/sbin", 0o755),
];

/// What an image of a busybox is, and what a hostile one can be.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// What it is called once it is imported.
    pub name: &'a str,
    /// What it runs when nobody says what.
    pub command: &'a [&'a str],
    /// `NAME=value`, besides `PATH`.
    pub env: &'a [&'a str],
    /// Labels of its configuration.
    pub labels: &'a [(&'a str, &'a str)],
    /// Symbolic links in place of folders of the root file system, and where they lead.
    pub links: &'a [(&'a str, &'a str)],
}

impl<'a> Image<'a> {
    /// A plain one.
    #[must_use]
    pub fn named(name: &'a str) -> Self {
        Self {
            name,
            command: &["sh"],
            env: &[],
            labels: &[],
            links: &[],
        }
    }

    /// Writes it as an OCI archive.
    ///
    /// # Errors
    /// When the host has no static busybox, or the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let archive = archive(&self.layer()?, self).context("cannot build the archive")?;
        std::fs::write(path, archive).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes its root file system alone as a tar, for engines that import that.
    ///
    /// # Errors
    /// As [`Image::write`].
    pub fn write_root(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.layer()?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let (busybox, program) = static_busybox()?;
        let applets = process::run(Command::new(&busybox).arg("--list-full"))?;
        layer(&program, &applets, self.links).context("cannot build the layer")
    }
}

/// Writes the plain image as an OCI archive to `path`, called `name` once it is imported.
///
/// # Errors
/// As [`Image::write`].
pub fn busybox_image(path: &Path, name: &str) -> Result<()> {
    Image::named(name).write(path)
}

/// The host's busybox and its bytes.
///
/// # Errors
/// When it is not installed, or needs a loader and libraries that no image of ours has.
pub fn static_busybox() -> Result<(PathBuf, Vec<u8>)> {
    let path = bins::system("busybox").context("busybox is not installed")?;
    let program =
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        is_static(&program),
        "{} is not static (package busybox-static)",
        path.display()
    );
    Ok((path, program))
}

/// A dynamic ELF file names its loader; in a root file system without that loader it cannot start.
fn is_static(program: &[u8]) -> bool {
    let head = program.get(..4096).unwrap_or(program);
    head.starts_with(b"\x7fELF") && !head.windows(4).any(|bytes| bytes == b"/ld-")
}

/// The root file system as a plain tar: busybox, a link for each applet, and two small files.
fn layer(program: &[u8], applets: &str, links: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let linked = |folder: &str| links.iter().any(|(name, _)| *name == folder);
    for (folder, mode) in FOLDERS.into_iter().filter(|(name, _)| !linked(name)) {
        let mut header = header(tar::EntryType::Directory, 0, mode);
        tar.append_data(&mut header, format!("{folder}/"), std::io::empty())?;
    }
    for (name, target) in links {
        let mut header = header(tar::EntryType::Symlink, 0, 0o777);
        tar.append_link(&mut header, name, target)?;
    }
    append_file(&mut tar, "bin/busybox", program, 0o755)?;
    append_file(
        &mut tar,
        "etc/passwd",
        b"root:x:0:0:root:/root:/bin/sh\n",
        0o644,
    )?;
    append_file(&mut tar, "etc/group", b"root:x:0:\n", 0o644)?;
    let known = |folder: &str| FOLDERS.iter().any(|(name, _)| *name == folder);
    for applet in applets.lines().filter(|line| *line != "bin/busybox") {
        // An applet outside the usual folders (`linuxrc`) is of no use in a container.
        if applet
            .rsplit_once('/')
            .is_some_and(|(folder, _)| known(folder))
        {
            let mut header = header(tar::EntryType::Symlink, 0, 0o777);
            tar.append_link(&mut header, applet, "/bin/busybox")?;
        }
    }
    Ok(tar.into_inner()?)
}

/// The OCI layout around one layer, as one tar.
fn archive(layer: &[u8], image: &Image<'_>) -> Result<Vec<u8>> {
    let packed = gzip(layer)?;
    let path = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
    let env: Vec<&str> = path.iter().chain(image.env).copied().collect();
    let labels: BTreeMap<&str, &str> = image.labels.iter().copied().collect();
    let config = serde_json::to_vec(&json!({
        "architecture": architecture(),
        "os": "linux",
        "config": { "Env": env, "Cmd": image.command, "Labels": labels },
        "rootfs": { "type": "layers", "diff_ids": [digest(layer)] },
    }))?;
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &packed)],
    }))?;
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["annotations"] = json!({ "io.containerd.image.name": image.name });
    let index = serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": [entry] }))?;

    let mut tar = tar::Builder::new(Vec::new());
    append_file(
        &mut tar,
        "oci-layout",
        br#"{"imageLayoutVersion":"1.0.0"}"#,
        0o644,
    )?;
    append_file(&mut tar, "index.json", &index, 0o644)?;
    for blob in [&packed, &config, &manifest] {
        let path = format!("blobs/{}", digest(blob).replace(':', "/"));
        append_file(&mut tar, &path, blob, 0o644)?;
    }
    Ok(tar.into_inner()?)
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

fn append_file(tar: &mut tar::Builder<Vec<u8>>, path: &str, data: &[u8], mode: u32) -> Result<()> {
    let size = u64::try_from(data.len())?;
    let mut header = header(tar::EntryType::Regular, size, mode);
    tar.append_data(&mut header, path, data)
        .with_context(|| format!("cannot add {path}"))
}

fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn gzip(data: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data)?;
    Ok(encoder.finish()?)
}

fn digest(data: &[u8]) -> String {
    let hex: String = Sha256::digest(data)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

/// The name that OCI has for the architecture this was built for.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests;
