//! The fence as a process: it kills at the deadline and not before, and outlives who started it.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kerf_runtime::guard::{READY, deadline};
use kerf_tests::{Capability, poll, require};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

const SHIM: &str = env!("CARGO_BIN_EXE_kerf-runtime");

/// How long anything may take that happens at once; a machine under load is slow.
const LIMIT: Duration = Duration::from_secs(30);

/// A deadline that does not come in a test.
const FAR: Duration = Duration::from_secs(3_600);

/// A deadline that comes soon, after what the test has to do before it.
const SOON: Duration = Duration::from_millis(1_500);

fn can_run() -> bool {
    [Capability::Root, Capability::Cgroup]
        .into_iter()
        .all(require)
}

/// A deadline file and a cgroup for one test, in every hierarchy that takes one as a runtime would make it. Both
/// go with the processes in them when it is dropped.
struct Post {
    dir: TempDir,
    folders: Vec<PathBuf>,
}

/// Hierarchies of v1 that a runtime uses, as far as they are mounted here.
const V1: [&str; 2] = ["freezer", "devices"];

/// Where v2 may be mounted.
const V2: [&str; 2] = ["", "unified"];

impl Post {
    /// In all hierarchies, as a runtime would have it.
    fn new() -> Self {
        Self::in_hierarchies(&[V2, V1].concat())
    }

    fn in_hierarchies(names: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kerf-guard-{}-{count}", std::process::id());
        let root = Path::new("/sys/fs/cgroup");
        let parents = names.iter().map(|name| root.join(name));
        let parents = parents.filter(|parent| parent.join("cgroup.procs").exists());
        Self {
            dir: tempfile::tempdir().expect("a folder"),
            folders: parents.map(|parent| parent.join(&name)).collect(),
        }
    }

    fn make_cgroup(&self) {
        for folder in &self.folders {
            fs::create_dir(folder).expect("a cgroup");
        }
    }

    /// A process in the cgroup with a child in one below it; the caller's own child, to be waited for.
    fn occupy(&self) -> Child {
        let mut joins = String::new();
        for folder in &self.folders {
            let folder = folder.display();
            joins += &format!("mkdir {folder}/below && echo 0 > {folder}/below/cgroup.procs && ");
        }
        joins += "sleep 1000 & ";
        for folder in &self.folders {
            joins += &format!("echo $$ > {}/cgroup.procs && ", folder.display());
        }
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("{joins} exec sleep 1000")])
            .spawn()
            .expect("sh starts");
        let both = || self.folders.iter().all(|folder| pids(folder).len() == 2);
        poll::until_true("both processes in the cgroup", LIMIT, both).expect("they come");
        child
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("guard")
    }

    /// Writes a deadline, which it gives.
    fn set(&self, ttl: Duration) -> u64 {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false);
        let file = options.open(self.file()).expect("a file");
        let deadline_ms = boot_ms() + millis(ttl);
        deadline::write(&file, deadline_ms).expect("written");
        deadline_ms
    }

    fn command(&self) -> Command {
        let mut command = Command::new(SHIM);
        command.arg("fence").arg(self.file()).args(&self.folders);
        command
    }

    /// Raises a fence and waits until it stands.
    fn raise(&self, ttl: Duration) -> u64 {
        let deadline_ms = self.set(ttl);
        let output = self.command().output().expect("it starts");
        assert_eq!(output.stdout, READY, "{}", text(&output.stderr));
        assert!(output.status.success(), "{}", text(&output.stderr));
        deadline_ms
    }

    /// Whether a fence holds the file.
    fn is_held(&self) -> bool {
        let file = File::open(self.file());
        file.is_ok_and(|file| file.try_lock_shared().is_err())
    }

    /// The fence: the one process that has the file open, once those that it came from have ended.
    fn holder(&self) -> Pid {
        let wanted = self.file();
        let of_file = |pid: &i32| {
            let open = fs::read_link(format!("/proc/{pid}/fd/3"));
            open.is_ok_and(|open| open == wanted)
        };
        let alone = || {
            let all = fs::read_dir("/proc").expect("/proc").flatten();
            let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            let found: Vec<i32> = pids.filter(of_file).collect();
            <[i32; 1]>::try_from(found).ok()
        };
        let [pid] = poll::until("one holder of the file", LIMIT, alone).expect("it comes");
        Pid::from_raw(pid)
    }

    fn is_empty(&self) -> bool {
        self.folders.iter().all(|folder| pids(folder).is_empty())
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        // A fence that a failed test has left ends by this.
        drop(fs::remove_file(self.file()));
        for folder in &self.folders {
            for pid in pids(folder) {
                // It may have ended meanwhile.
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
        let gone = || {
            self.folders.iter().all(|folder| {
                drop(fs::remove_dir(folder.join("below")));
                drop(fs::remove_dir(folder));
                !folder.exists()
            })
        };
        drop(poll::until_true("the end of the cgroup", LIMIT, gone));
    }
}

fn pids(folder: &Path) -> Vec<i32> {
    let own = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let below = fs::read_to_string(folder.join("below/cgroup.procs")).unwrap_or_default();
    let pids = own.lines().chain(below.lines());
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

/// The clock of the boot, to the hundredth of a second below.
fn boot_ms() -> u64 {
    let text = fs::read_to_string("/proc/uptime").expect("the uptime");
    let digits = text.split(' ').next().expect("a number").replace('.', "");
    digits.parse::<u64>().expect("hundredths of a second") * 10
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("it fits")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn until(what: &str, condition: impl FnMut() -> bool) {
    poll::until_true(what, LIMIT, condition).expect("it comes");
}

#[test]
fn everything_in_the_cgroup_dies_at_the_deadline_and_not_before() {
    if !can_run() {
        return;
    }
    for names in [&V1, &V2] {
        let post = Post::in_hierarchies(names);
        if post.folders.is_empty() {
            kerf_tests::note(&format!("no hierarchy of {names:?} is mounted"));
            continue;
        }
        post.make_cgroup();
        let mut child = post.occupy();
        for folder in &post.folders {
            // A container that is paused must die too.
            let freezer = folder.join("freezer.state");
            if freezer.exists() {
                fs::write(freezer, "FROZEN").expect("frozen");
            }
        }
        let deadline_ms = post.raise(SOON);
        assert!(post.is_held());
        let ended = || child.try_wait().expect("asked");
        let end = poll::until("its end", LIMIT, ended).expect("it ends");
        assert!(boot_ms() + 10 >= deadline_ms, "it came too early");
        assert_eq!(end.signal(), Some(libc::SIGKILL));
        until("the end of the other", || post.is_empty());
        until("the end of the fence", || !post.is_held());
    }
}

#[test]
fn a_renewed_deadline_keeps_it_and_a_removed_one_ends_the_fence() {
    if !can_run() {
        return;
    }
    let post = Post::new();
    post.make_cgroup();
    let mut child = post.occupy();
    let first = post.raise(SOON);
    post.set(FAR);
    until("the first deadline", || boot_ms() > first + 200);
    assert_eq!(child.try_wait().expect("asked"), None);
    assert!(post.is_held());
    let fence = post.holder();
    fs::remove_file(post.file()).expect("removed");
    until("the end of the fence", || kill(fence, None).is_err());
    assert_eq!(child.try_wait().expect("asked"), None);
    child.kill().expect("killed");
    child.wait().expect("it ends");
}

#[test]
fn it_outlives_who_started_it_and_signals_that_end_others() {
    if !can_run() {
        return;
    }
    let post = Post::new();
    post.make_cgroup();
    let mut child = post.occupy();
    post.set(FAR);
    let line = kerf_tests::process::shell_line(&post.command());
    // The starter stays after the fence stands, as kerfd would, until it is killed.
    let mut starter = Command::new("/bin/sh")
        .args(["-c", &format!("{line}; read never")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh starts");
    let mut said = starter.stdout.take().expect("its output");
    said.read_exact(&mut [0; READY.len()]).expect("it stands");
    let fence = post.holder();
    let session = nix::unistd::getsid(Some(fence)).expect("its session");
    assert_ne!(session, nix::unistd::getsid(None).expect("ours"));
    starter.kill().expect("killed");
    starter.wait().expect("it ends");
    // Nothing of the starter is open in it any more.
    said.read_to_end(&mut Vec::new()).expect("closed");
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
    ] {
        kill(fence, signal).expect("sent");
    }
    let folder = fs::read_link(format!("/proc/{fence}/cwd")).expect("its folder");
    assert_eq!(folder, Path::new("/"));
    assert!(post.is_held());
    post.set(Duration::ZERO);
    until("the end of the container", || post.is_empty());
    child.wait().expect("it ends");
    until("the end of the fence", || !post.is_held());
}

#[test]
fn a_container_that_comes_after_the_deadline_is_killed_as_it_comes() {
    if !can_run() {
        return;
    }
    let post = Post::new();
    post.raise(Duration::ZERO);
    post.make_cgroup();
    assert!(post.is_held());
    let folders: Vec<String> = post
        .folders
        .iter()
        .map(|folder| format!("echo $$ > {}/cgroup.procs; ", folder.display()))
        .collect();
    let late = Command::new("/bin/sh")
        .args(["-c", &format!("{} exec sleep 1000", folders.concat())])
        .status()
        .expect("sh starts");
    assert!(!late.success(), "it was not killed");
    until("the end of the fence", || !post.is_held());
}

#[test]
fn told_to_end_it_goes_after_its_container() {
    if !can_run() {
        return;
    }
    let post = Post::new();
    post.make_cgroup();
    let mut child = post.occupy();
    post.raise(FAR);
    let fence = post.holder();
    kill(fence, Signal::SIGTERM).expect("sent");
    for pid in pids(&post.folders[0]) {
        assert!(post.is_held());
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("sent");
    }
    child.wait().expect("it ends");
    until("the end of the fence", || !post.is_held());
}

#[test]
fn of_two_fences_on_one_file_the_second_refuses() {
    if !can_run() {
        return;
    }
    let post = Post::new();
    post.raise(FAR);
    let second = post.command().output().expect("it starts");
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(second.stdout, b"");
    let said = text(&second.stderr);
    assert!(said.contains("another fence holds"), "{said}");
    assert!(post.is_held());
}

#[test]
fn without_a_deadline_or_a_cgroup_no_fence_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("guard");
    let file = file.to_str().expect("text");
    let refused = |args: &[&str]| {
        let output = Command::new(SHIM).arg("fence").args(args).output();
        let output = output.expect("it starts");
        assert_eq!(output.stdout, b"");
        (output.status.code(), text(&output.stderr))
    };
    for wrong in [&[][..], &[file], &[file, "relative"]] {
        assert_eq!(refused(wrong).0, Some(2), "{wrong:?}");
    }
    let (code, said) = refused(&[file, "/nowhere"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot be opened"), "{said}");
    fs::write(file, "soon\n").expect("written");
    let (code, said) = refused(&[file, "/nowhere"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("holds no deadline"), "{said}");
}
