//! What is read from a deadline file, and what a fence does at a given moment.

use std::fs::{self, OpenOptions};

use super::deadline::{self, Reading};
use super::watch::{Look, Next, Watch};

fn look(now_ms: u64, reading: Reading) -> Look {
    Look {
        now_ms,
        reading,
        told_to_end: false,
    }
}

#[test]
fn a_deadline_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("guard");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    let file = options.open(&path).expect("a file");
    assert_eq!(deadline::read(&file), Reading::Unclear, "empty");
    for ms in [0, 61_000, 9_999, u64::MAX] {
        deadline::write(&file, ms).expect("written");
        assert_eq!(deadline::read(&file), Reading::At(ms));
    }
    fs::remove_file(&path).expect("removed");
    assert_eq!(deadline::read(&file), Reading::Over);
}

#[test]
fn a_write_that_was_seen_half_is_no_deadline() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("guard");
    let text = |ms: u64| format!("{ms:020} {ms:020}\n");
    let (old, new) = (text(129_999), text(130_000));
    for cut in 0..=old.len() {
        let torn = format!("{}{}", &new[..cut], &old[cut..]);
        fs::write(&path, &torn).expect("written");
        let read = deadline::read(&fs::File::open(&path).expect("a file"));
        let whole = [Reading::Unclear, Reading::At(129_999), Reading::At(130_000)];
        assert!(whole.contains(&read), "{torn:?} read as {read:?}");
    }
    for wrong in ["", "12 12\n", "now", &text(5).replace('5', "x")] {
        fs::write(&path, wrong).expect("written");
        let read = deadline::read(&fs::File::open(&path).expect("a file"));
        assert_eq!(read, Reading::Unclear, "{wrong:?}");
    }
}

#[test]
fn it_sleeps_to_the_deadline_and_no_further() {
    let mut watch = Watch::new(5_000, false);
    let at = Reading::At(5_000);
    assert_eq!(watch.next(look(100, at), || true), Next::Sleep(1_100));
    assert_eq!(watch.next(look(4_600, at), || true), Next::Sleep(5_000));
    let next = watch.next(look(5_000, at), || true);
    assert!(matches!(next, Next::Kill(_)), "{next:?}");
}

#[test]
fn a_renewed_deadline_holds_and_so_does_a_nearer_one() {
    let mut watch = Watch::new(5_000, false);
    let renewed = watch.next(look(5_000, Reading::At(9_000)), || true);
    assert_eq!(renewed, Next::Sleep(6_000));
    let unclear = watch.next(look(8_900, Reading::Unclear), || true);
    assert_eq!(unclear, Next::Sleep(9_000), "the last one that was read");
    let nearer = watch.next(look(8_950, Reading::At(8_940)), || true);
    assert!(matches!(nearer, Next::Kill(_)), "{nearer:?}");
}

#[test]
fn what_has_passed_stays_passed_until_nothing_is_left() {
    let mut watch = Watch::new(1_000, false);
    watch.next(look(1_000, Reading::At(1_000)), || true);
    let mut now = 1_005;
    for _ in 0..100 {
        // A kerfd that comes back has not seen it yet.
        match watch.next(look(now, Reading::At(90_000)), || true) {
            Next::Kill(until) => {
                assert!(until > now && until <= now + 1_000, "{now} to {until}");
                now = until;
            }
            other => panic!("{other:?} at {now}"),
        }
    }
    let empty = watch.next(look(now, Reading::At(90_000)), || false);
    assert_eq!(empty, Next::End);
}

#[test]
fn a_cgroup_that_is_late_is_waited_for_within_a_bound() {
    let mut watch = Watch::new(1_000, false);
    let at = Reading::At(1_000);
    for now in [1_000, 30_000, 60_999] {
        let next = watch.next(look(now, at), || false);
        assert!(matches!(next, Next::Sleep(until) if until > now && until < now + 100));
    }
    assert_eq!(watch.next(look(61_000, at), || false), Next::End);
    let mut late = Watch::new(1_000, false);
    late.next(look(1_000, at), || false);
    let come = late.next(look(60_000, at), || true);
    assert!(matches!(come, Next::Kill(_)), "{come:?}");
    assert_eq!(late.next(look(60_005, at), || false), Next::End);
}

#[test]
fn what_is_over_ends_without_a_kill() {
    let mut watch = Watch::new(1_000, false);
    assert_eq!(watch.next(look(500, Reading::Over), || true), Next::End);
    let mut passed = Watch::new(1_000, false);
    assert_eq!(passed.next(look(2_000, Reading::Over), || true), Next::End);
}

#[test]
fn it_ends_when_told_to_only_after_its_container_has() {
    let told = |now_ms| Look {
        told_to_end: true,
        ..look(now_ms, Reading::At(9_000))
    };
    let mut watch = Watch::new(9_000, false);
    let early = watch.next(told(100), || false);
    assert_eq!(early, Next::Sleep(1_100), "its container may be on its way");
    assert_eq!(watch.next(told(1_100), || true), Next::Sleep(2_100));
    assert_eq!(watch.next(told(2_100), || false), Next::End);
    let mut seen = Watch::new(9_000, true);
    assert_eq!(seen.next(told(200), || false), Next::End);
}
