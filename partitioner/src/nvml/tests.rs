//! Which libraries are loaded, and how refusals read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nvml_wrapper::Nvml;
use tempfile::TempDir;

use super::error::{NvmlError, ReturnCode, optional};
use super::{LibraryError, load};
use crate::in_words;

/// A machine's library in this process. The folder must outlive it.
pub(super) fn simulated(name: &str) -> (TempDir, Nvml) {
    let folder = tempfile::tempdir().expect("a folder");
    let library = nvidia_ml::find_library().expect("cargo has built the simulator");
    let options = nvidia_ml::CreateOptions { seed: Some(1) };
    let info = nvidia_ml::create(name, &folder.path().join("m"), &library, &options).expect("made");
    let nvml = load(&info.library).expect("a driver");
    (folder, nvml)
}

fn machine() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let library = nvidia_ml::find_library().expect("cargo has built the simulator");
    let options = nvidia_ml::CreateOptions { seed: Some(1) };
    let at = folder.path().join("m");
    let info = nvidia_ml::create("h100x1", &at, &library, &options).expect("made");
    (folder, info.library)
}

fn refused(path: &Path) -> LibraryError {
    load(path).expect_err("not to be loaded")
}

#[test]
fn only_roots_own_files_are_loaded_by_root() {
    // Only root refuses what others can write.
    if !kerf_tests::require(kerf_tests::Capability::Root) {
        return;
    }
    let (folder, library) = machine();
    let mode = |mode| fs::set_permissions(&library, fs::Permissions::from_mode(mode)).expect("set");
    for wrong in [0o666, 0o775, 0o757] {
        mode(wrong);
        let error = refused(&library);
        assert!(
            matches!(error, LibraryError::Untrusted { owner: 0, .. }),
            "{error}"
        );
    }
    mode(0o755);
    chown(&library, Some(65_534), None).expect("given away");
    assert!(matches!(
        refused(&library),
        LibraryError::Untrusted { owner: 65_534, .. }
    ));
    chown(&library, Some(0), None).expect("taken back");
    let link = folder.path().join("link.so");
    std::os::unix::fs::symlink(&library, &link).expect("a link");
    assert!(load(&link).is_ok());
    // Folders count too, of a simulated machine as well: their owner chooses what lies in them.
    let open = tempfile::tempdir().expect("a folder");
    let copy = open.path().join("libnvidia-ml.so.1");
    fs::copy(&library, &copy).expect("a copy");
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o777)).expect("set");
    assert!(matches!(
        refused(&copy),
        LibraryError::Untrusted { owner: 0, .. }
    ));
    fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).expect("set");
    let machine = library.parent().expect("its folder");
    chown(machine, Some(65_534), None).expect("given away");
    assert!(matches!(
        refused(&library),
        LibraryError::Untrusted { owner: 65_534, .. }
    ));
    assert!(matches!(
        refused(&link),
        LibraryError::Untrusted { owner: 65_534, .. }
    ));
}

#[test]
fn what_is_no_driver_library_is_named() {
    let (folder, library) = machine();
    let relative = Path::new("libnvidia-ml.so.1");
    assert!(matches!(refused(relative), LibraryError::Relative { .. }));
    let absent = library.with_file_name("absent.so");
    assert!(matches!(refused(&absent), LibraryError::Absent { .. }));
    let text = folder.path().join("text.so");
    fs::write(&text, "no library").expect("a file");
    assert!(matches!(refused(&text), LibraryError::NotLoadable { .. }));
    // Without its state file the simulated driver is "not loaded".
    let alone = folder.path().join("alone.so");
    fs::copy(&library, &alone).expect("a copy");
    let error = refused(&alone);
    let words = in_words(&error);
    assert!(
        words.ends_with("the driver is not loaded (NVML return code 9)"),
        "{words}"
    );
}

#[test]
fn a_lost_gpu_is_never_merely_unknown() {
    let answer = |code| {
        Err::<u32, _>(NvmlError::Call {
            call: "nvmlX",
            code,
        })
    };
    assert!(optional(answer(ReturnCode::NOT_SUPPORTED)).is_ok_and(|fact| fact.is_none()));
    assert!(optional(answer(ReturnCode(999))).is_ok_and(|fact| fact.is_none()));
    assert!(optional(answer(ReturnCode::GPU_IS_LOST)).is_err());
    assert!(optional(answer(ReturnCode::RESET_REQUIRED)).is_err());
    assert!(optional(answer(ReturnCode::UNINITIALIZED)).is_err());
    let missing = NvmlError::Missing { call: "nvmlX" };
    assert!(optional(Err::<u32, _>(missing)).is_ok_and(|fact| fact.is_none()));
    let error = answer(ReturnCode::IN_USE).expect_err("an error");
    assert_eq!(in_words(&error), "call nvmlX: in use (NVML return code 19)");
}
