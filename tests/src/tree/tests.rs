//! The build folder is found from test executables and from plain binaries alike.

use std::path::{Path, PathBuf};

use super::{profile_dir_of, workspace_root};

#[test]
fn a_test_executable_lies_one_folder_deeper_than_a_binary() {
    let expected = Some(PathBuf::from("/t/debug"));
    assert_eq!(
        profile_dir_of(Path::new("/t/debug/deps/kerf-0123")),
        expected
    );
    assert_eq!(profile_dir_of(Path::new("/t/debug/xtask")), expected);
}

#[test]
fn the_workspace_root_holds_the_lock_file() {
    assert!(workspace_root().join("Cargo.lock").is_file());
}
