//! What a reader of the folder finds, and what is gone after.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use kerf_runtime::frame::{DeviceNode, MountEntry};

use super::spec::{self, Edits};
use super::{CdiDevice, CdiFolder, Class, check};

fn device() -> CdiDevice {
    let node = DeviceNode {
        path: "/dev/nvidia0".into(),
        host_path: "/m/dev/nvidia0".into(),
        major: 400,
        minor: 0,
        file_mode: 0o666,
        uid: 0,
        gid: 0,
    };
    CdiDevice {
        nodes: vec![node],
        ..CdiDevice::default()
    }
}

#[test]
fn mounts_and_variables_stand_beside_the_nodes() {
    let folder = tempfile::tempdir().expect("a folder");
    let cdi = CdiFolder::new(folder.path(), Path::new("/k"), Path::new("/r.sock"));
    let library = MountEntry {
        source: "/m/lib/libcuda.so.1".into(),
        destination: "/lib/libcuda.so.1".into(),
        options: vec!["ro".to_owned(), "bind".to_owned()],
        kind: "bind".to_owned(),
    };
    let common = MountEntry {
        source: "/m/bin/nvidia-smi".into(),
        destination: "/bin/nvidia-smi".into(),
        ..library.clone()
    };
    let device = CdiDevice {
        gids: vec![44],
        mounts: vec![library],
        env: vec!["A=b".to_owned()],
        ..device()
    };
    cdi.write_lease("1", &device, &[common]).expect("written");
    let text = std::fs::read(folder.path().join("kerf.dev-lease-1.json")).expect("the file");
    let text: serde_json::Value = serde_json::from_slice(&text).expect("a document");
    let edits = &text["devices"][0]["containerEdits"];
    let mount = serde_json::json!({
        "hostPath": "/m/lib/libcuda.so.1",
        "containerPath": "/lib/libcuda.so.1",
        "options": ["ro", "bind"],
    });
    assert_eq!(edits["mounts"], serde_json::json!([mount]));
    assert_eq!(edits["env"], serde_json::json!(["A=b"]));
    assert_eq!(edits["additionalGids"], serde_json::json!([44]));
    // What all devices bring stands once, before them.
    let common = serde_json::json!([{
        "hostPath": "/m/bin/nvidia-smi",
        "containerPath": "/bin/nvidia-smi",
        "options": ["ro", "bind"],
    }]);
    assert_eq!(text["containerEdits"]["mounts"], common);
    assert_eq!(text["cdiVersion"], "0.7.0", "for the groups");
    // Whoever made the lease knows for whom: nothing is claimed.
    assert_eq!(edits.get("hooks"), None);
}

fn document(name: &str, kind: &str, edits: Edits) -> spec::Document {
    spec::Document {
        annotations: BTreeMap::new(),
        cdi_version: String::new(),
        container_edits: Edits::default(),
        devices: vec![spec::Device {
            annotations: BTreeMap::new(),
            container_edits: edits,
            name: name.to_owned(),
        }],
        kind: kind.to_owned(),
    }
}

#[test]
fn a_document_has_the_lowest_version_that_fits() {
    let node = |path: &str, host: Option<&str>| spec::Node {
        file_mode: None,
        gid: None,
        host_path: host.map(Into::into),
        major: None,
        minor: None,
        path: path.into(),
        permissions: None,
        r#type: None,
        uid: None,
    };
    let nodes = |host| Edits {
        device_nodes: vec![node("/dev/a", host)],
        ..Edits::default()
    };
    let mount = |kind: Option<&str>| Edits {
        mounts: vec![spec::Mount {
            container_path: "/a".into(),
            host_path: "/b".into(),
            options: Vec::new(),
            r#type: kind.map(str::to_owned),
        }],
        ..Edits::default()
    };
    let groups = Edits {
        additional_gids: vec![44],
        ..Edits::default()
    };
    let net = Edits {
        net_devices: vec![spec::NetDevice {
            host_interface_name: "eth0".to_owned(),
            name: "net0".to_owned(),
        }],
        ..Edits::default()
    };
    for (expected, name, kind, edits) in [
        ("0.3.0", "a", "v/c", nodes(None)),
        ("0.3.0", "a", "v/c", mount(None)),
        ("0.4.0", "a", "v/c", mount(Some("tmpfs"))),
        ("0.5.0", "a", "v/c", nodes(Some("/b"))),
        ("0.5.0", "0", "v/c", mount(Some("tmpfs"))),
        ("0.6.0", "0", "v/c.d", nodes(None)),
        ("0.7.0", "0", "v/c.d", groups),
        ("1.1.0", "a", "v/c", net),
    ] {
        let mut document = document(name, kind, edits);
        assert_eq!(spec::lowest_version(&document), expected, "{document:?}");
        // A younger one is good as well, an older one is not.
        for version in check::VERSIONS {
            version.clone_into(&mut document.cdi_version);
            let is_fit = check::VERSIONS.iter().position(|one| *one == version)
                >= check::VERSIONS.iter().position(|one| *one == expected);
            assert_eq!(
                check::faults(&document).is_empty(),
                is_fit,
                "{version}: {document:?}"
            );
        }
    }
}

#[test]
fn a_standing_name_carries_the_claim_hook() {
    let folder = tempfile::tempdir().expect("a folder");
    let cdi = CdiFolder::new(
        folder.path(),
        Path::new("/usr/bin/kerf-runtime"),
        Path::new("/r.sock"),
    );
    let devices = BTreeMap::from([("0000:1b:00.0-0-1".to_owned(), device())]);
    cdi.write_standing(Class::Slice, &devices, &[])
        .expect("written");
    let text =
        std::fs::read_to_string(folder.path().join("kerf.dev-slice.json")).expect("the file");
    insta::assert_snapshot!(text, @r#"
    {
      "cdiVersion": "0.5.0",
      "devices": [
        {
          "containerEdits": {
            "deviceNodes": [
              {
                "hostPath": "/m/dev/nvidia0",
                "major": 400,
                "minor": 0,
                "path": "/dev/nvidia0",
                "permissions": "rw",
                "type": "c"
              }
            ],
            "hooks": [
              {
                "args": [
                  "kerf-runtime",
                  "claim",
                  "--socket",
                  "/r.sock",
                  "slice=0000:1b:00.0-0-1"
                ],
                "env": [
                  "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
                ],
                "hookName": "createRuntime",
                "path": "/usr/bin/kerf-runtime"
              }
            ]
          },
          "name": "0000:1b:00.0-0-1"
        }
      ],
      "kind": "kerf.dev/slice"
    }
    "#);
    cdi.write_standing(Class::Slice, &BTreeMap::new(), &[])
        .expect("withdrawn");
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder")
            .count(),
        0
    );
}

#[test]
fn leases_of_the_dead_are_swept() {
    let folder = tempfile::tempdir().expect("a folder");
    let cdi = CdiFolder::new(folder.path(), Path::new("/k"), Path::new("/r.sock"));
    for id in ["a", "b"] {
        cdi.write_lease(id, &device(), &[]).expect("written");
    }
    std::fs::write(folder.path().join("nvidia.yaml"), "").expect("somebody else's file");
    for half in [
        ".kerf.dev-lease-b.json.17.tmp",
        ".kerf.dev-slice.json.17.tmp",
    ] {
        std::fs::write(folder.path().join(half), "").expect("half written");
    }
    std::fs::write(folder.path().join(".nvidia.yaml.17.tmp"), "").expect("not ours");
    cdi.keep_only_leases(&BTreeSet::from(["b".to_owned()]))
        .expect("swept");
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    let left = [
        ".nvidia.yaml.17.tmp",
        "kerf.dev-lease-b.json",
        "nvidia.yaml",
    ];
    assert_eq!(names, left);
}
