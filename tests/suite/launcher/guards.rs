//! The guards of members with the fences that they start: kept over a restart of kerfd, made up for when somebody
//! kills one, and taken away.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kerf_agent::members::guards::{GuardError, Guards, Post, Renewed};
use kerf_agent::process::boot_ms;
use kerf_tests::{Capability, Scratch, bins, poll, require};
use kerf_types::peer::{Attempt, Tag};
use kerf_types::{JobId, Moment};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Runtime;

use super::{LIMIT, processes};

/// A moment that does not come in a test.
const FAR: Duration = Duration::from_secs(3_600);

/// A run folder, and a cgroup with a process in it.
struct World {
    scratch: Scratch,
    program: PathBuf,
    cgroup: PathBuf,
    child: Child,
}

impl World {
    fn new() -> Option<Self> {
        if !require(Capability::Root) || !require(Capability::Cgroup) {
            return None;
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = Path::new("/sys/fs/cgroup");
        let mut parents = ["devices", ""].iter().map(|name| root.join(name));
        let parent = parents.find(|parent| parent.join("cgroup.procs").exists())?;
        // As of a job's container: no other is guarded.
        let jobs = parent.join(format!("kerf/guards-{}", std::process::id()));
        let cgroup = jobs.join(count.to_string());
        fs::create_dir_all(&cgroup).expect("a cgroup");
        let child = Command::new("sleep").arg("1000").spawn().expect("sleep");
        fs::write(cgroup.join("cgroup.procs"), child.id().to_string()).expect("it moves");
        Some(Self {
            scratch: Scratch::new("kg").expect("/tmp takes folders"),
            program: bins::runtime().expect("the static kerf-runtime"),
            cgroup,
            child,
        })
    }

    fn guards(&self) -> Guards {
        Guards::new(self.scratch.path())
    }

    fn post(&self) -> Post {
        Post {
            container: "kerf-one-0".to_owned(),
            folders: vec![self.cgroup.clone()],
            grace: Duration::ZERO,
        }
    }

    fn file(&self) -> PathBuf {
        self.scratch.join("guards/kerf-one-0")
    }

    fn stand(&self, guards: &Guards) {
        self.tried(guards, tag()).expect("it stands");
        assert!(self.is_held());
    }

    fn tried(&self, guards: &Guards, tag: Tag) -> Result<(), GuardError> {
        let runtime = Runtime::new().expect("a runtime");
        let processes = processes(&self.scratch, &self.program);
        runtime.block_on(guards.stand(&processes, tag))
    }

    fn is_held(&self) -> bool {
        File::open(self.file()).is_ok_and(|file| file.try_lock_shared().is_err())
    }

    /// The fence, by the file that it has open.
    fn fence(&self) -> Option<Pid> {
        let wanted = self.file();
        let all = fs::read_dir("/proc").expect("/proc").flatten();
        let mut pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let found = pids.find(|pid: &i32| {
            let open = fs::read_link(format!("/proc/{pid}/fd/3"));
            open.is_ok_and(|open| open == wanted)
        });
        found.map(Pid::from_raw)
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_none()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A fence that a failed test has left ends by this.
        drop(fs::remove_file(self.file()));
        drop(self.child.kill());
        drop(self.child.wait());
        let gone = || fs::remove_dir(&self.cgroup).is_ok() || !self.cgroup.exists();
        drop(poll::until_true("the end of the cgroup", LIMIT, gone));
        // Those of other tests of this process may be in it.
        drop(self.cgroup.parent().map(fs::remove_dir));
    }
}

fn tag() -> Tag {
    Tag {
        job: JobId::new(1, [7; 10]),
        attempt: Attempt(1),
        member: 0,
    }
}

fn from_now(time: Duration) -> Moment {
    Moment(boot_ms()).after(time)
}

fn until(what: &str, condition: impl FnMut() -> bool) {
    poll::until_true(what, LIMIT, condition).expect("it comes");
}

#[test]
fn a_fence_is_kept_by_the_next_kerfd_and_ends_with_its_member() {
    let Some(mut world) = World::new() else {
        return;
    };
    let first = world.guards();
    first.expect(tag(), world.post(), from_now(FAR));
    world.stand(&first);
    let fence = world.fence().expect("a fence");
    for path in [world.file(), world.scratch.join("guards")] {
        let mode = fs::metadata(path).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o077, 0, "root's alone");
    }
    drop(first);
    let next = world.guards();
    next.resume(tag(), world.post(), from_now(FAR));
    world.stand(&next);
    assert_eq!(world.fence(), Some(fence), "the same one");
    assert_eq!(next.renew(tag(), from_now(2 * FAR)), Renewed::Kept);
    assert!(!next.has_passed(tag()));
    next.take_away(tag());
    until("the end of the fence", || kill(fence, None).is_err());
    assert!(world.runs(), "nothing was killed");
    assert!(!world.file().exists());
}

#[test]
fn a_fence_that_somebody_has_killed_is_made_up_for() {
    let Some(mut world) = World::new() else {
        return;
    };
    let guards = world.guards();
    guards.expect(tag(), world.post(), from_now(FAR));
    assert_eq!(guards.renew(tag(), from_now(FAR)), Renewed::Kept, "not yet");
    world.stand(&guards);
    let fence = world.fence().expect("a fence");
    kill(fence, Signal::SIGKILL).expect("sent");
    until("its end", || !world.is_held());
    for _ in 0..2 {
        // Also where the first try to make up for it fails.
        assert_eq!(guards.renew(tag(), from_now(FAR)), Renewed::Gone);
    }
    world.stand(&guards);
    assert_ne!(world.fence(), Some(fence));
    assert!(world.runs());
    assert_eq!(guards.renew(tag(), Moment(0)), Renewed::Kept);
    assert!(guards.has_passed(tag()));
    until("the end of the member", || !world.runs());
}

#[test]
fn what_an_earlier_kerfd_has_promised_binds_the_next_one() {
    let Some(mut world) = World::new() else {
        return;
    };
    let first = world.guards();
    first.expect(tag(), world.post(), from_now(FAR));
    world.stand(&first);
    let fence = world.fence().expect("a fence");
    kill(fence, Signal::SIGKILL).expect("sent");
    until("its end", || !world.is_held());
    // The host was silent for long: the member may run elsewhere by now.
    first.renew(tag(), Moment(0));
    drop(first);
    let next = world.guards();
    next.resume(tag(), world.post(), from_now(FAR));
    assert!(next.has_passed(tag()));
    world.stand(&next);
    until("the end of the member", || !world.runs());
}

#[test]
fn only_what_is_left_of_no_container_is_cleared() {
    let Some(world) = World::new() else {
        return;
    };
    let guards = world.guards();
    guards.expect(tag(), world.post(), from_now(FAR));
    world.stand(&guards);
    for left in ["kerf-two-0", "kerf-three-0"] {
        fs::write(world.scratch.join("guards").join(left), "").expect("a file");
    }
    guards.clear(|name| name == "kerf-two-0");
    let entries = fs::read_dir(world.scratch.join("guards")).expect("the folder");
    let mut names: Vec<_> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["kerf-one-0", "kerf-two-0"]);
    assert!(world.is_held());
}

#[test]
fn without_a_program_no_fence_stands() {
    let Some(mut world) = World::new() else {
        return;
    };
    let guards = world.guards();
    guards.expect(tag(), world.post(), from_now(FAR));
    world.program = "/bin/false".into();
    let stands = world.tried(&guards, tag());
    let error = stands.expect_err("it cannot stand").to_string();
    assert!(error.contains("does not stand"), "{error}");
    world.program = "/nowhere".into();
    let stands = world.tried(&guards, tag());
    let error = stands.expect_err("there is none").to_string();
    assert_eq!(error, "/nowhere cannot be started as guard");
    let nobody = Tag { member: 9, ..tag() };
    world.tried(&guards, nobody).expect("none is wanted");
}

#[test]
fn only_containers_of_jobs_are_guarded() {
    let Some(world) = World::new() else {
        return;
    };
    let guards = world.guards();
    let post = Post {
        folders: vec![world.cgroup.join("../..")],
        ..world.post()
    };
    guards.expect(tag(), post, from_now(FAR));
    let error = world.tried(&guards, tag()).expect_err("no job's");
    let why = std::error::Error::source(&error).expect("why").to_string();
    assert!(why.contains("is no cgroup of a job"), "{why}");
}
