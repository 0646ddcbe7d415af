//! What a spec holds and what it never holds.

use kerf_types::job::JobSpec;
use kerf_types::{Bytes, ContainerRef, LeaseId};
use serde_json::{Value, json};

use super::super::gang::Files;
use super::super::image::ImageConfig;
use super::super::policy::{Admitted, Mount};
use super::super::terminal::TerminalSize;
use super::super::user::ProcessUser;
use super::{Recipe, build, command};

fn admitted() -> Admitted {
    Admitted {
        mounts: Vec::new(),
        memory: None,
        cpu_milli: None,
        pids: 100,
        host_network: false,
        user: None,
        lease: None,
    }
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn spec(job: &JobSpec, image: &ImageConfig, admitted: &Admitted) -> Value {
    spec_of_one_told(job, image, admitted, &[])
}

/// With these variables, and the hosts file that goes with them.
fn spec_of_one_told(
    job: &JobSpec,
    image: &ImageConfig,
    admitted: &Admitted,
    told: &[(&'static str, &str)],
) -> Value {
    let files = Files {
        hostfile: "/logs/hostfile".into(),
        hosts: "/logs/hosts".into(),
    };
    let gang = (!told.is_empty()).then_some(&files);
    let told = told
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    build(&Recipe {
        container: &ContainerRef::try_new("kerf", "job-1").expect("a name"),
        job,
        image,
        command: texts(&["true"]),
        admitted,
        user: &ProcessUser {
            uid: 7,
            gid: 8,
            additional_gids: vec![9],
        },
        terminal_size: Some(TerminalSize {
            rows: 2,
            columns: 3,
        }),
        told: told.collect(),
        gang,
        open_files: 1024,
    })
}

fn plain() -> Value {
    spec(&JobSpec::default(), &ImageConfig::default(), &admitted())
}

fn mount<'a>(spec: &'a Value, target: &str) -> Option<&'a Value> {
    let mut mounts = spec["mounts"].as_array().expect("mounts").iter();
    mounts.find(|mount| mount["destination"] == target)
}

#[test]
fn only_a_lease_is_handed_on() {
    assert_eq!(plain()["annotations"], json!({}));
    let lease = LeaseId::new(3, [4; 10]);
    let job = JobSpec {
        accelerator: Some("1g.10gb".parse().expect("an ask")),
        labels: [("kerf.dev/accelerator".to_owned(), "gpu:8".to_owned())].into(),
        ..JobSpec::default()
    };
    let leased = Admitted {
        lease: Some(lease),
        ..admitted()
    };
    let made = spec(&job, &ImageConfig::default(), &leased);
    assert_eq!(
        made["annotations"],
        json!({ "kerf.dev/lease": lease.to_string() })
    );
    assert!(!made.to_string().contains("gpu:8"));
}

#[test]
fn devices_are_forbidden_first() {
    let made = plain();
    let rules = made["linux"]["resources"]["devices"]
        .as_array()
        .expect("rules");
    assert_eq!(rules[0], json!({ "allow": false, "access": "rwm" }));
    assert!(
        rules[1..]
            .iter()
            .all(|rule| rule["allow"] == true && rule["type"] == "c")
    );
    // 195 is NVIDIA's; whole majors are open for terminals alone.
    assert!(rules[1..].iter().all(|rule| rule["major"] != 195));
    let open = rules[1..].iter().filter(|rule| rule.get("minor").is_none());
    assert_eq!(
        open.map(|rule| &rule["major"]).collect::<Vec<_>>(),
        [&json!(136)]
    );
    assert_eq!(made["linux"].get("devices"), None);
}

#[test]
fn rights_are_few_and_cannot_grow() {
    let made = plain();
    let process = &made["process"];
    assert_eq!(process["noNewPrivileges"], true);
    assert_eq!(
        process["user"],
        json!({ "uid": 7, "gid": 8, "additionalGids": [9] })
    );
    let rights = &process["capabilities"];
    assert_eq!(rights["bounding"], rights["effective"]);
    assert_eq!(rights.get("ambient"), None);
    assert_eq!(rights.get("inheritable"), None);
    for right in [
        "CAP_SYS_ADMIN",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SYS_PTRACE",
    ] {
        assert!(!rights.to_string().contains(right), "{right}");
    }
    assert_eq!(made.get("hooks"), None);
}

#[test]
fn the_network_is_the_hosts_only_by_policy() {
    let kinds = |made: &Value| {
        let spaces = made["linux"]["namespaces"].as_array().expect("namespaces");
        let kinds = spaces
            .iter()
            .map(|space| space["type"].as_str().expect("a type").to_owned());
        kinds.collect::<Vec<_>>()
    };
    let own = plain();
    assert_eq!(
        kinds(&own),
        ["pid", "ipc", "uts", "mount", "cgroup", "network"]
    );
    assert_eq!(mount(&own, "/etc/resolv.conf"), None);
    let open = Admitted {
        host_network: true,
        ..admitted()
    };
    let open = spec(&JobSpec::default(), &ImageConfig::default(), &open);
    assert_eq!(kinds(&open), ["pid", "ipc", "uts", "mount", "cgroup"]);
    let resolver = mount(&open, "/etc/resolv.conf").expect("the host's");
    assert!(
        resolver["options"]
            .as_array()
            .expect("options")
            .contains(&json!("ro"))
    );
}

#[test]
fn limits_and_volumes_are_those_admitted() {
    let made = plain();
    assert_eq!(made["linux"]["resources"].get("memory"), None);
    assert_eq!(made["linux"]["resources"].get("cpu"), None);
    assert_eq!(made["linux"]["cgroupsPath"], "/kerf/kerf/job-1");
    let volume = |target: &str, writable| Mount {
        source: "/srv/x".into(),
        target: target.to_owned(),
        writable,
    };
    let bounded = Admitted {
        memory: Some(Bytes(1 << 30)),
        cpu_milli: Some(1_500),
        mounts: vec![volume("/in", false), volume("/out", true)],
        ..admitted()
    };
    let made = spec(&JobSpec::default(), &ImageConfig::default(), &bounded);
    let resources = &made["linux"]["resources"];
    assert_eq!(resources["memory"], json!({ "limit": 1 << 30 }));
    assert_eq!(
        resources["cpu"],
        json!({ "period": 100_000, "quota": 150_000 })
    );
    assert_eq!(resources["pids"], json!({ "limit": 100 }));
    let shm = mount(&made, "/dev/shm").expect("a shared memory");
    assert!(shm.to_string().contains("size=1073741824"));
    let options = |target| mount(&made, target).expect("a volume")["options"].to_string();
    assert!(options("/in").contains("\"ro\"") && options("/out").contains("\"rw\""));
    assert!(options("/out").contains("\"nosuid\",\"nodev\""));
}

#[test]
fn what_kerf_tells_comes_before_the_image_and_after_the_job() {
    let image = ImageConfig {
        env: Some(texts(&["RANK=image", "A=image"])),
        ..ImageConfig::default()
    };
    let job = JobSpec {
        env: [("MASTER_PORT".to_owned(), "7".to_owned())].into(),
        ..JobSpec::default()
    };
    let volume = Mount {
        source: "/srv/x".into(),
        target: "/x".to_owned(),
        writable: false,
    };
    let admitted = Admitted {
        mounts: vec![volume],
        ..admitted()
    };
    let told = [("RANK", "1"), ("MASTER_PORT", "20007")];
    let made = spec_of_one_told(&job, &image, &admitted, &told);
    let env = made["process"]["env"].as_array().expect("variables");
    let has = |text: &str| env.contains(&json!(text));
    assert!(has("RANK=1") && has("A=image"), "{env:?}");
    assert!(has("MASTER_PORT=7"), "{env:?}");
    assert!(!has("MASTER_PORT=20007"), "{env:?}");
    let file = mount(&made, "/run/kerf/hostfile").expect("the hosts");
    assert_eq!(file["source"], "/logs/hostfile");
    assert!(file["options"].to_string().contains("\"ro\""), "{file}");
    let targets = made["mounts"].as_array().expect("mounts").iter();
    let targets: Vec<&Value> = targets.map(|mount| &mount["destination"]).collect();
    let at = |target: &str| targets.iter().position(|one| *one == target);
    assert!(at("/run") < at("/run/kerf/hostfile"), "{targets:?}");
    assert_eq!(mount(&plain(), "/run/kerf/hostfile"), None);
    assert_eq!(mount(&made, "/etc/hosts"), None, "it has no network");
    let open = Admitted {
        host_network: true,
        ..admitted
    };
    let made = spec_of_one_told(&job, &image, &open, &told);
    let hosts = mount(&made, "/etc/hosts").expect("the host's and its own");
    assert_eq!(hosts["source"], "/logs/hosts");
}

#[test]
fn the_job_comes_before_the_image() {
    let image = ImageConfig {
        env: Some(texts(&["A=image", "PATH=/x", "B=image", "broken"])),
        entrypoint: Some(texts(&["/entry"])),
        cmd: Some(texts(&["default"])),
        working_dir: Some("/image".to_owned()),
        ..ImageConfig::default()
    };
    let job = JobSpec {
        env: [("B".to_owned(), "job".to_owned())].into(),
        terminal: true,
        ..JobSpec::default()
    };
    let made = spec(&job, &image, &admitted());
    let process = &made["process"];
    assert_eq!(
        process["env"],
        json!(["A=image", "B=job", "PATH=/x", "TERM=xterm"])
    );
    assert_eq!(process["cwd"], "/image");
    assert_eq!(process["terminal"], true);
    assert_eq!(process["consoleSize"], json!({ "height": 2, "width": 3 }));
    let job = JobSpec {
        workdir: Some("/job".to_owned()),
        args: texts(&["own", "words"]),
        ..JobSpec::default()
    };
    let made = spec(&job, &image, &admitted());
    assert_eq!(made["process"]["cwd"], "/job");
    assert_eq!(made["process"].get("consoleSize"), None);
    assert_eq!(command(&job, &image), Some(texts(&["own", "words"])));
    let silent = JobSpec::default();
    assert_eq!(
        command(&silent, &image),
        Some(texts(&["/entry", "default"]))
    );
    assert_eq!(command(&silent, &ImageConfig::default()), None);
}
