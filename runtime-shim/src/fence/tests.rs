//! A fence never goes back for the same devices, and says nothing about others.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn grant(fence: u64, minors: &[u32]) -> Grant {
    let device = |minor: &u32| DeviceNode {
        path: format!("/dev/n{minor}").into(),
        host_path: format!("/dev/n{minor}").into(),
        major: 400,
        minor: *minor,
        file_mode: 0o666,
        uid: 0,
        gid: 0,
    };
    Grant {
        fence,
        devices: minors.iter().map(device).collect(),
        ..Grant::default()
    }
}

#[test]
fn a_lower_fence_is_refused_for_the_same_devices_alone() {
    let run = tempfile::tempdir().expect("folder");
    let pass = |fence, minors: &[u32]| super::pass(run.path(), &grant(fence, minors));
    pass(5, &[0, 1]).expect("first");
    pass(5, &[1, 0]).expect("the same again, in another order");
    pass(u64::MAX, &[0, 1]).expect("higher");
    let error = pass(6, &[0, 1]).expect_err("lower");
    let told = error.to_string();
    assert!(
        told.starts_with(
            "the grant is out of date: its fence 6 is lower than 18446744073709551615"
        )
    );
    pass(1, &[0, 2]).expect("other devices");
    pass(1, &[]).expect("no device");
}

#[test]
fn the_highest_of_all_is_written_down() {
    let run = tempfile::tempdir().expect("folder");
    let highest = || fs::read_to_string(run.path().join(HIGHEST)).expect("the file");
    pass(run.path(), &grant(7, &[0])).expect("first");
    pass(run.path(), &grant(5, &[1])).expect("other devices");
    assert_eq!(highest(), "00000000000000000007\n");
    pass(run.path(), &grant(4, &[1])).expect_err("lower");
    pass(run.path(), &grant(9, &[])).expect("no device");
    assert_eq!(highest().trim().parse(), Ok(9));
}

#[test]
fn a_memory_that_is_not_ours_is_an_error() {
    let run = tempfile::tempdir().expect("folder");
    let grant = grant(5, &[0]);
    let folder = run.path().join("fences");
    let file = folder.join(key(&grant.devices));
    pass(run.path(), &grant).expect("first");
    fs::write(&file, "").expect("as after a kill between create and write");
    pass(run.path(), &grant).expect("empty");
    fs::write(&file, "what").expect("write");
    let error = pass(run.path(), &grant).expect_err("no number");
    assert!(matches!(error, FenceError::Foreign { .. }));
    fs::remove_file(&file).expect("removed");
    symlink("/dev/null", &file).expect("link");
    let error = pass(run.path(), &grant).expect_err("a link");
    assert!(matches!(error, FenceError::File { .. }));
    fs::remove_file(&file).expect("removed");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("mode");
    let error = pass(run.path(), &grant).expect_err("open to all");
    assert!(matches!(error, FenceError::Foreign { .. }));
    let error = pass(&run.path().join("absent"), &grant).expect_err("no run folder");
    assert!(matches!(error, FenceError::File { .. }));
}

#[test]
fn a_held_lock_is_waited_for_and_not_for_ever() {
    let run = tempfile::tempdir().expect("folder");
    let grant = grant(5, &[0]);
    pass(run.path(), &grant).expect("first");
    let file = run.path().join("fences").join(key(&grant.devices));
    let held = File::open(&file).expect("open");
    held.lock().expect("lock");
    let error = pass(run.path(), &grant).expect_err("locked");
    assert!(matches!(error, FenceError::Locked { .. }));
    held.unlock().expect("unlock");
    pass(run.path(), &grant).expect("free again");
}

#[test]
fn of_many_at_once_the_highest_stays() {
    let run = tempfile::tempdir().expect("folder");
    thread::scope(|scope| {
        let passes: Vec<_> = (1..=16)
            .map(|fence| {
                let run = run.path();
                scope.spawn(move || pass(run, &grant(fence, &[0])))
            })
            .collect();
        let ended = passes
            .into_iter()
            .map(|pass| pass.join().expect("no panic"));
        // Which of the lower ones come late is a matter of the scheduler; what stays is not.
        ended.last().expect("sixteen").expect("the highest");
    });
    let file = run.path().join("fences").join(key(&grant(1, &[0]).devices));
    let text = fs::read_to_string(file).expect("the file");
    assert_eq!(text, "00000000000000000016\n");
    pass(run.path(), &grant(15, &[0])).expect_err("lower");
}
