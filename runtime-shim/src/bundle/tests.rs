//! Hostile bundles, and a replacement that is whole or does not happen.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

fn bundle(text: &[u8]) -> (tempfile::TempDir, Bundle) {
    let dir = tempfile::tempdir().expect("folder");
    fs::write(dir.path().join(NAME), text).expect("config");
    let bundle = Bundle::open(dir.path()).expect("bundle");
    (dir, bundle)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_replacement_keeps_mode_and_leaves_nothing_beside() {
    let (dir, bundle) = bundle(b"old");
    let path = dir.path().join(NAME);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("mode");
    let file = bundle.read().expect("read");
    assert_eq!(file.text, "old");
    bundle.refuse_exposed(&file).expect("ours");
    bundle.replace(&file, b"new").expect("replaced");
    assert_eq!(fs::read_to_string(&path).expect("read"), "new");
    let mode = fs::metadata(&path).expect("metadata").mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert_eq!(names(dir.path()), [NAME]);
}

#[test]
fn a_file_left_by_a_killed_shim_of_the_same_pid_is_replaced() {
    let (dir, bundle) = bundle(b"old");
    let temporary = dir
        .path()
        .join(format!(".config.json.kerf-{}", process::id()));
    symlink("/etc/passwd", &temporary).expect("link");
    let file = bundle.read().expect("read");
    bundle.replace(&file, b"new").expect("replaced");
    assert_eq!(names(dir.path()), [NAME]);
}

#[test]
fn a_failed_replacement_leaves_the_old_file_alone() {
    let (dir, bundle) = bundle(b"old");
    let file = bundle.read().expect("read");
    let path = dir.path().join(NAME);
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a folder that no rename replaces");
    let error = bundle.replace(&file, b"new").expect_err("not replaced");
    assert!(matches!(error, BundleError::Replace { .. }));
    assert_eq!(names(dir.path()), [NAME]);
}

#[test]
fn hostile_files_are_not_read() {
    let (dir, bundle) = bundle(b"{}");
    let path = dir.path().join(NAME);
    fs::rename(&path, dir.path().join("elsewhere")).expect("rename");
    symlink("elsewhere", &path).expect("link");
    let error = bundle.read().expect_err("a link");
    assert!(matches!(error, BundleError::Read { .. }));

    fs::remove_file(&path).expect("removed");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    let error = bundle.read().expect_err("a pipe");
    assert!(matches!(error, BundleError::NotRegular { .. }));

    fs::remove_file(&path).expect("removed");
    fs::write(&path, b"{\"a\":\"\xff\"}").expect("config");
    let error = bundle.read().expect_err("not text");
    assert!(matches!(error, BundleError::Read { .. }));

    let file = File::create(&path).expect("config");
    file.set_len(CONFIG_LIMIT + 1).expect("sparse");
    let error = bundle.read().expect_err("long");
    assert!(matches!(error, BundleError::TooLarge { .. }));
    file.set_len(CONFIG_LIMIT).expect("sparse");
    assert_eq!(
        bundle.read().expect("just fits").text.len(),
        16 * 1024 * 1024
    );

    fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("mode");
    let read = bundle.read().expect("read");
    let error = bundle.refuse_exposed(&read).expect_err("open to all");
    assert!(matches!(error, BundleError::Exposed { .. }));

    fs::remove_file(&path).expect("removed");
    let error = bundle.read().expect_err("absent");
    assert!(matches!(error, BundleError::Read { .. }));
}

#[test]
fn what_others_may_write_or_exchange_is_refused() {
    let (dir, bundle) = bundle(b"{}");
    let file = dir.path().join(NAME);
    let set = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("mode");
    };
    let told = || match bundle.refuse_exposed(&bundle.read().expect("read")) {
        Ok(()) => None,
        Err(BundleError::Exposed { path, mode, .. }) => Some((path, mode)),
        Err(other) => panic!("{other}"),
    };
    let folder = bundle.path().to_owned();
    assert_eq!(told(), None);
    // Our own group may.
    set(&file, 0o660);
    set(&folder, 0o770);
    assert_eq!(told(), None);
    for mode in [0o777, 0o1777, 0o702] {
        set(&folder, mode);
        assert_eq!(told(), Some((folder.clone(), mode)));
    }
    set(&folder, 0o711);
    set(&file, 0o602);
    assert_eq!(told(), Some((folder.join(NAME), 0o602)));
    set(&file, 0o600);
    assert_eq!(told(), None);
}

#[test]
fn what_belongs_to_others_is_refused() {
    if !kerf_tests::require(kerf_tests::Capability::Root) {
        return;
    }
    let (dir, bundle) = bundle(b"{}");
    let file = dir.path().join(NAME);
    let is_refused = || {
        bundle
            .refuse_exposed(&bundle.read().expect("read"))
            .is_err()
    };
    let own = |path: &Path, uid, gid| {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("given");
    };
    for path in [&file, bundle.path()] {
        let mode = |mode| fs::set_permissions(path, Permissions::from_mode(mode)).expect("mode");
        // A group that may only read, as that of a container with user namespaces in its bundle.
        own(path, 0, 65_534);
        mode(0o750);
        assert!(!is_refused());
        mode(0o770);
        assert!(is_refused(), "{}", path.display());
        mode(0o750);
        own(path, 65_534, 0);
        assert!(is_refused(), "{}", path.display());
        own(path, 0, 0);
        assert!(!is_refused());
    }
}

#[test]
fn a_bundle_is_known_by_its_own_path() {
    let (dir, _) = bundle(b"{}");
    let link = dir.path().join("link");
    symlink(dir.path(), &link).expect("link");
    let real = fs::canonicalize(dir.path()).expect("path");
    assert_eq!(Bundle::open(&link).expect("through the link").path(), real);
    let error = Bundle::open(&dir.path().join(NAME)).expect_err("a file");
    assert!(matches!(error, BundleError::Open { .. }));
    Bundle::open(&dir.path().join("absent")).expect_err("absent");
}
