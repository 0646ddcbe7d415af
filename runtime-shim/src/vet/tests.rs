//! A grant that is fit for use passes; each way in which one can be wrong is refused by name.

use super::*;
use crate::frame::{LaunchKind, MemoryPolicy, Offer, REQUEST_SCHEMA};

fn request(lease: Option<&str>, claim: Option<&str>) -> LaunchRequest {
    LaunchRequest {
        schema: REQUEST_SCHEMA.to_owned(),
        kind: LaunchKind::Create,
        container_id: "c1".to_owned(),
        namespace: String::new(),
        bundle: "/b".into(),
        pid_file: None,
        ask: None,
        lease: lease.map(str::to_owned),
        claim: claim.map(str::to_owned),
        init_pid: None,
        sandbox: None,
        isolated: true,
    }
}

fn vetted(reply: LaunchReply) -> Result<Grant, VetError> {
    super::grant(reply, &request(None, None))
}

fn good() -> Grant {
    Grant {
        lease_id: "0198c0de-0000-7000-8000-000000000001".to_owned(),
        fence: 7,
        devices: vec![
            device("/dev/nvidia0"),
            device("/dev/nvidia-caps/nvidia-cap3"),
        ],
        cpuset_cpus: Some("0-3,8".to_owned()),
        cpuset_mems: Some("0".to_owned()),
        env: vec!["A=b=c".to_owned(), "EMPTY=".to_owned()],
        mounts: vec![MountEntry {
            source: "/usr/lib/libcuda.so.1".into(),
            destination: "/usr/lib/libcuda.so.1".into(),
            options: vec!["ro".to_owned()],
            kind: "bind".to_owned(),
        }],
        offers: vec![Offer {
            mount: MountEntry {
                source: "/run/kerf/nccl/a.xml".into(),
                destination: "/run/a.xml".into(),
                options: vec!["ro".to_owned()],
                kind: "bind".to_owned(),
            },
            env: vec!["FILE=/run/a.xml".to_owned()],
        }],
        claimed: Vec::new(),
        additional_gids: vec![44],
        memlock_unlimited: false,
        memory_policy: Some(MemoryPolicy {
            mode: "MPOL_BIND".to_owned(),
            nodes: "0-1".to_owned(),
        }),
    }
}

fn device(path: &str) -> DeviceNode {
    DeviceNode {
        path: path.into(),
        host_path: format!("/sim/root{path}").into(),
        major: 400,
        minor: 1,
        file_mode: 0o666,
        uid: 0,
        gid: 0,
    }
}

#[test]
fn a_good_grant_passes() {
    let grant = vetted(LaunchReply::granted(good())).expect("good");
    assert_eq!(grant, good());
}

#[test]
fn memory_is_locked_without_bound_beside_an_rdma_or_vfio_device_alone() {
    let with = |path: &str| {
        let mut grant = good();
        grant.memlock_unlimited = true;
        grant.devices.push(device(path));
        vetted(LaunchReply::granted(grant))
    };
    for path in [
        "/dev/infiniband/uverbs0",
        "/dev/vfio/7",
        "/dev/vfio/devices/vfio0",
    ] {
        with(path).expect(path);
    }
    // A name that begins like it is another folder.
    for path in ["/dev/infiniband2/uverbs0", "/dev/vfio-user"] {
        with(path).expect_err(path);
    }
}

#[test]
fn a_refusal_is_an_error_with_its_reason() {
    let error = vetted(LaunchReply::refused("no slice is free", "wait")).expect_err("refused");
    assert_eq!(error.to_string(), "kerfd refused: no slice is free");
}

#[test]
fn a_reply_of_another_schema_is_not_read() {
    let mut reply = LaunchReply::granted(good());
    reply.schema = "kerf.v2.LaunchReply".to_owned();
    assert!(matches!(vetted(reply), Err(VetError::Schema { .. })));
}

#[test]
fn who_names_a_lease_gets_that_one() {
    let id = good().lease_id;
    let claim = format!("lease={id}");
    let other = id.replace('1', "2");
    let vetted = |request: LaunchRequest| super::grant(LaunchReply::granted(good()), &request);
    vetted(request(Some(&id), None)).expect("the named one");
    vetted(request(None, Some(&claim))).expect("the named one");
    vetted(request(None, Some("slice=x"))).expect("no lease is named");
    let error = vetted(request(Some(&other), None)).expect_err("another one");
    assert!(matches!(error, VetError::OtherLease { .. }));
    let error = vetted(request(None, Some("lease=x"))).expect_err("another one");
    assert!(matches!(error, VetError::OtherLease { .. }));
}

type Fault = fn(&mut Grant);

const FAULTS: [Fault; 28] = [
    |g| g.lease_id = "lease-1".to_owned(),
    |g| g.lease_id = g.lease_id.to_uppercase(),
    |g| g.devices[0].path = "/etc/passwd".into(),
    |g| g.devices[0].path = "/dev".into(),
    |g| g.devices[0].path = "/dev/../etc/x".into(),
    |g| g.devices[0].path = "/dev/./nvidia0".into(),
    |g| g.devices[0].path = "/dev//nvidia0".into(),
    |g| g.devices[0].path = "/dev/nvidia0/".into(),
    |g| g.devices[0].path = "dev/nvidia0".into(),
    |g| g.devices[0].path = "/devil/nvidia0".into(),
    |g| g.devices[0].path = "/dev/nvidia\0".into(),
    |g| g.devices[1].path = g.devices[0].path.clone(),
    |g| g.devices[0].host_path = "relative".into(),
    |g| g.mounts[0].source = "/usr/../etc".into(),
    |g| g.mounts[0].destination = "/".into(),
    |g| g.mounts[0].kind = "proc".to_owned(),
    |g| g.mounts[0].options = vec!["ro,suid".to_owned()],
    |g| g.env[0] = "NOVALUE".to_owned(),
    |g| g.env[0] = "=x".to_owned(),
    |g| g.cpuset_cpus = Some("0; rm".to_owned()),
    |g| g.cpuset_mems = Some(String::new()),
    |g| g.offers[0].mount.source = "/run/../etc/shadow".into(),
    |g| g.offers[0].env[0] = "FILE".to_owned(),
    |g| g.memory_policy.as_mut().expect("one").mode = "MPOL_X".to_owned(),
    |g| g.memory_policy.as_mut().expect("one").mode = "MPOL_LOCAL".to_owned(),
    |g| g.memory_policy.as_mut().expect("one").nodes = String::new(),
    |g| g.memory_policy.as_mut().expect("one").nodes = "0;1".to_owned(),
    |g| g.memlock_unlimited = true,
];

#[test]
fn each_fault_of_a_grant_is_refused() {
    let mut seen = Vec::new();
    for (number, fault) in FAULTS.iter().enumerate() {
        let mut bad = good();
        fault(&mut bad);
        match vetted(LaunchReply::granted(bad)) {
            Err(error) => seen.push(error.to_string()),
            Ok(_) => panic!("fault {number} passed"),
        }
    }
    insta::assert_snapshot!(seen.join("\n"), @r#"
    kerfd's grant has a bad lease_id: "lease-1" is not a UUID of 36 lower-case characters
    kerfd's grant has a bad lease_id: "0198C0DE-0000-7000-8000-000000000001" is not a UUID of 36 lower-case characters
    kerfd's grant has a bad device path: "/etc/passwd" is not a plain path under /dev
    kerfd's grant has a bad device path: "/dev" is not a plain path under /dev
    kerfd's grant has a bad device path: "/dev/../etc/x" is not a plain path under /dev
    kerfd's grant has a bad device path: "/dev/./nvidia0" is not a plain path under /dev
    kerfd's grant has a bad device path: "/dev//nvidia0" is not a plain path under /dev
    kerfd's grant has a bad device path: "/dev/nvidia0/" is not a plain path under /dev
    kerfd's grant has a bad device path: "dev/nvidia0" is not a plain path under /dev
    kerfd's grant has a bad device path: "/devil/nvidia0" is not a plain path under /dev
    kerfd's grant has a bad device path: "/dev/nvidia\0" is not a plain path under /dev
    kerfd's grant has a bad device: "/dev/nvidia0" is not the only one at its path
    kerfd's grant has a bad host path: "relative" is not an absolute plain path
    kerfd's grant has a bad mount source: "/usr/../etc" is not an absolute plain path
    kerfd's grant has a bad mount destination: "/" is not an absolute plain path below the root
    kerfd's grant has a bad mount kind: "proc" is not bind
    kerfd's grant has a bad mount option: "ro,suid" is not one option
    kerfd's grant has a bad environment entry: "NOVALUE" is not KEY=value
    kerfd's grant has a bad environment entry: "=x" is not KEY=value
    kerfd's grant has a bad cpuset: "0; rm" is not a list of numbers
    kerfd's grant has a bad cpuset: "" is not a list of numbers
    kerfd's grant has a bad mount source: "/run/../etc/shadow" is not an absolute plain path
    kerfd's grant has a bad environment entry: "FILE" is not KEY=value
    kerfd's grant has a bad memory policy: "MPOL_X" is not a mode of set_mempolicy
    kerfd's grant has a bad memory policy: "0-1" is not the list of nodes of its mode
    kerfd's grant has a bad memory policy: "" is not the list of nodes of its mode
    kerfd's grant has a bad memory policy: "0;1" is not the list of nodes of its mode
    kerfd's grant has a bad memlock_unlimited: "true" is not for a grant with a device under /dev/infiniband or /dev/vfio
    "#);
}
