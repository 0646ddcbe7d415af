//! Files that do not answer until somebody opens a gate.

use std::time::{Duration, Instant};

use super::tree;
use crate::sysfs::guard::{Guard, MOST_LATE, Silence, deadline_within, held_in, is_held};
use crate::sysfs::{Root, SysfsError};

/// Long enough for a busy machine to answer what does answer.
const DEADLINE: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads a file; what is called `hung` is not answered before there is a file `gate`.
fn read(root: &Root, path: &str) -> Result<Option<Vec<u8>>, SysfsError> {
    while path.ends_with("hung") && matches!(root.bytes("gate"), Ok(None)) {
        std::thread::sleep(Duration::from_millis(5));
    }
    root.bytes(path)
}

/// What a guard says of a file of a device.
fn ask(guard: &Guard, root: &Root, device: &str, file: &str) -> Result<String, Silence> {
    let answer = guard.read(root, device, format!("{device}/{file}"))?;
    let bytes = answer.expect("readable").expect("a file");
    Ok(String::from_utf8(bytes).expect("text"))
}

#[test]
fn a_device_that_hangs_holds_one_thread_until_it_answers_and_its_siblings_are_read() {
    let (folder, root) = tree(&[("a/hung", "1"), ("a/well", "2"), ("b/well", "3")]);
    let guard = Guard::new(DEADLINE, read);
    assert_eq!(ask(&guard, &root, "a", "well").as_deref(), Ok("2"));
    assert!(!is_held(root.path(), "a"));
    assert_eq!(ask(&guard, &root, "a", "hung"), Err(Silence::Late));
    // No file of it is asked any more, also not by the next look, and it costs no time.
    let next = Guard::new(DEADLINE, read);
    for guard in [&guard, &next] {
        let begun = Instant::now();
        assert_eq!(ask(guard, &root, "a", "well"), Err(Silence::Held));
        assert!(begun.elapsed() < DEADLINE);
        assert_eq!(ask(guard, &root, "b", "well").as_deref(), Ok("3"));
    }
    assert!(is_held(root.path(), "a") && !is_held(root.path(), "b"));
    std::fs::write(folder.path().join("gate"), "").expect("the gate opens");
    let begun = Instant::now();
    while is_held(root.path(), "a") {
        assert!(begun.elapsed() < PATIENCE, "it did not come back");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(ask(&next, &root, "a", "hung").as_deref(), Ok("1"));
    assert_eq!(ask(&next, &root, "a", "well").as_deref(), Ok("2"));
}

#[test]
fn after_some_that_are_late_a_look_asks_no_other() {
    let names: Vec<String> = (0..=MOST_LATE)
        .map(|device| format!("{device}/hung"))
        .collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let (folder, root) = tree(&files);
    let guard = Guard::new(Duration::from_millis(20), read);
    for device in 0..MOST_LATE {
        let answer = ask(&guard, &root, &device.to_string(), "hung");
        assert_eq!(answer, Err(Silence::Late), "{device}");
    }
    let last = MOST_LATE.to_string();
    assert_eq!(ask(&guard, &root, &last, "hung"), Err(Silence::Spared));
    assert!(!is_held(root.path(), &last));
    std::fs::write(folder.path().join("gate"), "").expect("the gate opens");
    let next = Guard::new(DEADLINE, read);
    assert_eq!(ask(&next, &root, &last, "hung").as_deref(), Ok("1"));
}

#[test]
fn what_a_thread_of_another_process_holds_is_not_entered_and_what_one_of_ours_holds_is_told() {
    let (folder, root) = tree(&[("a/hung", "1"), ("b/well", "2"), ("c/well", "3")]);
    let guard = Guard::new(DEADLINE, read).beside(["b".to_owned()]);
    assert_eq!(ask(&guard, &root, "b", "well"), Err(Silence::Held));
    assert!(guard.is_held(&root, "b") && !guard.is_held(&root, "c"));
    assert_eq!(ask(&guard, &root, "c", "well").as_deref(), Ok("3"));
    assert!(held_in(&root).is_empty(), "it is the other's to tell");
    assert_eq!(ask(&guard, &root, "a", "hung"), Err(Silence::Late));
    assert_eq!(held_in(&root).into_iter().collect::<Vec<_>>(), ["a"]);
    std::fs::write(folder.path().join("gate"), "").expect("the gate opens");
}

#[test]
fn files_that_are_late_leave_a_look_time_for_the_rest() {
    for (look_ms, file_ms) in [
        (100, 25),
        (1_000, 250),
        (4_000, 1_000),
        (5_000, 1_000),
        (60_000, 1_000),
    ] {
        let look = Duration::from_millis(look_ms);
        let file = deadline_within(look);
        assert_eq!(file, Duration::from_millis(file_ms), "{look_ms}");
        assert!(file * MOST_LATE < look);
    }
}
