//! Real processes with and without the marks. `unshare` gives one a mount namespace of its own, which takes root.

use std::process::{Child, Command, Stdio};

use super::{Node, of};

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

#[test]
fn a_carrier_has_the_variable_the_nodes_and_a_mount_namespace_of_its_own() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: a mount namespace takes root");
        return;
    }
    let apart = ["unshare", "--mount", "sleep", "60"];
    let carrier = Sleeper::start(&apart, Some(LEASE));
    let _other = Sleeper::start(&apart, Some("0198c0de-0000-7000-8000-0000000000ab"));
    let _bare = Sleeper::start(&apart, None);
    let _host = Sleeper::start(&["sleep", "60"], Some(LEASE));
    let pids = |nodes: &[Node]| -> Vec<u32> {
        of(LEASE, nodes).iter().map(|process| process.pid).collect()
    };
    until("found", || pids(&[null(3)]) == [carrier.0.id()]);
    // Another device at that path, one node that is not there, and nothing to go by.
    assert_eq!(pids(&[null(5)]), Vec::<u32>::new());
    let missing = Node {
        path: "/dev/kerf-is-not-there".into(),
        numbers: (1, 3),
    };
    assert_eq!(pids(&[null(3), missing]), Vec::<u32>::new());
    assert_eq!(pids(&[]), Vec::<u32>::new());
    let second = Sleeper::start(&apart, Some(LEASE));
    until("both, the oldest first", || {
        pids(&[null(3)]) == [carrier.0.id(), second.0.id()]
    });
    drop(carrier);
    assert_eq!(pids(&[null(3)]), [second.0.id()]);
}
