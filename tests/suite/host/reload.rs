//! What a container may open stays when systemd reads its units anew (`systemctl daemon-reload`), where the kernel keeps
//! its devices by a program that systemd then writes again. runc up to 1.1.6 tells systemd of no device that has no name in
//! `/dev/char`, where no driver of NVIDIA's has one; kerf makes them.

use std::collections::BTreeSet;

use kerf_tests::nspawn::Machine;
use kerf_tests::world::static_busybox;
use kerf_tests::{bins, executable, note, process};
use serde_json::{Value, json};

const SCRIPT: &str = include_str!("reload.sh");

/// What open says of a node that may be opened, and has no driver behind it.
const OPENS: &str = "No such device or address";
const FORBIDDEN: &str = "Operation not permitted";

/// A container in a scope of systemd's, as runc has it from an engine with the systemd driver.
fn spec(id: &str) -> Value {
    let mount = |at: &str, kind: &str| json!({ "destination": at, "type": kind, "source": kind });
    let namespaces = ["pid", "mount", "ipc", "uts", "network"];
    let namespaces = namespaces.map(|kind| json!({ "type": kind }));
    let capabilities = ["CAP_MKNOD"];
    json!({
        "ociVersion": "1.0.2",
        "annotations": { "kerf.dev/accelerator": "1g.10gb" },
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": ["sleep", "600"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
        },
        "root": { "path": "/work/rootfs" },
        "mounts": [mount("/proc", "proc"), mount("/dev", "tmpfs"), mount("/tmp", "tmpfs")],
        "linux": {
            "cgroupsPath": format!("system.slice:kerf:{id}"),
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": namespaces,
        },
    })
}

fn lay_out(machine: &Machine) -> anyhow::Result<()> {
    let work = machine.work();
    let bin = work.join("rootfs/bin");
    std::fs::create_dir_all(&bin)?;
    for name in ["dev", "proc", "tmp"] {
        std::fs::create_dir_all(work.join("rootfs").join(name))?;
    }
    let (busybox, _) = static_busybox()?;
    executable::copy(&busybox, &bin.join("busybox"))?;
    for applet in ["sh", "sleep", "mknod"] {
        std::os::unix::fs::symlink("busybox", bin.join(applet))?;
    }
    executable::copy(&bins::runtime()?, &work.join("kerf-runtime"))?;
    for id in ["named", "bare"] {
        std::fs::create_dir_all(work.join(id))?;
        std::fs::write(work.join(id).join("config.json"), spec(id).to_string())?;
    }
    Ok(())
}

/// The nodes that a container has.
fn nodes<'a>(said: &'a str, container: &str) -> BTreeSet<&'a str> {
    let begin = format!("NODE {container} ");
    said.lines()
        .filter_map(|line| line.strip_prefix(&begin))
        .collect()
}

/// The nodes of the machine that gave a container this answer.
fn answered<'a>(said: &'a str, container: &str, when: &str, answer: &str) -> BTreeSet<&'a str> {
    let begin = format!("OPEN {container} {when} ");
    let lines = said.lines().filter_map(|line| line.strip_prefix(&begin));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    pairs
        .filter(|(_, said)| *said == answer)
        .map(|(node, _)| node)
        .collect()
}

#[test]
fn a_container_keeps_its_devices_when_systemd_reads_its_units_anew() {
    let name = "a_container_keeps_its_devices_when_systemd_reads_its_units_anew";
    let Some(runc) = bins::system("runc") else {
        note(&format!("skipped: {name}: runc is not installed"));
        return;
    };
    let Some(machine) = Machine::open(name) else {
        return;
    };
    lay_out(&machine).expect("folders and programs");
    let said = machine.boot(SCRIPT).expect("the script runs to its end");
    assert!(
        !said.contains("LINKS 0\n"),
        "kerfd has made no name in /dev/char: {said}"
    );
    let own = nodes(&said, "named");
    assert!(own.len() >= 5, "a slice has five nodes and more: {said}");
    let all: BTreeSet<&str> = ["named", "bare"]
        .iter()
        .flat_map(|one| answered(&said, one, "before", FORBIDDEN))
        .chain(own.iter().copied())
        .collect();
    for when in ["before", "after"] {
        assert_eq!(answered(&said, "named", when, OPENS), own, "{when}: {said}");
        let others: BTreeSet<&str> = all.difference(&own).copied().collect();
        assert_eq!(
            answered(&said, "named", when, FORBIDDEN),
            others,
            "{when}: {said}"
        );
    }
    // What it is made for, where it can be seen.
    let own = nodes(&said, "bare");
    assert_eq!(answered(&said, "bare", "before", OPENS), own, "{said}");
    let lost = answered(&said, "bare", "after", FORBIDDEN)
        .intersection(&own)
        .count();
    let version = process::run(std::process::Command::new(runc).arg("--version"));
    let version = version.expect("runc starts");
    let version = version.lines().next().unwrap_or_default();
    note(&format!(
        "{version}: of {} nodes a container keeps all where kerf has named them, and loses {lost} where they have no names",
        own.len()
    ));
}
