//! Each refusal on its own, and what an allowed job gets.

use std::path::PathBuf;

use kerf_types::job::{JobSpec, Network, VolumeMount};
use kerf_types::{Ask, Bytes, LeaseId};

use super::{
    ImagePattern, LaunchPolicy, Mount, Refusal, RunAs, Submitter, UserIds, VolumePolicy, admit,
    check_root,
};

/// Somebody with the role submit.
const USER: Submitter = submitter(1000, false);

const fn submitter(uid: u32, admin: bool) -> Submitter {
    let ids = UserIds { uid, gid: 100 };
    Submitter { ids, admin }
}

const IMAGE: &str = "docker.io/library/busybox:latest";

fn policy() -> LaunchPolicy {
    let volume = |path: &str, writable| VolumePolicy {
        path: PathBuf::from(path),
        writable,
    };
    LaunchPolicy {
        images: vec![ImagePattern::any()],
        volumes: [
            ("data".to_owned(), volume("/srv/data", false)),
            ("out".to_owned(), volume("/srv/out", true)),
        ]
        .into(),
        ..LaunchPolicy::default()
    }
}

fn volume(name: &str, path: &str, writable: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        path: path.to_owned(),
        writable,
    }
}

fn refusal(spec: &JobSpec) -> String {
    admit(&policy(), IMAGE, spec, None, USER)
        .expect_err("it is refused")
        .to_string()
}

fn matches(pattern: &str, name: &str) -> bool {
    let pattern: ImagePattern = pattern.parse().expect("a pattern");
    pattern.matches(name)
}

#[test]
fn a_pattern_covers_exactly_what_it_says() {
    assert!(matches("nvcr.io/nvidia/*", "nvcr.io/nvidia/pytorch:25.01"));
    assert!(!matches("nvcr.io/nvidia/*", "nvcr.io/nvidia-evil/pytorch"));
    assert!(!matches(
        "nvcr.io/nvidia/*",
        "evil.io/nvcr.io/nvidia/pytorch"
    ));
    assert!(matches("*/team-*:v1", "r.io/team-a/b:v1"));
    assert!(!matches("*/team-*:v1", "r.io/team-a/b:v10"));
    assert!(matches("a*a", "aa"));
    assert!(!matches("a*a", "a"));
    assert!(matches("*ab*ab", "abab"));
    assert!(matches("exact:1", "exact:1"));
    assert!(!matches("exact:1", "exact:12"));
    for wrong in ["", "a b", "a?", "a\n"] {
        assert!(wrong.parse::<ImagePattern>().is_err(), "{wrong:?}");
    }
}

#[test]
fn nothing_is_allowed_by_default() {
    let refused = admit(
        &LaunchPolicy::default(),
        IMAGE,
        &JobSpec::default(),
        None,
        USER,
    );
    let image = IMAGE.to_owned();
    assert_eq!(refused, Err(Refusal::Image { image }));
}

#[test]
fn an_ask_without_a_lease_never_starts() {
    let spec = JobSpec {
        accelerator: Some("1g.10gb".parse::<Ask>().expect("an ask")),
        ..JobSpec::default()
    };
    assert_eq!(
        refusal(&spec),
        "the job asks for 1g.10gb and no lease was given"
    );
    let lease = LeaseId::new(1, [7; 10]);
    let admitted = admit(&policy(), IMAGE, &spec, Some(lease), USER).expect("it may start");
    assert_eq!(admitted.lease, Some(lease));
}

#[test]
fn volumes_come_from_the_host_and_nowhere_else() {
    let spec = JobSpec {
        volumes: vec![
            volume("out", "/data/out", true),
            volume("data", "/data", false),
        ],
        ..JobSpec::default()
    };
    let mount = |source: &str, target: &str, writable| Mount {
        source: PathBuf::from(source),
        target: target.to_owned(),
        writable,
    };
    let admitted = admit(&policy(), IMAGE, &spec, None, USER).expect("it may start");
    assert_eq!(
        admitted.mounts,
        [
            mount("/srv/data", "/data", false),
            mount("/srv/out", "/data/out", true)
        ]
    );
    let check = |volumes: Vec<VolumeMount>, expected: &str| {
        let spec = JobSpec {
            volumes,
            ..JobSpec::default()
        };
        assert_eq!(refusal(&spec), expected);
    };
    check(
        vec![volume("etc", "/data", false)],
        "there is no volume \"etc\" on this host",
    );
    check(
        vec![volume("data", "/data", true)],
        "volume \"data\" may only be read",
    );
    for path in [
        "",
        "data",
        "/",
        "/a/../b",
        "/a//b",
        "/dev",
        "/proc/1",
        "/a/",
        "/run",
        "/run/kerf",
        "/run/kerf/x",
    ] {
        let spec = JobSpec {
            volumes: vec![volume("data", path, false)],
            ..JobSpec::default()
        };
        assert!(refusal(&spec).starts_with("volume \"data\" cannot be mounted at"));
    }
    check(
        vec![volume("data", "/a", false), volume("out", "/a", false)],
        "volume \"out\" cannot be mounted at \"/a\": another volume is mounted there already",
    );
}

#[test]
fn the_network_is_what_the_host_gives_and_the_job_wants() {
    let admitted = |gives, wants| {
        let policy = LaunchPolicy {
            host_network: gives,
            ..policy()
        };
        let spec = JobSpec {
            network: wants,
            ..JobSpec::default()
        };
        let admitted = admit(&policy, IMAGE, &spec, None, USER);
        admitted.map(|admitted| admitted.host_network)
    };
    assert_eq!(admitted(false, None), Ok(false));
    assert_eq!(admitted(true, None), Ok(true));
    assert_eq!(admitted(true, Some(Network::Host)), Ok(true));
    assert_eq!(admitted(true, Some(Network::None)), Ok(false));
    assert_eq!(admitted(false, Some(Network::None)), Ok(false));
    assert_eq!(admitted(false, Some(Network::Host)), Err(Refusal::Network));
}

#[test]
fn limits_hold_and_are_the_default() {
    let bounded = LaunchPolicy {
        max_memory: Some(Bytes(1 << 30)),
        max_cpu_milli: Some(2_000),
        ..policy()
    };
    let modest = admit(&bounded, IMAGE, &JobSpec::default(), None, USER).expect("it may start");
    assert_eq!(modest.memory, Some(Bytes(1 << 30)));
    assert_eq!(modest.cpu_milli, Some(2_000));
    let greedy = JobSpec {
        memory: Some(Bytes(2 << 30)),
        ..JobSpec::default()
    };
    let refused = admit(&bounded, IMAGE, &greedy, None, USER).expect_err("too much");
    assert_eq!(
        refused.to_string(),
        "2GiB of memory is outside of 8MiB to 1GiB"
    );
    let greedy = JobSpec {
        cpu_milli: Some(2_001),
        ..JobSpec::default()
    };
    assert!(admit(&bounded, IMAGE, &greedy, None, USER).is_err());
    let tiny = JobSpec {
        memory: Some(Bytes(4096)),
        cpu_milli: Some(1),
        ..JobSpec::default()
    };
    assert!(admit(&policy(), IMAGE, &tiny, None, USER).is_err());
}

#[test]
fn texts_that_no_process_takes_are_refused() {
    let check = |spec: JobSpec, field: &str| {
        let text = refusal(&spec);
        assert!(
            text.starts_with(&format!("{field} cannot be handed")),
            "{text}"
        );
    };
    let args = |args: &[&str]| JobSpec {
        args: args.iter().map(|text| (*text).to_owned()).collect(),
        ..JobSpec::default()
    };
    let env = |key: &str, value: &str| JobSpec {
        env: [(key.to_owned(), value.to_owned())].into(),
        ..JobSpec::default()
    };
    check(args(&["a\0b"]), "args");
    check(args(&["", "x"]), "args");
    check(env("", "x"), "env");
    check(env("A=B", "x"), "env");
    check(env("A", "x\0"), "env");
    check(env("A", &"x".repeat(2 << 20)), "args and env");
    let relative = JobSpec {
        workdir: Some("home".to_owned()),
        ..JobSpec::default()
    };
    check(relative, "workdir");
}

#[test]
fn jobs_run_as_whoever_submitted_them_unless_the_host_says_otherwise() {
    let user = |text: &str, who| {
        let policy = LaunchPolicy {
            user: text.parse().expect("a user"),
            ..policy()
        };
        let admitted = admit(&policy, IMAGE, &JobSpec::default(), None, who);
        admitted.expect("it may start").user
    };
    let ids = |uid, gid| Some(UserIds { uid, gid });
    assert_eq!(policy().user, RunAs::Submitter);
    assert_eq!(user("submitter", USER), ids(1000, 100));
    assert_eq!(user("submitter", submitter(0, true)), None);
    assert_eq!(user("image", USER), None);
    assert_eq!(user("7:8", submitter(0, true)), ids(7, 8));
    for text in ["submitter", "image", "7:8"] {
        assert_eq!(text.parse::<RunAs>().expect("a user").to_string(), text);
    }
    for wrong in ["", "root", "7", "7:", "-1:0", "7:8:9"] {
        assert!(wrong.parse::<RunAs>().is_err(), "{wrong:?}");
    }
}

#[test]
fn only_an_admin_has_root_write_to_the_host() {
    let spec = |writable| JobSpec {
        volumes: vec![volume("out", "/out", writable)],
        ..JobSpec::default()
    };
    let admitted = |writable| admit(&policy(), IMAGE, &spec(writable), None, USER).expect("fine");
    assert_eq!(
        check_root(&admitted(true), USER, 0),
        Err(Refusal::RootWrites {
            path: "/out".to_owned()
        })
    );
    assert_eq!(check_root(&admitted(true), USER, 1000), Ok(()));
    assert_eq!(check_root(&admitted(false), USER, 0), Ok(()));
    assert_eq!(check_root(&admitted(true), submitter(0, true), 0), Ok(()));
}
