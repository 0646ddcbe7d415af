//! Looking at this very process, which has files of a driver open or not.

use std::collections::BTreeSet;
use std::fs::{self, File};

use super::{Seen, Wanted, mapped};

fn own(seen: &Seen) -> BTreeSet<String> {
    let own = std::process::id();
    let holder = seen.holders.iter().find(|holder| holder.pid == own);
    holder
        .map(|holder| holder.holds.clone())
        .unwrap_or_default()
}

#[test]
fn a_descriptor_of_a_node_is_found_and_gone_when_it_is_closed() {
    let root = tempfile::tempdir().expect("a folder");
    let dev = root.path().join("dev/nvidia-caps");
    fs::create_dir_all(&dev).expect("folders");
    let names = [
        "dev/nvidia0",
        "dev/nvidiactl",
        "dev/nvidia-caps/nvidia-cap1",
    ];
    for name in names {
        fs::write(root.path().join(name), "").expect("a plain node");
    }
    fs::write(root.path().join("dev/null-like"), "").expect("no node of a driver");
    let wanted = Wanted::under(root.path(), None);
    assert_eq!(own(&wanted.seen()), BTreeSet::new());
    let open = [
        "dev/nvidia0",
        "dev/nvidia-caps/nvidia-cap1",
        "dev/null-like",
    ];
    let open = open.map(|name| File::open(root.path().join(name)).expect("it opens"));
    let told = ["/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia0"];
    assert_eq!(own(&wanted.seen()), told.map(str::to_owned).into());
    drop(open);
    assert_eq!(own(&wanted.seen()), BTreeSet::new());
}

/// Under another name, in a thread with descriptors of its own.
#[test]
fn what_a_process_hides_is_found_by_a_close_look() {
    if !kerf_tests::require(kerf_tests::Capability::Root) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let hidden = folder.path().join("x");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    let full = nix::sys::stat::makedev(1, 7);
    nix::sys::stat::mknod(&hidden, nix::sys::stat::SFlag::S_IFCHR, mode, full).expect("root may");
    let wanted = Wanted::nodes(std::path::Path::new("/"), ["/dev/full"].into_iter());
    let pids = BTreeSet::from([std::process::id()]);
    let (opened, is_open) = std::sync::mpsc::channel();
    let (seen, is_seen) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).expect("its own descriptors");
        let file = File::open(hidden).expect("it opens");
        opened.send(()).expect("somebody waits");
        is_seen.recv().expect("an answer");
        drop(file);
    });
    is_open.recv().expect("it is open");
    let holds = wanted.seen_within(&pids);
    seen.send(()).expect("it waits");
    thread.join().expect("it ends");
    assert_eq!(holds.len(), 1);
    assert_eq!(holds[0].holds, BTreeSet::from(["/dev/full".to_owned()]));
    assert!(wanted.seen_within(&pids).is_empty());
    assert_eq!(own(&wanted.seen()), BTreeSet::new());
}

#[test]
fn a_mapped_library_is_found() {
    let own_program = std::env::current_exe().expect("this program");
    let root = tempfile::tempdir().expect("a folder");
    let wanted = Wanted::under(root.path(), Some(&own_program));
    let path = own_program.canonicalize().expect("it is there");
    let told = BTreeSet::from([path.display().to_string()]);
    assert_eq!(own(&wanted.seen()), told);
}

#[test]
fn lines_of_maps_are_read() {
    let line = "7f00-7f01 r-xp 00001000 08:02 131 /usr/lib/with blank.so";
    let device = nix::sys::stat::makedev(8, 2);
    let path = "/usr/lib/with blank.so";
    assert_eq!(mapped(line), Some(((device, 131), path)));
    assert_eq!(mapped("7f00-7f01 rw-p 00000000 00:00 0 [stack]"), None);
    assert_eq!(mapped(""), None);
}
