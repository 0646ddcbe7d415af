//! Real processes with and without the marks. `unshare` gives one a mount namespace of its own, which takes root.

use std::process::{Child, Command, Stdio};

use super::{Node, Wanted, of};

const LEASE: &str = "0198c0de-0000-7000-8000-0000000000aa";

struct Sleeper(Child);

impl Sleeper {
    fn start(program: &[&str], lease: Option<&str>) -> Self {
        let (name, arguments) = program.split_first().expect("a program");
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::null());
        if let Some(lease) = lease {
            command.env("KERF_LEASE", lease);
        }
        Self(command.spawn().expect("it starts"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn null(minor: u32) -> Node {
    Node {
        path: "/dev/null".into(),
        host_path: "/dev/null".into(),
        numbers: (1, minor),
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("never {what}");
}

/// A root of its own for devices, as engines make it.
const CONTAINER: [&str; 5] = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount -t tmpfs own /dev && mknod /dev/null c 1 3 && exec sleep 60",
];

fn pids(nodes: &[Node], user: Option<u32>) -> Vec<u32> {
    let wanted = Wanted {
        id: LEASE.to_owned(),
        nodes: nodes.to_vec(),
        user,
    };
    let found = of(wanted).expect("nobody is stuck here");
    found.iter().map(|process| process.pid).collect()
}

#[test]
fn a_carrier_has_the_variable_the_nodes_and_a_container_of_somebody_who_may() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: a mount namespace takes root");
        return;
    }
    let carrier = Sleeper::start(&CONTAINER, Some(LEASE));
    let _other = Sleeper::start(&CONTAINER, Some("0198c0de-0000-7000-8000-0000000000ab"));
    let _bare = Sleeper::start(&CONTAINER, None);
    // In no container, and in one that has the host's own nodes: a service, or somebody's session.
    let _host = Sleeper::start(&["sleep", "60"], Some(LEASE));
    let _service = Sleeper::start(&["unshare", "--mount", "sleep", "60"], Some(LEASE));
    // What anybody can make: a user namespace with the host's nodes in it.
    let nobody = 65_534;
    let by = format!("--reuid={nobody}");
    let rootless = [
        "setpriv",
        &by,
        "--clear-groups",
        "unshare",
        "-Urm",
        "sleep",
        "60",
    ];
    let squatter = Sleeper::start(&rootless, Some(LEASE));
    until("found", || pids(&[null(3)], None) == [carrier.0.id()]);
    // Its maker's own lease is another thing.
    until("both, the oldest first", || {
        pids(&[null(3)], Some(nobody)) == [carrier.0.id(), squatter.0.id()]
    });
    assert_eq!(pids(&[null(3)], None), [carrier.0.id()]);
    // Another device at that path, one node that is not there, and nothing to go by.
    assert_eq!(pids(&[null(5)], None), Vec::<u32>::new());
    let missing = Node {
        path: "/dev/kerf-is-not-there".into(),
        ..null(3)
    };
    assert_eq!(pids(&[null(3), missing], None), Vec::<u32>::new());
    assert_eq!(pids(&[], None), Vec::<u32>::new());
    drop(carrier);
    assert_eq!(pids(&[null(3)], None), Vec::<u32>::new());
}
