//! Image archives, right ones and wrong ones, and that of the wrong ones nothing stays.

use kerf_agent::launcher::{ImportLimits, Launcher, LauncherConfig};
use kerf_types::Bytes;
use serde_json::{Value, json};

use super::parts::{Files, Layer, Parts, blob_path, bytes, descriptor, gzip, pack};
use super::{World, chain, config};

fn good() -> Parts {
    Parts::new("example.org/x:1", vec![Layer::file("etc/x", b"x")])
}

/// Archives that must be refused, with a part of the reason.
fn wrong_archives() -> Vec<(&'static str, Vec<u8>)> {
    let files = good().files();
    let layer = gzip(&good().layers[0].0);
    let config = good().config_bytes();
    let with = |change: &dyn Fn(&mut Files)| {
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
pub fn assert_clean(world: &World) {
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
fn a_sender_that_breaks_off_is_no_end() {
    let Some(world) = World::without_image() else {
        return;
    };
    let archive = good().archive();
    let whole = || archive.chunks(1000).map(|piece| Ok(piece.to_vec()));
    let broken = whole().chain([Err(std::io::ErrorKind::ConnectionReset.into())]);
    let broken = tokio_stream::iter(broken);
    let imported = world.run(world.launcher.import_chunks(broken, None));
    let error = chain(&imported.expect_err("it broke off"));
    assert!(
        error.contains("it could not be received: connection reset"),
        "{error}"
    );
    assert_clean(&world);
    let pieces = tokio_stream::iter([Ok(Vec::new())].into_iter().chain(whole()));
    let imported = world.run(world.launcher.import_chunks(pieces, None));
    assert_eq!(imported.expect("it is taken"), ["example.org/x:1"]);
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
