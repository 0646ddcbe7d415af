//! Names, digests and documents; what talks to containerd is tested in the suite.

use super::digest::Digest;
use super::documents::{ConfigFile, Descriptor, Index, Platform};
use super::name;

fn digest(text: &str) -> Digest {
    Digest::try_from(text.to_owned()).expect("a digest")
}

#[test]
fn short_names_become_full_ones() {
    let check = |short, full| assert_eq!(name::full(short), full);
    check("busybox", "docker.io/library/busybox:latest");
    check("busybox:1", "docker.io/library/busybox:1");
    check("team/tool", "docker.io/team/tool:latest");
    check("localhost/tool", "localhost/tool:latest");
    check("host:5000/tool", "host:5000/tool:latest");
    check("nvcr.io/nvidia/cuda:13", "nvcr.io/nvidia/cuda:13");
    check("tool@sha256:0", "docker.io/library/tool@sha256:0");
    for wrong in ["", "-x", "a b", "a\n", "/a", "a;b", "ü", &"a".repeat(600)] {
        assert!(name::check(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_digest_is_sha256_in_its_one_spelling() {
    let of_nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Digest::of(b""), digest(of_nothing));
    let (found, length) = Digest::read(&b""[..], 0).expect("it is within the limit");
    assert_eq!((found, length), (digest(of_nothing), 0));
    assert!(Digest::read(&b"ab"[..], 1).is_err());
    for wrong in [
        "",
        "sha256:",
        "sha512:00",
        "sha256:../../x",
        &of_nothing.to_uppercase(),
    ] {
        assert!(Digest::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
    }
}

#[test]
fn chain_ids_are_those_of_the_specification() {
    let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
    let chain = Digest::chain(&[a.clone(), b.clone()]);
    assert_eq!(
        chain,
        [a.clone(), Digest::of(format!("{a} {b}").as_bytes())]
    );
    assert_eq!(Digest::chain(&[]), []);
}

fn entry(architecture: Option<&str>, digit: char) -> Descriptor {
    Descriptor {
        media_type: String::new(),
        digest: digest(&format!("sha256:{}", digit.to_string().repeat(64))),
        size: 0,
        platform: architecture.map(|architecture| Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
        }),
        annotations: std::collections::BTreeMap::new(),
    }
}

#[test]
fn an_index_gives_the_manifest_for_the_machine() {
    let wanted = Platform {
        os: "linux".to_owned(),
        architecture: "arm64".to_owned(),
    };
    let pick = |manifests: Vec<Descriptor>| {
        let index = Index { manifests };
        index
            .pick(&wanted)
            .map(|found| found.digest.hex().to_owned())
    };
    let b = Some("b".repeat(64));
    assert_eq!(
        pick(vec![entry(Some("amd64"), 'a'), entry(Some("arm64"), 'b')]),
        b
    );
    assert_eq!(pick(vec![entry(None, 'b')]), b);
    assert_eq!(pick(vec![entry(None, 'a'), entry(None, 'b')]), None);
    assert_eq!(pick(vec![entry(Some("amd64"), 'a')]), None);
    assert_eq!(pick(Vec::new()), None);
}

#[test]
fn lists_of_a_configuration_may_be_null() {
    let text = r#"{"architecture":"amd64","os":"linux","history":[],
        "config":{"Env":null,"Entrypoint":null,"Cmd":["x"],"User":"","Volumes":{"/a":{}}},
        "rootfs":{"type":"layers","diff_ids":[]}}"#;
    let file: ConfigFile = serde_json::from_str(text).expect("a configuration");
    let config = file.config.expect("a part for the process");
    assert_eq!((config.env, config.cmd), (None, Some(vec!["x".to_owned()])));
    assert_eq!(file.platform.architecture, "amd64");
    let bare = r#"{"architecture":"a","os":"b","rootfs":{"diff_ids":[]}}"#;
    let file: ConfigFile = serde_json::from_str(bare).expect("a configuration");
    assert_eq!(file.config, None);
}
