//! Damaged archives in great number: every one is an error or an image, never a panic.

use std::fs::File;
use std::io::Write;

use proptest::prelude::*;
use serde_json::json;

use super::super::digest::Digest;
use super::super::documents::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Platform};
use super::{ArchiveError, Contents, plan};
use crate::launcher::config::ImportLimits;

fn archive() -> Vec<u8> {
    let layer = b"this is the layer, and it need be no tar file here".to_vec();
    let platform = Platform::host();
    let config = json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "rootfs": { "diff_ids": [Digest::of(&layer).to_string()] },
    });
    let config = config.to_string().into_bytes();
    let descriptor = |media_type: &str, bytes: &[u8]| {
        json!({
            "mediaType": media_type,
            "digest": Digest::of(bytes).to_string(),
            "size": bytes.len(),
        })
    };
    let manifest = json!({
        "config": descriptor(OCI_CONFIG, &config),
        "layers": [descriptor(OCI_LAYER, &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor(OCI_MANIFEST, &manifest);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "tool:1" });
    let index = json!({ "manifests": [entry] }).to_string().into_bytes();
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).expect("it fits"));
        tar.append_data(&mut header, path, bytes).expect("memory");
    };
    add("./index.json", &index);
    for blob in [&manifest, &config, &layer] {
        add(&format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
    }
    tar.into_inner().expect("memory")
}

fn read(bytes: &[u8]) -> Result<Vec<String>, ArchiveError> {
    let mut file: File = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("it is written");
    let plan = plan(Contents::open(file)?, None, ImportLimits::default())?;
    Ok(plan
        .images
        .into_iter()
        .flat_map(|image| image.names)
        .collect())
}

#[test]
fn a_right_archive_is_taken() {
    let names = read(&archive()).expect("it is right");
    assert_eq!(names, ["docker.io/library/tool:1"]);
}

#[test]
fn an_archive_cut_anywhere_is_refused_or_whole() {
    let whole = archive();
    for length in (0..whole.len()).step_by(64) {
        if let Ok(names) = read(&whole[..length]) {
            // All that is missing is the padding of the last blob and the two blocks of the end.
            let missing = whole.len() - length;
            assert!(missing < 1024 + 512, "{missing} bytes are missing");
            assert_eq!(names.len(), 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn damage_is_found_or_without_effect(at in 0.0..1.0_f64, byte: u8, more in prop::collection::vec(any::<u8>(), 0..8)) {
        let mut bytes = archive();
        let length = u32::try_from(bytes.len()).expect("a small archive");
        let place = (f64::from(length - 8) * at).floor();
        let place = (0..bytes.len()).find(|index| f64::from(u32::try_from(*index).unwrap_or(0)) >= place);
        let place = place.unwrap_or_default();
        bytes[place] = byte;
        for (offset, value) in more.iter().enumerate() {
            bytes[place + offset] = *value;
        }
        if let Ok(names) = read(&bytes) {
            prop_assert_eq!(names.len(), 1);
        }
    }

    #[test]
    fn noise_is_no_archive(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(read(&bytes).is_err());
    }
}

/// What an older `docker save` writes of `count` images that share a layer and have a configuration each.
fn docker_archive(count: usize) -> Vec<u8> {
    let layer = b"this is the layer, and it need be no tar file here".to_vec();
    let platform = Platform::host();
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).expect("it fits"));
        tar.append_data(&mut header, path, bytes).expect("memory");
    };
    add("layer.tar", &layer);
    let mut images = Vec::new();
    for number in 0..count {
        let config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": { "Env": [format!("NUMBER={number}")] },
            "rootfs": { "diff_ids": [Digest::of(&layer).to_string()] },
        });
        add(&format!("{number}.json"), config.to_string().as_bytes());
        images.push(json!({
            "Config": format!("{number}.json"),
            "RepoTags": [format!("tool:{number}")],
            "Layers": ["layer.tar"],
        }));
    }
    let list = serde_json::Value::Array(images).to_string();
    add("manifest.json", list.as_bytes());
    tar.into_inner().expect("memory")
}

fn planned(archive: &[u8]) -> Result<super::Plan, ArchiveError> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(archive).expect("it is written");
    plan(Contents::open(file)?, None, ImportLimits::default())
}

#[test]
fn images_of_docker_archives_are_bounded_and_their_documents_stay_in_the_file() {
    let plan = planned(&docker_archive(128)).expect("as many as may be");
    assert_eq!(plan.images.len(), 128);
    for image in &plan.images {
        let in_memory = image
            .blobs
            .iter()
            .filter(|blob| matches!(blob.source, super::Source::Memory(_)));
        // The manifest, which no file of the archive has.
        assert_eq!(in_memory.count(), 1);
    }
    let refused = planned(&docker_archive(129)).expect_err("one too many");
    assert!(matches!(refused, ArchiveError::Entries), "{refused}");
}
