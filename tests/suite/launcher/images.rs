//! Images into containerd: what is stored, what holds it, and how names lead to it.

use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use kerf_agent::launcher::{
    ImagePattern, LaunchPolicy, Launcher, LauncherConfig, LauncherError, RunAs, UserIds,
    VolumePolicy,
};
use kerf_tests::process;
use kerf_tests::world::IMAGE;
use kerf_types::Ask;
use kerf_types::job::VolumeMount;

use super::parts::{Layer, Parts};
use super::{World, chain, config, registry};

#[test]
fn an_imported_image_is_held_by_its_record_alone() {
    let Some(world) = World::new() else { return };
    let images = world.ctr(&["images", "list", "-q"]);
    assert_eq!(images.trim(), IMAGE);
    let check = world.ctr(&["images", "check"]);
    assert!(
        check.contains("complete (2/2)") && check.contains("true"),
        "{check}"
    );
    assert_eq!(world.ctr(&["leases", "list", "-q"]), "");
    // What has lost its labels would go with the first collection, which this removal brings about.
    world.ctr(&["images", "tag", IMAGE, "other:1"]);
    world.ctr(&["images", "remove", "--sync", "other:1"]);
    assert_eq!(world.shell("one", "echo whole"), (0, "whole\n".to_owned()));
    world.import_busybox();
    assert_eq!(world.shell("two", "echo again"), (0, "again\n".to_owned()));
    world.ctr(&["images", "remove", "--sync", IMAGE]);
    assert_eq!(world.ctr(&["content", "list", "-q"]), "");
    assert_eq!(world.ctr(&["snapshots", "list"]).lines().count(), 1);
}

#[test]
fn names_are_found_as_people_write_them() {
    let Some(world) = World::without_image() else {
        return;
    };
    let parts = Parts::new("docker.io/library/tool:latest", vec![Layer::busybox()]);
    let digest = parts.manifest_digest();
    let archive = world.scratch.join("tool.tar");
    parts.write(&archive);
    world.import(&archive).expect("the archive is taken");
    let pinned = format!("tool@{digest}");
    let other = format!("tool@sha256:{}", "0".repeat(64));
    for (number, name) in [
        "tool",
        "tool:latest",
        "docker.io/library/tool:latest",
        &pinned,
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("c{number}");
        let mut request = world.request(&id, "true");
        request.spec.image = name.to_owned();
        let started = world.start(request).expect(name);
        assert_eq!(started.image, "docker.io/library/tool:latest");
        assert_eq!(world.finish(&id).0, 0);
    }
    for name in ["tool:2", "tools", "TOOL", "", "a b", "../tool", &other] {
        let mut request = world.request("none", "true");
        request.spec.image = name.to_owned();
        let error = world.start(request).expect_err("it is not there");
        assert!(
            matches!(error, LauncherError::NoImage { .. }),
            "{name}: {error}"
        );
    }
    world.assert_empty();
}

#[test]
fn archives_of_every_kind_are_taken() {
    let Some(world) = World::without_image() else {
        return;
    };
    let layers = || vec![Layer::busybox(), Layer::file("etc/second", b"upper")];
    let gzip = world.scratch.join("oci.tar.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let plain = Parts::new("example.org/oci:1", layers()).archive();
    encoder.write_all(&plain).expect("memory");
    std::fs::write(&gzip, encoder.finish().expect("memory")).expect("a file");
    let docker = world.scratch.join("docker.tar");
    std::fs::write(&docker, Parts::new("saved:1", layers()).docker_archive()).expect("a file");
    let exported = world.scratch.join("exported.tar");
    assert_eq!(world.import(&gzip).expect("gzip"), ["example.org/oci:1"]);
    assert_eq!(
        world.import(&docker).expect("docker save"),
        ["docker.io/library/saved:1"]
    );
    let export = exported.display().to_string();
    world.ctr(&["images", "export", &export, "docker.io/library/saved:1"]);
    world.ctr(&["images", "remove", "--sync", "docker.io/library/saved:1"]);
    assert_eq!(
        world.import(&exported).expect("what containerd writes"),
        ["docker.io/library/saved:1"]
    );
    for image in ["example.org/oci:1", "saved:1"] {
        let mut request = world.request("both", "cat /etc/second");
        request.spec.image = image.to_owned();
        world.start(request).expect("it starts");
        let (code, out) = world.finish("both");
        assert_eq!((code, out.ends_with("upper")), (0, true), "{image}: {out}");
    }
    world.assert_empty();
}

#[test]
fn without_the_wanted_snapshotter_the_copying_one_serves() {
    let Some(mut world) = World::without_image() else {
        return;
    };
    let other = LauncherConfig {
        snapshotter: "no-such".to_owned(),
        ..config(&world.containerd, &world.scratch)
    };
    world.launcher = Launcher::new(other).expect("a launcher");
    let mut image = Parts::new(
        "example.org/copied:1",
        vec![
            Layer::busybox(),
            Layer::file("etc/passwd", b"worker:x:12:34::/:/bin/sh\n"),
        ],
    );
    image.config = serde_json::json!({ "User": "worker" });
    let archive = world.scratch.join("copied.tar");
    image.write(&archive);
    world.import(&archive).expect("the archive is taken");
    let mut request = world.request("copied", "id -u; id -g");
    request.spec.image = "example.org/copied:1".to_owned();
    world.start(request).expect("it starts");
    assert_eq!(world.finish("copied"), (0, "12\n34\n".to_owned()));
    let native = world.ctr(&["snapshots", "--snapshotter", "native", "list"]);
    assert_eq!(native.matches("Committed").count(), 2, "{native}");
    assert_eq!(native.matches("Active").count(), 0, "{native}");
}

#[test]
fn an_image_of_another_client_is_used_and_unpacked_if_need_be() {
    let Some(world) = World::without_image() else {
        return;
    };
    let archive = world.scratch.join("other.tar");
    let layers = vec![Layer::busybox(), Layer::file("etc/x", b"x")];
    Parts::new("example.org/other:1", layers).write(&archive);
    let archive = archive.display().to_string();
    world.ctr(&["images", "import", "--no-unpack", &archive]);
    let mut request = world.request("late", "cat /etc/x; exit 4");
    request.spec.image = "example.org/other:1".to_owned();
    world.start(request).expect("it starts");
    assert_eq!(world.finish("late"), (4, "x".to_owned()));
    world.assert_empty();
}

#[test]
fn the_image_decides_command_environment_folder_and_user() {
    let Some(world) = World::without_image() else {
        return;
    };
    let passwd = b"root:x:0:0::/:/bin/sh\nworker:x:1000:100::/:/bin/sh\n";
    let group = b"users:x:100:\nvideo:x:44:worker\n";
    let mut parts = Parts::new(
        "example.org/own:1",
        vec![
            Layer::busybox(),
            Layer::file("etc/group", group),
            // Leads to the real file if it stays inside of the image, and to the host's if not.
            Layer::link("etc/passwd", "/../../lib/users"),
            Layer::file("lib/users", passwd),
        ],
    );
    parts.config = serde_json::json!({
        "User": "worker",
        "Env": ["PATH=/bin:/usr/bin", "KIND=image", "KEPT=yes"],
        "Entrypoint": ["sh", "-c"],
        "Cmd": ["echo $KIND $KEPT $(pwd) $(id -u) $(id -G)"],
        "WorkingDir": "/etc",
    });
    let archive = world.scratch.join("own.tar");
    parts.write(&archive);
    world.import(&archive).expect("the archive is taken");
    let mut request = world.request("own", "");
    request.spec.image = "example.org/own:1".to_owned();
    request.spec.args.clear();
    request.spec.env = [("KIND".to_owned(), "job".to_owned())].into();
    world.start(request).expect("it starts");
    let expected = "job yes /etc 1000 100 44\n".to_owned();
    assert_eq!(world.finish("own"), (0, expected));

    parts.config["User"] = "nobody".into();
    parts.write(&archive);
    world.import(&archive).expect("the archive is taken");
    let mut request = world.request("nobody", "true");
    request.spec.image = "example.org/own:1".to_owned();
    let error = world.start(request).expect_err("there is no such user");
    let text = chain(&error);
    assert!(
        text.contains("its user \"nobody\" is neither a number nor in"),
        "{text}"
    );
    world.assert_empty();
}

#[test]
fn an_image_of_many_layers_has_a_user_of_its_own() {
    let Some(world) = World::without_image() else {
        return;
    };
    let mut layers = vec![
        Layer::busybox(),
        Layer::file("etc/passwd", b"jovyan:x:1000:100::/:/bin/sh\n"),
    ];
    // Their paths in full take three times the page that mount options have.
    layers.extend((0..120).map(|number| Layer::file(&format!("l/{number}"), b"x")));
    let mut image = Parts::new("example.org/deep:1", layers);
    image.config = serde_json::json!({ "User": "jovyan" });
    let archive = world.scratch.join("deep.tar");
    image.write(&archive);
    world.import(&archive).expect("it is taken");
    let mut request = world.request("deep", "id -u; cat /l/119");
    request.spec.image = "example.org/deep:1".to_owned();
    world.start(request).expect("it starts");
    assert_eq!(world.finish("deep"), (0, "1000\nx".to_owned()));
    world.assert_empty();
}

#[test]
fn the_policy_is_checked_whoever_asks() {
    let Some(world) = World::new() else {
        return;
    };
    let data = world.scratch.folder("data").expect("a folder");
    std::fs::write(data.join("in"), "content").expect("a file");
    let policy = LaunchPolicy {
        images: vec!["busybox:*".parse::<ImagePattern>().expect("a pattern")],
        volumes: [(
            "data".to_owned(),
            VolumePolicy {
                path: data,
                writable: false,
            },
        )]
        .into(),
        user: RunAs::Ids(UserIds { uid: 7, gid: 8 }),
        ..LaunchPolicy::default()
    };
    world.launcher.set_policy(policy);
    let mut request = world.request("volume", "cat /data/in; touch /data/out; id -u; id -g");
    request.spec.volumes = vec![VolumeMount {
        name: "data".to_owned(),
        path: "/data".to_owned(),
        writable: false,
    }];
    world.start(request.clone()).expect("it starts");
    assert_eq!(world.finish("volume"), (0, "content7\n8\n".to_owned()));
    let error = world.log("volume", "stderr.log");
    assert!(error.contains("Read-only file system"), "{error}");

    let refused = |request| chain(&world.start(request).expect_err("it is refused"));
    request.spec.volumes[0].writable = true;
    assert!(refused(request.clone()).ends_with("volume \"data\" may only be read"));
    request.spec.volumes.clear();
    request.spec.accelerator = Some("gpu".parse::<Ask>().expect("an ask"));
    assert!(refused(request.clone()).ends_with("the job asks for gpu:1 and no lease was given"));
    request.spec.accelerator = None;
    let pulled = world.run(world.launcher.pull_image("evil.example/x:1"));
    let error = chain(&pulled.expect_err("it is refused"));
    assert!(error.ends_with("image evil.example/x:1 is not among the allowed images"));
    request.container.namespace = "k8s.io".to_owned();
    assert!(refused(request).contains("is not in the namespace"));
    let other = LauncherConfig {
        policy: LaunchPolicy::default(),
        ..config(&world.containerd, &world.scratch)
    };
    let strict = Launcher::new(other).expect("a launcher");
    let error = world
        .run(strict.start(world.request("denied", "true")))
        .expect_err("nothing is allowed by default");
    assert!(chain(&error).ends_with("image busybox:kerf is not among the allowed images"));
    world.assert_empty();
}

#[test]
fn a_registry_is_pulled_from_where_containerd_can() {
    let Some(world) = World::without_image() else {
        return;
    };
    let program = process::run(Command::new("containerd").arg("--version")).expect("it runs");
    let image = Parts::new("", vec![Layer::busybox(), Layer::file("etc/x", b"pulled")]);
    let name = format!("{}/team/tool:1", registry::serve(&image));
    let pulled = world.run(world.launcher.pull_image(&name));
    if ["1.4.", "1.5.", "1.6."]
        .iter()
        .any(|old| program.contains(&format!(" {old}")))
    {
        let text = chain(&pulled.expect_err("it has no transfer service"));
        let expected = format!("cannot pull images: import {name} from an archive instead");
        assert!(text.ends_with(&expected), "{text}");
        return;
    }
    assert_eq!(pulled.expect("it is pulled"), name);
    let mut request = world.request("pulled", "cat /etc/x");
    request.spec.image = name;
    world.start(request).expect("it starts");
    assert_eq!(world.finish("pulled"), (0, "pulled".to_owned()));
    let none = world.run(world.launcher.pull_image("127.0.0.1:1/none:1"));
    let text = chain(&none.expect_err("nobody listens there"));
    assert!(
        text.contains("could not pull the image") && text.contains("refused"),
        "{text}"
    );
    world.assert_empty();
}
