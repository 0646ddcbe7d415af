//! What is found in a place where a daemon runs already.

use std::fs;
use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kerf_partitioner::sharing::{MpsPlace, Tools};
use kerf_tests::executable;
use kerf_types::sharing::Mps;

use super::{Found, Running, find_or_start};

/// Says that all threads are for everybody, and takes no other limit.
const CONTROL: &str = r#"#!/bin/sh
pipe=$CUDA_MPS_PIPE_DIRECTORY
if [ "$1" = -f ]; then
    echo $$ > "$pipe/nvidia-cuda-mps-control.pid"
    read -r end
    exit 0
fi
read -r command
case "$command" in
set*) echo "no"; exit 1 ;;
get_default_active*) cat "$pipe/threads" ;;
esac
"#;

/// A daemon of an earlier kerfd, which ends with this.
struct Earlier {
    folder: tempfile::TempDir,
    place: MpsPlace,
    tools: Tools,
    child: Child,
}

impl Drop for Earlier {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Earlier {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = MpsPlace {
            device: "GPU-11111111-1111-1111-1111-000000000000".to_owned(),
            run: folder.path().join("run"),
            log: folder.path().join("log"),
        };
        fs::create_dir_all(place.pipe()).expect("a folder");
        fs::write(place.pipe().join("threads"), "100.0\n").expect("a file");
        let control = folder.path().join("usr/bin/nvidia-cuda-mps-control");
        fs::create_dir_all(control.parent().expect("a folder")).expect("a folder");
        executable::script(&control, CONTROL).expect("a script");
        let mut daemon = Command::new(&control);
        daemon
            .arg("-f")
            .env("CUDA_MPS_PIPE_DIRECTORY", place.pipe())
            .stdin(Stdio::piped());
        let child = daemon.spawn().expect("it starts");
        // Nothing can be launched: whoever tries fails.
        let mut tools = Tools::under(folder.path(), folder.path().join("no launcher"));
        tools.patience.call = Duration::from_secs(60);
        let earlier = Self {
            folder,
            place,
            tools,
            child,
        };
        let end = Instant::now() + Duration::from_secs(60);
        while earlier.found_pid().is_none() {
            assert!(Instant::now() < end, "it does not begin");
        }
        earlier
    }

    fn found_pid(&self) -> Option<u32> {
        let found = self.tools.mps_find(&self.place).ok().flatten();
        found.map(|daemon| daemon.pid)
    }

    fn found(&self, threads: u32) -> Found {
        let limits = Mps {
            clients: NonZeroU32::MIN,
            threads: Some(threads),
            memory: None,
        };
        find_or_start(&self.tools, &self.place, &limits)
    }
}

#[test]
fn a_daemon_that_refuses_its_limits_runs_all_the_same() {
    let earlier = Earlier::new();
    let (pid, found) = (earlier.child.id(), earlier.found(25));
    match found.running {
        Running::Unlimited { daemon, why } => {
            assert_eq!((daemon.pid, found.known), (pid, Some(daemon)));
            assert!(why.contains("refuses") && why.ends_with("no"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    // One that has its limits is not told them.
    let found = earlier.found(100);
    assert!(matches!(found.running, Running::Answers { daemon, .. } if daemon.pid == pid));
}

#[test]
fn a_daemon_whose_answer_is_none_is_silent_and_one_that_has_ended_is_not_there() {
    let mut earlier = Earlier::new();
    fs::write(earlier.place.pipe().join("threads"), "#### ####\n").expect("a file");
    let found = earlier.found(100);
    assert!(matches!(found.running, Running::Silent { .. }), "{found:?}");
    earlier.child.kill().expect("it goes");
    earlier.child.wait().expect("it has gone");
    let found = earlier.found(100);
    assert!(matches!(found.running, Running::Not { .. }), "{found:?}");
    assert!(earlier.folder.path().exists());
}
