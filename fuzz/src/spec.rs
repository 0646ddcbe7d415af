//! `config.json` of a container and kerfd's answer to its runtime: a container gets what was granted and no more.

use std::path::Path;

use kerf_runtime::frame::{
    DeviceNode, Grant, LaunchKind, LaunchReply, LaunchRequest, MemoryPolicy, MountEntry, Offer,
    REQUEST_SCHEMA, decode, encode,
};
use kerf_runtime::spec::{APPLIED, Config, apply};
use kerf_runtime::vet;
use serde_json::Value;

const LEASE: &str = "0198c0de-0000-7000-8000-000000000001";

/// A `config.json`, with two grants.
pub fn oci_spec(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let bare = Grant {
        lease_id: LEASE.to_owned(),
        ..Grant::default()
    };
    for grant in [bare, grant()] {
        gets_what_was_granted(text, &grant);
    }
    let Ok(mut config) = Config::parse(text) else {
        return;
    };
    if let Ok(Some(ask)) = config.ask() {
        assert!(format!("{ask:?}").len() < 64 << 10, "an ask has a bound");
    }
    drop(config.verify("slice=0", &grant()));
}

/// The body of kerfd's answer, for a container that named a lease.
pub fn launch_reply(bytes: &[u8]) {
    let Ok(reply) = decode::<LaunchReply>(bytes) else {
        return;
    };
    let encoded = encode(&reply).expect("it came in a frame");
    let body = encoded.get(4..).expect("a header and a body");
    assert_eq!(decode::<LaunchReply>(body).ok().as_ref(), Some(&reply));
    let Ok(grant) = vet::grant(reply, &request()) else {
        return;
    };
    assert_eq!(
        grant.lease_id, LEASE,
        "no other lease than the one that was named"
    );
    for device in &grant.devices {
        let path = device.path.to_str().expect("JSON is text");
        assert!(path.starts_with("/dev/") && is_plain(path), "{path}");
    }
    for mount in &grant.mounts {
        let paths = [&mount.source, &mount.destination];
        let is_good = |path: &&std::path::PathBuf| path.to_str().is_some_and(is_plain);
        assert!(
            mount.kind == "bind" && paths.iter().all(is_good),
            "{mount:?}"
        );
        // An engine joins them with commas for mount(2).
        assert!(
            !mount.options.iter().any(|one| one.contains(',')),
            "{mount:?}"
        );
    }
    gets_what_was_granted(CONFIG, &grant);
}

/// Absolute, not the root, and without a part that leads elsewhere.
fn is_plain(path: &str) -> bool {
    let mut parts = path.split('/');
    let odd = |part: &str| matches!(part, "" | "." | "..") || part.contains('\0');
    parts.next() == Some("") && !path[1..].is_empty() && !parts.any(odd)
}

const CONFIG: &str = r#"{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":["true"],"env":["PATH=/bin"],
"cwd":"/"},"root":{"path":"rootfs"},"mounts":[{"destination":"/dev/shm","type":"tmpfs","source":"shm"}],
"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"}]},"namespaces":[{"type":"mount"}]}}"#;

fn request() -> LaunchRequest {
    LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: "c1".to_owned(),
        namespace: "default".to_owned(),
        bundle: "/run/b/c1".into(),
        pid_file: None,
        ask: None,
        lease: Some(LEASE.to_owned()),
        claim: None,
        init_pid: None,
        sandbox: None,
        isolated: true,
    }
}

fn grant() -> Grant {
    let device = |name: &str, minor| DeviceNode {
        path: format!("/dev/{name}").into(),
        host_path: format!("/dev/{name}").into(),
        major: 195,
        minor,
        file_mode: 0o20666,
        uid: 0,
        gid: 44,
    };
    let mount = |at: &str| MountEntry {
        source: at.into(),
        destination: at.into(),
        options: vec!["ro".to_owned()],
        kind: "bind".to_owned(),
    };
    let offer = Offer {
        mount: mount("/run/nvidia-topologyd/virtualTopology.xml"),
        env: vec!["NCCL_TOPO_FILE=/run/nvidia-topologyd/virtualTopology.xml".to_owned()],
    };
    Grant {
        lease_id: LEASE.to_owned(),
        fence: 7,
        devices: vec![device("nvidia0", 0), device("nvidiactl", 255)],
        cpuset_cpus: Some("0-1".to_owned()),
        cpuset_mems: Some("0".to_owned()),
        env: vec!["NVIDIA_VISIBLE_DEVICES=void".to_owned()],
        mounts: vec![mount("/usr/lib/libcuda.so.1"), mount("/dev/shm")],
        offers: vec![offer],
        claimed: Vec::new(),
        additional_gids: vec![44],
        memlock_unlimited: true,
        memory_policy: Some(MemoryPolicy {
            mode: "MPOL_BIND".to_owned(),
            nodes: "0".to_owned(),
        }),
    }
}

/// The edit adds what the grant has, once, and leaves everything else as it is.
fn gets_what_was_granted(text: &str, grant: &Grant) {
    let edited = match apply(text, grant) {
        Ok(edited) => edited,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert_eq!(
        apply(&edited, grant).ok().as_ref(),
        Some(&edited),
        "twice is once"
    );
    let (before, after) = (value(text), value(&edited));
    assert_eq!(after["annotations"][APPLIED], grant.lease_id.as_str());
    for (key, was) in before.as_object().expect("an object") {
        let is_ours = ["annotations", "linux", "mounts", "process"].contains(&key.as_str());
        assert!(is_ours || after[key] == *was, "{key} is not kerf's");
    }
    let annotations = before["annotations"].as_object().into_iter().flatten();
    annotations.for_each(|(key, was)| assert_eq!(after["annotations"][key], *was));
    devices(&before, &after, grant);
    mounts(&before, &after, grant);
    environment(&before, &after, grant);
    memory(&before, &after, grant);
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn list<'v>(spec: &'v Value, pointer: &str) -> &'v [Value] {
    let list = spec.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// Every node and every rule that is new is one of the grant.
fn devices(before: &Value, after: &Value, grant: &Grant) {
    for pointer in ["/linux/devices", "/linux/resources/devices"] {
        let (old, new) = (list(before, pointer), list(after, pointer));
        for entry in new.iter().filter(|entry| !old.contains(entry)) {
            if entry["allow"] == Value::Bool(false) {
                continue;
            }
            let is_granted = grant
                .devices
                .iter()
                .any(|device| entry["major"] == device.major && entry["minor"] == device.minor);
            assert!(is_granted, "{pointer} has got {entry}");
            assert_ne!(entry["access"], "rwm", "no container makes nodes: {entry}");
        }
        for device in &grant.devices {
            let mut entries = new.iter();
            let is_it =
                |entry: &Value| entry["major"] == device.major && entry["minor"] == device.minor;
            let is_bound = pointer == "/linux/devices" && device.path != device.host_path;
            let mut mounts = list(after, "/mounts").iter();
            let at_place = |mount: &Value| mount["source"].as_str() == device.host_path.to_str();
            let comes_otherwise = is_bound && mounts.any(at_place);
            assert!(
                entries.any(is_it) || comes_otherwise,
                "{pointer} lacks {device:?}"
            );
        }
    }
}

/// Limits of other kinds stay, in their order, and locked memory has one limit; a policy of the author's stays.
fn memory(before: &Value, after: &Value, grant: &Grant) {
    let is_memlock = |limit: &&Value| limit["type"] == "RLIMIT_MEMLOCK";
    let limits = |spec| list(spec, "/process/rlimits").iter();
    if grant.memlock_unlimited {
        let mine: Vec<&Value> = limits(after).filter(is_memlock).collect();
        assert!(
            matches!(mine[..], [one] if one["soft"] == u64::MAX && one["hard"] == u64::MAX),
            "{mine:?}"
        );
        let others = |spec| limits(spec).filter(|limit| !is_memlock(limit));
        assert!(others(before).eq(others(after)), "other limits stay");
    } else {
        assert_eq!(
            before["process"].get("rlimits"),
            after["process"].get("rlimits")
        );
    }
    let policy = |spec: &Value| spec["linux"]["memoryPolicy"].clone();
    // The kernel refuses a policy for nodes that the cpuset has not.
    let pinned = after.pointer("/linux/resources/cpu/mems");
    let has_nodes = |nodes: &str| pinned.is_none_or(|mems| mems == nodes);
    let given = grant.memory_policy.as_ref();
    match (
        given.filter(|given| has_nodes(&given.nodes)),
        policy(before),
    ) {
        (Some(given), Value::Null) => assert_eq!(policy(after)["mode"], given.mode.as_str()),
        (_, own) => assert_eq!(policy(after), own, "the author's choice stays"),
    }
}

fn mounts(before: &Value, after: &Value, grant: &Grant) {
    let (old, new) = (list(before, "/mounts"), list(after, "/mounts"));
    let at = |mount: &Value| mount["destination"].clone();
    for mount in new.iter().filter(|mount| !old.contains(mount)) {
        let offered = grant.offers.iter().map(|offer| &offer.mount);
        let goes = |from: &Path, to: &Path| {
            to.to_str() == mount["destination"].as_str()
                && from.to_str() == mount["source"].as_str()
        };
        let mut mounted = grant.mounts.iter().chain(offered);
        let mut devices = grant.devices.iter();
        let is_granted = mounted.any(|one| goes(&one.source, &one.destination))
            || devices.any(|device| goes(&device.host_path, &device.path));
        assert!(is_granted, "{mount} was not granted");
    }
    for mount in old.iter().filter(|mount| !new.contains(mount)) {
        let is_own_memory =
            mount["type"] == "tmpfs" && mount["destination"].as_str().is_some_and(is_shm);
        assert!(is_own_memory, "{mount} is gone");
    }
    let places: Vec<Value> = new.iter().map(at).collect();
    assert!(places.len() >= old.len(), "{places:?}");
}

/// Also in a longer spelling of the same place.
fn is_shm(path: &str) -> bool {
    std::path::Path::new(path) == std::path::Path::new("/dev/shm")
}

/// Variables of other names stay, in their order; those of the grant are there once, and those of an offer where the
/// container had none.
fn environment(before: &Value, after: &Value, grant: &Grant) {
    let key = |text: &str| text.split_once('=').map_or(text, |(key, _)| key).to_owned();
    let keys = |entries: &[String]| entries.iter().map(|one| key(one)).collect::<Vec<String>>();
    let of_entry = |entry: &Value| key(entry.as_str().unwrap_or_default());
    let granted = keys(&grant.env);
    let mut known = granted.clone();
    known.extend(grant.offers.iter().flat_map(|offer| keys(&offer.env)));
    let others = |spec| {
        let env = list(spec, "/process/env").iter();
        let others = env.filter(|entry| !known.contains(&of_entry(entry)));
        others.cloned().collect::<Vec<Value>>()
    };
    assert_eq!(others(before), others(after));
    let with = |spec, name: &String| {
        let env = list(spec, "/process/env").iter();
        let with = env.filter(|entry| of_entry(entry) == *name);
        with.cloned().collect::<Vec<Value>>()
    };
    for name in &known {
        let (old, new) = (with(before, name), with(after, name));
        match granted.contains(name) {
            true => assert_eq!(new.len(), 1, "{name}"),
            false if old.is_empty() => assert!(new.len() <= 1, "{name}"),
            false => assert_eq!(old, new, "{name} is the container's own"),
        }
    }
}
