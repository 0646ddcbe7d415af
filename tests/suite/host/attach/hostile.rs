//! Containers that devices cannot be put into: each is told why, and nothing of it, of the host or of the leases changes.

use std::os::unix::fs::{chown, symlink};
use std::path::Path;

use kerf_tests::engines::Suite;
use kerf_tests::{Capability, executable, require};
use serde_json::{Value, json};

use super::super::bundle::Bundles;
use super::super::matrix::unified;
use super::running::Host;

/// Somebody without rights.
const USER: u32 = 54_321;

/// Asks for a container, which must be refused with these words; nothing is left of it.
fn refused(host: &Host, id: &str, words: &str) {
    let text = host.refused(&["device", "attach", id, "1g.10gb"]);
    assert!(text.contains(words), "{id}: {text}");
    assert!(text.contains("hint: "), "{id}: {text}");
    host.world.assert_untouched();
}

#[test]
fn a_dev_that_leads_elsewhere_is_refused() {
    let Some(host) = Host::new("h100x1", "") else {
        return;
    };
    // An image whose /dev is a link: its runtime mounts behind it.
    let rootfs = host.world.scratch.join("linked");
    std::fs::create_dir_all(rootfs.join("bin")).expect("a folder");
    for name in ["real", "proc", "tmp"] {
        std::fs::create_dir(rootfs.join(name)).expect("a folder");
    }
    symlink("real", rootfs.join("dev")).expect("a link");
    let busybox = host.bundles.root().join("bin/busybox");
    executable::copy(&busybox, &rootfs.join("bin/busybox")).expect("a copy");
    for applet in ["sh", "sleep"] {
        symlink("busybox", rootfs.join("bin").join(applet)).expect("a link");
    }
    host.start(&host.name("linked"), |spec| {
        spec["root"]["path"] = json!(rootfs)
    });
    refused(&host, &host.name("linked"), "is a link");
    // The host's own devices, bound there.
    let bound = |spec: &mut Value| {
        let mounts = spec["mounts"].as_array_mut().expect("mounts");
        mounts.retain(|mount| mount["destination"] != "/dev");
        mounts.push(
            json!({ "destination": "/dev", "type": "bind", "source": "/dev",
                            "options": ["rbind", "rslave"] }),
        );
    };
    let before = entries(Path::new("/dev"));
    host.start(&host.name("bound"), bound);
    refused(
        &host,
        &host.name("bound"),
        "is the host's, or on a file system that the host sees",
    );
    assert_eq!(entries(Path::new("/dev")), before);
    // The plain root file system of its image, which lies on the host.
    host.start(&host.name("plain"), |spec| {
        let mounts = spec["mounts"].as_array_mut().expect("mounts");
        mounts.retain(|mount| mount["destination"] != "/dev");
    });
    refused(
        &host,
        &host.name("plain"),
        "is the host's, or on a file system that the host sees",
    );
}

#[test]
fn what_stands_in_a_nodes_place_is_refused() {
    let Some(host) = Host::new("h100x1", "") else {
        return;
    };
    for (id, script, words) in [
        (
            "file",
            ": >/dev/nvidia0",
            "/dev/nvidia0 of the container is a plain file already",
        ),
        (
            "link",
            "ln -s /dev/null /dev/nvidia0",
            "/dev/nvidia0 of the container is a link already",
        ),
        (
            "other",
            "mknod /dev/nvidia0 c 1 3",
            "is another device already (1:3)",
        ),
        (
            "caps",
            "ln -s /tmp /dev/nvidia-caps",
            "/dev/nvidia-caps of the container is a link",
        ),
    ] {
        let id = &host.name(id);
        host.start(id, |_| {});
        host.exec(id, script);
        let listed = host.exec(id, "echo /dev/*");
        refused(&host, id, words);
        assert_eq!(host.exec(id, "echo /dev/*"), listed);
        assert!(host.rules(id).is_empty());
    }
}

/// What of a driver is there; other tests may make other nodes on the host meanwhile.
fn entries(folder: &Path) -> Vec<String> {
    let mut names = super::super::world::names(folder);
    names.retain(|name| name.starts_with("nvidia"));
    names
}

#[test]
fn one_that_opens_everything_and_one_that_is_not_there_are_refused() {
    let Some(host) = Host::new("h100x1", "") else {
        return;
    };
    host.start(&host.name("privileged"), |spec| {
        spec["linux"]["resources"]["devices"] = json!([{ "allow": true, "access": "rwm" }]);
    });
    refused(&host, &host.name("privileged"), "can open every device");
    refused(&host, "nobody", "no container \"nobody\" runs on this host");
    refused(&host, "pid:1", "no container \"pid:1\" runs on this host");
    let usage = host.kerf(&["device", "attach", "pid:x", "1g.10gb"]);
    assert_eq!(usage.status.code(), Some(2));
    // Two of one name in two namespaces.
    let name = &host.name("twin");
    let twin = |group: &str| {
        let path = format!("/{group}/{name}");
        move |spec: &mut Value| spec["linux"]["cgroupsPath"] = json!(path)
    };
    let unique = host.world.scratch.path().file_name().expect("a name");
    let group = unique.to_string_lossy().into_owned();
    let pid = host.start(&host.name("one"), twin(&group));
    host.start(&host.name("two"), twin(&format!("{group}-b")));
    refused(&host, name, "may be several containers");
    let words = ["device", "attach", name, "1g.10gb", "--namespace", &group];
    let document = host.document(&words);
    assert_eq!(document["lease"]["init_pid"], json!(pid));
    for id in ["one", "two"] {
        host.bundles.end(&host.name(id));
    }
    kerf_tests::world::leftovers::remove_cgroups(&format!("{group}-b"));
    host.world.until_no_leases();
}

#[test]
fn under_cgroup_v2_it_says_that_it_cannot_and_what_to_do() {
    if !require(Capability::Containerd) || !require(Capability::Engines) {
        return;
    }
    let Some(Host { bundles, world }) = Host::new("h100x1", "") else {
        return;
    };
    drop(bundles);
    let (_guard, view) = unified(&world.scratch);
    let runc = Suite::Sid.program("runc").expect("it is unpacked");
    let bundles = Bundles::by(&world, runc, Some(view));
    let host = Host { bundles, world };
    let c = &host.name("c");
    host.start(c, |_| {});
    let text = host.refused(&["device", "attach", c, "1g.10gb"]);
    for words in [
        "is under cgroup v2 (",
        "eBPF program",
        "start the container with the lease",
    ] {
        assert!(text.contains(words), "{text}");
    }
    host.world.assert_untouched();
    host.bundles.end(c);
}

/// A user who was given a cgroup, and has a process in a container that has a `/dev` of its own, calls a cgroup as
/// somebody else's container is called.
#[test]
fn a_cgroup_that_a_user_has_named_for_a_container_is_not_taken_for_it() {
    let Some(host) = Host::new("h100x1", "") else {
        return;
    };
    let (victim, theirs) = (&host.name("victim"), &host.name("theirs"));
    let as_user = |spec: &mut Value| {
        spec["process"]["user"] = json!({ "uid": USER, "gid": USER });
    };
    let pid = host.start(theirs, as_user);
    let unique = host.world.scratch.path().file_name().expect("a name");
    let given = format!("{}-given", unique.to_string_lossy());
    let devices = Path::new("/sys/fs/cgroup/devices").join(&given);
    let planted = devices.join(victim);
    std::fs::create_dir(&devices).expect("root may");
    chown(&devices, Some(USER), Some(USER)).expect("root may");
    std::fs::create_dir(&planted).expect("root may");
    // As one that some engine had made: nothing but its name is wrong.
    std::fs::write(planted.join("devices.deny"), "a").expect("root may");
    chown(&planted, Some(USER), Some(USER)).expect("root may");
    std::fs::write(planted.join("cgroup.procs"), pid.to_string()).expect("they may");
    let list = || std::fs::read_to_string(planted.join("devices.list")).expect("a list");
    let before = list();
    // While no such container runs, and beside the one that does.
    refused(
        &host,
        victim,
        &format!("no container {victim:?} runs on this host"),
    );
    let own = host.start(victim, |_| {});
    let lease = host.attach(victim, "1g.10gb");
    assert_eq!(lease.init_pid, Some(own));
    assert_eq!(list(), before);
    host.document(&["device", "detach", victim]);
    for id in [victim, theirs] {
        host.bundles.end(id);
    }
    host.world.until_no_leases();
    let empty = || std::fs::remove_dir(&planted).is_ok() && std::fs::remove_dir(&devices).is_ok();
    host.world.until("the end of the cgroup", empty);
}
