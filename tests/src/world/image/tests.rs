//! The archive is consistent in itself; that containerd takes it is shown in the suite.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::{Image, archive, digest, is_static, layer};

fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut tar = tar::Archive::new(archive);
    let mut files = BTreeMap::new();
    for entry in tar.entries().expect("it is a tar") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).expect("its data");
        files.insert(path, data);
    }
    files
}

fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
    let name = descriptor["digest"].as_str().expect("a digest");
    let data = files
        .get(&format!("blobs/{}", name.replace(':', "/")))
        .expect("the blob");
    assert_eq!(digest(data), name);
    assert_eq!(descriptor["size"].as_u64(), u64::try_from(data.len()).ok());
    data
}

fn json(data: &[u8]) -> Value {
    serde_json::from_slice(data).expect("it is JSON")
}

#[test]
fn every_descriptor_leads_to_its_blob() {
    let layer = layer(b"program", "bin/sh\nusr/bin/env\nlinuxrc\n", &[]).expect("a layer");
    let files = files(&archive(&layer, &Image::named("busybox:kerf")).expect("an archive"));
    let index = json(&files["index.json"]);
    let entry = &index["manifests"][0];
    assert_eq!(
        entry["annotations"]["io.containerd.image.name"],
        "busybox:kerf"
    );
    let manifest = json(blob(&files, entry));
    let config = json(blob(&files, &manifest["config"]));
    let mut plain = Vec::new();
    GzDecoder::new(blob(&files, &manifest["layers"][0]))
        .read_to_end(&mut plain)
        .expect("gzip");
    assert_eq!(config["rootfs"]["diff_ids"][0], digest(&plain));
    assert_eq!(plain, layer);
}

#[test]
fn applets_are_links_and_strange_places_are_left_out() {
    let layer = layer(b"program", "bin/sh\nlinuxrc\n", &[]).expect("a layer");
    let files = files(&layer);
    assert_eq!(files["bin/busybox"], b"program");
    assert!(files.contains_key("bin/sh"));
    assert!(!files.contains_key("linuxrc"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let make = || {
        archive(
            &layer(b"p", "bin/sh\n", &[]).expect("a layer"),
            &Image::named("a:b"),
        )
        .expect("an archive")
    };
    assert_eq!(make(), make());
}

#[test]
fn a_loader_in_the_head_means_dynamic() {
    assert!(is_static(b"\x7fELF and no loader"));
    assert!(!is_static(b"\x7fELF\0/lib64/ld-linux-x86-64.so.2\0"));
    assert!(!is_static(b"#!/bin/sh"));
}

#[test]
fn a_link_stands_in_the_place_of_a_folder() {
    let links = [("dev", "/elsewhere")];
    let layer = layer(b"p", "bin/sh\n", &links).expect("a layer");
    let mut tar = tar::Archive::new(layer.as_slice());
    let mut led = Vec::new();
    for entry in tar.entries().expect("it is a tar") {
        let entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        if path.trim_end_matches('/') == "dev" {
            led.push(
                entry
                    .link_name()
                    .expect("a name")
                    .map(|to| to.display().to_string()),
            );
        }
    }
    assert_eq!(led, [Some("/elsewhere".to_owned())]);
}
