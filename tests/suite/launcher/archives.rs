//! Image archives, right ones and wrong ones, and that of the wrong ones nothing stays.

use std::pin::Pin;
use std::task::{Context, Poll};

use kerf_agent::launcher::{ImportLimits, Launcher, LauncherConfig};
use kerf_types::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::parts::{Files, Layer, Parts, blob_path, bytes, descriptor, gzip, pack};
use super::{ADMIN, World, chain, config};

fn good() -> Parts {
    Parts::new("example.org/x:1", vec![Layer::file("etc/x", b"x")])
}

/// Archives that must be refused, each with a part of the reason.
type Wrong = Vec<(&'static str, Vec<u8>)>;

/// Files that are no archives, or not whole ones.
fn damaged_files() -> Wrong {
    let mut cut = good().archive();
    // In the middle of the last header: 512 bytes of content and 1,024 of the end lie behind it.
    cut.truncate(cut.len() - 1024 - 512 - 256);
    let text = b"this is no archive, and long enough".repeat(40);
    vec![
        ("no tar file", text),
        ("no tar file", cut),
        ("neither an index.json nor a manifest.json", Vec::new()),
        ("not proper gzip data", vec![0x1f, 0x8b, 8, 0, 1, 2, 3]),
    ]
}

fn with(change: impl Fn(&mut Files)) -> Vec<u8> {
    let mut files = good().files();
    change(&mut files);
    pack(&files)
}

/// Archives whose blobs are missing or not what their names say.
fn wrong_blobs() -> Wrong {
    let layer = gzip(&good().layers[0].0);
    let (layer_path, config_path) = (blob_path(&layer), blob_path(&good().config_bytes()));
    let mut damaged = layer;
    *damaged.last_mut().expect("bytes") ^= 1;
    let replaced =
        |data: &[u8]| with(|files| drop(files.insert(layer_path.clone(), data.to_vec())));
    let without = |path: &str| with(|files| drop(files.remove(path)));
    vec![
        ("lacks blobs/sha256/", without(&layer_path)),
        ("lacks blobs/sha256/", without(&config_path)),
        ("has the digest sha256:", replaced(&damaged)),
        ("bytes instead of", replaced(b"short")),
        ("unpacks to sha256:", lying()),
    ]
}

/// An archive whose configuration announces another layer than the one that is there.
fn lying() -> Vec<u8> {
    let config = Parts::new("x", vec![Layer::file("etc/y", b"y")]).config_bytes();
    let manifest = bytes(&json!({
        "schemaVersion": 2,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor(good().media_type, &gzip(&good().layers[0].0))],
    }));
    let mut listed = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    listed["annotations"] = json!({ "io.containerd.image.name": "x:1" });
    let index = json!({ "schemaVersion": 2, "manifests": [listed] });
    with(|files| {
        files.insert("index.json".to_owned(), bytes(&index));
        for blob in [&config, &manifest] {
            files.insert(blob_path(blob), blob.clone());
        }
    })
}

/// Archives whose documents are no images, or images of others.
fn wrong_documents() -> Wrong {
    let index =
        |index: Value| with(|files| drop(files.insert("index.json".to_owned(), bytes(&index))));
    let climbing = json!({ "manifests": [{ "digest": "sha256:../../etc", "size": 1 }] });
    let text = json!({ "manifests": [descriptor("text/plain", b"")] });
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
    let numbers = json!({ "manifests": 5 });
    vec![
        ("index.json in it cannot be read", index(numbers)),
        ("index.json in it cannot be read", index(climbing)),
        ("which is no image", index(text)),
        ("nothing for linux/", foreign.archive()),
        (
            "of the type application/vnd.oci.image.layer.v1.tar+zstd",
            zstd.archive(),
        ),
        ("strange name", strange_name.archive()),
    ]
}

/// Archives with entries that lead elsewhere or have no place in an image.
fn wrong_entries() -> Wrong {
    let index = || raw_header("index.json", b'0', "");
    let twice = [index(), index(), vec![0; 1024]].concat();
    let link = raw_entry("blobs/link", b'2', "../../../etc/shadow");
    vec![
        ("leads out of it", raw_entry("../../etc/cron.d/x", b'0', "")),
        ("leads out of it", raw_entry("/etc/passwd", b'0', "")),
        ("leads out of it", link),
        (
            "neither file nor folder nor link",
            raw_entry("dev", b'3', ""),
        ),
        ("twice", twice),
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
    let wrong = [
        damaged_files(),
        wrong_blobs(),
        wrong_documents(),
        wrong_entries(),
    ];
    for (reason, archive) in wrong.into_iter().flatten() {
        let imported = world.run(world.launcher.import_image(archive.as_slice(), None, ADMIN));
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
        let imported = world.run(launcher.import_image(archive, None, ADMIN));
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
    let broken = archive.as_slice().chain(Broken);
    let imported = world.run(world.launcher.import_image(broken, None, ADMIN));
    let error = chain(&imported.expect_err("it broke off"));
    assert!(
        error.contains("it could not be received: connection reset"),
        "{error}"
    );
    assert_clean(&world);
}

/// A connection that is lost.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()))
    }
}

#[test]
fn a_name_can_be_given_to_one_image() {
    let Some(world) = World::without_image() else {
        return;
    };
    let archive = good().archive();
    let import = |name| {
        world.run(
            world
                .launcher
                .import_image(archive.as_slice(), Some(name), ADMIN),
        )
    };
    assert_eq!(import("mine:2").expect("it is taken"), ["mine:2"]);
    assert!(import("not a name").is_err());
    assert_eq!(world.ctr(&["images", "list", "-q"]), "mine:2\n");
}
