//! A runtime that counts how often it is asked.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A runtime whose `features` prints `answer` and ends with `code`, and how often it was asked.
fn runtime(folder: &Path, answer: &str, code: u32) -> PathBuf {
    let path = folder.join("runtime");
    let count = folder.join("count");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = features ] || exit 9\necho >> {}\necho '{answer}'\nexit {code}\n",
        count.display()
    );
    kerf_tests::executable::script(&path, &script).expect("script");
    path
}

fn asked(folder: &Path) -> usize {
    fs::read_to_string(folder.join("count")).map_or(0, |text| text.lines().count())
}

const KNOWS: &str =
    r#"{"linux":{"memoryPolicy":{"modes":["MPOL_BIND","MPOL_LOCAL"]},"x":1},"y":[]}"#;

#[test]
fn a_runtime_is_asked_once_and_again_when_it_is_another_file() {
    let dir = tempfile::tempdir().expect("folder");
    let path = runtime(dir.path(), KNOWS, 0);
    for _ in 0..3 {
        let features = of(&path, dir.path());
        assert!(features.has_memory_policy("MPOL_BIND"));
        assert!(!features.has_memory_policy("MPOL_PREFERRED"));
    }
    assert_eq!(asked(dir.path()), 1);
    fs::remove_file(&path).expect("replaced");
    let path = runtime(dir.path(), "{}", 0);
    assert!(!of(&path, dir.path()).has_memory_policy("MPOL_BIND"));
    assert_eq!(asked(dir.path()), 2);
}

#[test]
fn what_does_not_answer_knows_nothing() {
    for (answer, code) in [
        ("", 0),
        (KNOWS, 1),
        ("[]", 0),
        ("{\"linux\":{}}", 0),
        ("no", 0),
    ] {
        let dir = tempfile::tempdir().expect("folder");
        let path = runtime(dir.path(), answer, code);
        assert!(
            !of(&path, dir.path()).has_memory_policy("MPOL_BIND"),
            "{answer}"
        );
        of(&path, dir.path());
        assert_eq!(asked(dir.path()), 1, "{answer}: it was kept");
    }
    let dir = tempfile::tempdir().expect("folder");
    assert_eq!(
        of(&dir.path().join("none"), dir.path()),
        Features::default()
    );
}

#[test]
fn what_others_could_have_written_is_not_believed() {
    let dir = tempfile::tempdir().expect("folder");
    let path = runtime(dir.path(), "{}", 0);
    of(&path, dir.path());
    let mut kept = fs::read_dir(dir.path()).expect("folder");
    let kept = kept
        .find_map(|entry| {
            Some(entry.ok()?.path()).filter(|p| p.to_string_lossy().contains("features-"))
        })
        .expect("it was kept");
    let text = fs::read_to_string(&kept).expect("kept");
    fs::write(&kept, text.replace("[]", "[\"MPOL_BIND\"]")).expect("forged");
    assert!(
        of(&path, dir.path()).has_memory_policy("MPOL_BIND"),
        "root's own word"
    );
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o666)).expect("mode");
    assert!(!of(&path, dir.path()).has_memory_policy("MPOL_BIND"));
    // Nor is one that is cut short, or a link.
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).expect("mode");
    fs::write(&kept, "{\"identity\":[").expect("cut short");
    assert!(!of(&path, dir.path()).has_memory_policy("MPOL_BIND"));
}
