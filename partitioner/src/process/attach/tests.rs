//! Lists as kernels print them, what an end takes away, and both against the kernel itself.

use std::path::PathBuf;
use std::process::{Child, Command};

use super::lists::Lists;
use super::rules::{List, line};
use super::*;
use crate::process::identify;

const CONTAINER: &str = "c *:* m\nb *:* m\nc 1:3 rwm\nc 136:* rwm\nc 195:255 r\nc 510:1 rw\n";

fn node(path: &str, numbers: Numbers) -> Node {
    Node {
        path: path.into(),
        numbers,
        mode: 0o640,
        owner: (0, 0),
    }
}

#[test]
fn a_list_allows_what_one_of_its_lines_does() {
    let list = List::parse(CONTAINER);
    for (numbers, expected) in [
        ((1, 3), true),
        ((136, 7), true),
        ((510, 1), true),
        // A right to make nodes, and one to read alone, open nothing.
        ((510, 2), false),
        ((195, 255), false),
        ((1, 33), false),
    ] {
        assert_eq!(list.allows(numbers), expected, "{numbers:?}");
    }
    assert!(!list.is_open());
    for open in ["a *:* rwm", "c *:* rw", "c *:* r"] {
        assert!(List::parse(open).is_open(), "{open}");
    }
    // Rights of two lines do not add up.
    assert!(!List::parse("c 9:1 r\nc 9:* w\n").allows((9, 1)));
    let odd = "\n\u{0}\nc\nc 1\nc 1:3\nx 1:3 rw\n\u{fffd}c :: rw\n";
    let is_open_to = |text: &str| List::parse(text).is_open_to((195, 3));
    assert!(is_open_to("c 195:* r") && !is_open_to("c 195:* m") && !is_open_to("c 195:3 rw"));
    assert!(!List::parse(odd).allows((1, 3)) && !List::parse(odd).is_open());
}

#[test]
fn a_group_below_follows_unless_somebody_fenced_it_in() {
    let above = List::parse("c 1:3 rwm\nc 195:0 rw\nb 7:1 r\n");
    let follows = |text: &str, but: &[Numbers]| {
        let but = but.iter().copied().collect();
        List::parse(text).follows(&above, &but)
    };
    assert!(follows("c 1:3 rwm\nc 195:0 rw\nb 7:1 r\n", &[]));
    assert!(follows("c 1:3 rwm\nb 7:1 r\n", &[(195, 0)]));
    assert!(!follows("c 1:3 rwm\nb 7:1 r\n", &[]));
    assert!(!follows("c 1:3 rwm\n", &[(195, 0)]), "a block device less");
    assert!(!follows("c 1:3 rw\nb 7:1 r\n", &[(195, 0)]), "a right less");
    assert!(List::default().follows(&List::default(), &BTreeSet::new()));
}

fn attachment(nodes: &[(&str, Numbers)], made: &[&str], allowed: &[Numbers]) -> Attachment {
    Attachment {
        phase: Phase::Held,
        nodes: nodes.iter().map(|(path, at)| node(path, *at)).collect(),
        made: made.iter().map(PathBuf::from).collect(),
        allowed: allowed.to_vec(),
        was_promised: false,
    }
}

#[test]
fn an_end_takes_what_nobody_else_needs_and_leaves_the_rest_to_them() {
    let (ctl, caps) = ("/dev/nvidiactl", "/dev/nvidia-caps");
    let (one, two) = (
        "/dev/nvidia-caps/nvidia-cap1",
        "/dev/nvidia-caps/nvidia-cap2",
    );
    let first = attachment(
        &[(ctl, (195, 255)), (one, (510, 1))],
        &[caps, one, ctl],
        &[(195, 255), (510, 1)],
    );
    let mut second = attachment(&[(ctl, (195, 255)), (two, (510, 2))], &[two], &[(510, 2)]);
    let gone = off(&first, std::iter::once(&mut second));
    assert_eq!(gone.deny, [(510, 1)]);
    assert_eq!(gone.remove, [PathBuf::from(one)]);
    // The folder and the common node are the second's to take away now, the folder last.
    assert_eq!(second.made, [caps, two, ctl].map(PathBuf::from));
    assert_eq!(second.allowed, [(510, 2), (195, 255)]);
    let gone = off(&second, std::iter::empty());
    assert_eq!((gone.deny, gone.remove), (second.allowed, second.made));
    // What the container had before is in neither list, and stays.
    let guest = attachment(&[(ctl, (195, 255))], &[], &[]);
    let gone = off(&guest, std::iter::empty());
    assert!(gone.deny.is_empty() && gone.remove.is_empty());
}

/// A group of the devices controller with what containers have; none where this host has no such thing.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Option<Self> {
        let own = std::process::id();
        let folder = PathBuf::from(format!("/sys/fs/cgroup/devices/kerf-test-{own}-{name}"));
        let made = std::fs::create_dir(&folder).is_ok() && folder.join("devices.list").exists();
        if !made {
            kerf_tests::skip(
                kerf_tests::Capability::Cgroup,
                "no devices cgroup of version 1 that can be changed",
            );
            return None;
        }
        std::fs::write(folder.join("devices.deny"), "a").expect("ours");
        for rule in ["c 1:3 rwm", "c 5:2 rw"] {
            std::fs::write(folder.join("devices.allow"), rule).expect("ours");
        }
        Some(Self(folder))
    }

    fn below(&self, path: &str) -> PathBuf {
        let folder = self.0.join(path);
        std::fs::create_dir_all(&folder).expect("ours");
        folder
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut all = vec![self.0.clone()];
        let mut at = 0;
        while let Some(folder) = all.get(at).cloned() {
            at += 1;
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    all.push(entry.path());
                }
            }
        }
        for folder in all.iter().rev() {
            drop(std::fs::remove_dir(folder));
        }
    }
}

fn allows(folder: &std::path::Path, numbers: Numbers) -> bool {
    let text = std::fs::read_to_string(folder.join("devices.list")).expect("a list");
    List::parse(&text).allows(numbers)
}

#[test]
fn the_kernel_keeps_what_is_written_below_as_well() {
    let Some(group) = Group::new("lists") else {
        return;
    };
    let deep = group.below("service/worker");
    let fenced = group.below("fenced");
    std::fs::write(fenced.join("devices.deny"), "c 5:2 rw").expect("ours");
    let nodes = [node("/dev/a", (195, 0)), node("/dev/b", (195, 1))];
    let given: BTreeSet<Numbers> = nodes.iter().map(|node| node.numbers).collect();
    let lists = Lists::at(&group.0, given.clone());
    assert_eq!(lists.missing(&nodes).expect("lists"), 6, "three groups");
    lists.allow(&nodes).expect("allowed");
    assert!(allows(&group.0, (195, 0)) && allows(&deep, (195, 1)));
    assert!(!allows(&fenced, (195, 0)), "somebody fenced it in");
    // One below alone may lose it; what is there is not written again.
    std::fs::write(deep.join("devices.deny"), line((195, 1))).expect("ours");
    let cgroup = Cgroup::at(group.0.clone()).expect("ours");
    assert_eq!(restore(&cgroup, &nodes, given.clone()).expect("lists"), 1);
    assert_eq!(restore(&cgroup, &nodes, given.clone()).expect("lists"), 0);
    // What somebody was given below goes with what is above.
    std::fs::write(fenced.join("devices.allow"), line((195, 0))).expect("allowed above");
    lists.deny(&[(195, 0)]).expect("denied");
    for folder in [&group.0, &deep, &fenced] {
        assert!(!allows(folder, (195, 0)), "{}", folder.display());
    }
    assert!(allows(&deep, (195, 1)));
    // A group below gets nothing that the one above does not have, and says so.
    let error = Lists::at(&deep, given)
        .allow(&nodes)
        .expect_err("denied above");
    assert!(
        matches!(&error, AttachError::Kept { node, .. } if node == std::path::Path::new("/dev/a")),
        "{error}"
    );
}

/// A process with mounts of its own: `script` makes them, and then it waits.
struct Apart(Child);

impl Apart {
    fn new(options: &[&str], script: &str) -> Option<Self> {
        if !kerf_tests::require(kerf_tests::Capability::Root) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let ready = folder.path().join("ready");
        let script = format!("{script}; : >{}; exec sleep 600", ready.display());
        let mut command = Command::new("unshare");
        command.args(options).args(["sh", "-ec", &script]);
        let apart = Self(command.spawn().expect("it starts"));
        let limit = std::time::Duration::from_secs(60);
        kerf_tests::poll::until_true("its mounts", limit, || ready.exists()).expect("they come");
        Some(apart)
    }

    fn dev(&self) -> Result<Dev, AttachError> {
        let init = identify(self.0.id()).expect("it runs");
        Dev::open(&init, "c")
    }

    fn root(&self) -> PathBuf {
        format!("/proc/{}/root", self.0.id()).into()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

const OWN_DEV: &str = "mount -t tmpfs -o mode=755 tmpfs /dev";

#[test]
fn nodes_are_made_as_the_host_has_them_and_go_again() {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let Some(apart) = Apart::new(&["--mount"], OWN_DEV) else {
        return;
    };
    let dev = apart.dev().expect("its own");
    let nodes = [
        node("/dev/nvidiactl", (195, 255)),
        node("/dev/nvidia-caps/nvidia-cap1", (510, 1)),
    ];
    let missing = dev.missing(&nodes).expect("nothing in the way");
    let expected = [
        "/dev/nvidia-caps",
        "/dev/nvidia-caps/nvidia-cap1",
        "/dev/nvidiactl",
    ];
    assert_eq!(missing, expected.map(PathBuf::from));
    dev.make_folder(&missing[0]).expect("made");
    for one in &nodes {
        dev.make(one).expect("made");
        let path = apart
            .root()
            .join(one.path.strip_prefix("/").expect("absolute"));
        let facts = path.symlink_metadata().expect("it is there");
        assert!(facts.file_type().is_char_device());
        assert_eq!(
            facts.mode() & 0o777,
            0o640,
            "whatever umask this process has"
        );
        let (major, minor) = one.numbers;
        assert_eq!(
            facts.rdev(),
            nix::sys::stat::makedev(major.into(), minor.into())
        );
    }
    assert_eq!(
        dev.missing(&nodes).expect("they are there"),
        Vec::<PathBuf>::new()
    );
    // Another thing by now is not taken away, and a folder with something in it stays.
    assert!(dev.remove(&nodes[0].path, Some((1, 3))));
    assert!(dev.remove(&missing[0], None));
    assert!(apart.root().join("dev/nvidiactl").exists());
    assert!(apart.root().join("dev/nvidia-caps/nvidia-cap1").exists());
    for (path, numbers) in [
        (&nodes[1].path, Some((510, 1))),
        (&missing[0], None),
        (&nodes[0].path, Some((195, 255))),
    ] {
        assert!(dev.remove(path, numbers));
    }
    assert!(
        std::fs::read_dir(apart.root().join("dev"))
            .expect("there")
            .next()
            .is_none()
    );
}

#[test]
fn what_stands_in_the_way_is_named_and_nothing_is_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let outside = folder.path().join("outside");
    std::fs::create_dir(&outside).expect("a folder");
    let place = outside.display();
    for (script, expected) in [
        (
            "ln -s /dev/null /dev/nvidia0".to_owned(),
            "/dev/nvidia0 of the container is a link already",
        ),
        (
            ": >/dev/nvidia0".to_owned(),
            "/dev/nvidia0 of the container is a plain file already",
        ),
        (
            "mkdir /dev/nvidia0".to_owned(),
            "/dev/nvidia0 of the container is a folder already",
        ),
        (
            "mknod /dev/nvidia0 c 1 3".to_owned(),
            "is another device already (1:3)",
        ),
        (
            format!("ln -s {place} /dev/nvidia-caps"),
            "/dev/nvidia-caps of the container is a link",
        ),
        (
            ": >/dev/nvidia-caps".to_owned(),
            "/dev/nvidia-caps of the container is no folder",
        ),
        (
            format!("mkdir /dev/nvidia-caps && mount --bind {place} /dev/nvidia-caps"),
            "/dev/nvidia-caps of the container is another file system",
        ),
    ] {
        let Some(apart) = Apart::new(&["--mount"], &format!("{OWN_DEV}; {script}")) else {
            return;
        };
        let nodes = [
            node("/dev/nvidia0", (195, 0)),
            node("/dev/nvidia-caps/nvidia-cap1", (510, 1)),
        ];
        let dev = apart.dev().expect("its own");
        let error = dev.missing(&nodes).expect_err("something is in the way");
        assert!(error.to_string().contains(expected), "{script}: {error}");
        // Whoever skips the look gets no further.
        let made: Vec<bool> = nodes.iter().map(|one| dev.make(one).is_ok()).collect();
        assert_ne!(made, [true, true], "{script}");
        assert_eq!(
            std::fs::read_dir(&outside).expect("ours").count(),
            0,
            "{script}"
        );
    }
    let Some(apart) = Apart::new(&["--mount"], OWN_DEV) else {
        return;
    };
    let dev = apart.dev().expect("its own");
    for path in [
        "/etc/passwd",
        "/dev",
        "/dev/../etc/x",
        "/dev/a/b/c",
        "dev/a",
    ] {
        assert!(dev.missing(&[node(path, (1, 3))]).is_err(), "{path}");
    }
}

#[test]
fn a_dev_that_is_not_the_containers_own_is_refused() {
    for (options, script, expected) in [
        (&["--uts"][..], "true", "shares the host's file systems"),
        (
            &["--mount"],
            "true",
            "is the host's, or on a file system that the host sees",
        ),
        (
            &["--mount"],
            "mount -t tmpfs t /dev && mount -t devtmpfs d /dev",
            "is the host's, or on a file system that the host sees",
        ),
        (
            &["--mount"],
            "mount -t tmpfs -o nodev t /dev",
            "without device nodes (nodev)",
        ),
        (
            &["--mount"],
            "mount -t tmpfs -o ro t /dev",
            "is mounted read-only",
        ),
        (
            &["--mount"],
            "mount -t ramfs t /dev",
            "is no file system in memory",
        ),
        (
            &["--user", "--map-root-user", "--mount"],
            OWN_DEV,
            "is in a user namespace of its own",
        ),
    ] {
        let Some(apart) = Apart::new(options, script) else {
            return;
        };
        let error = apart.dev().expect_err("not its own");
        assert!(error.to_string().contains(expected), "{script}: {error}");
    }
}
