//! The built library has every symbol of a real driver, as the dynamic linker sees it.

use std::collections::BTreeSet;
use std::ffi::{CString, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nvidia_ml::control::{FaultRequest, fault, show};
use nvidia_ml::find_library;

use crate::common::World;

/// A library that stays loaded until the process ends.
struct Loaded(*mut c_void);

impl Loaded {
    fn new(path: &Path) -> Self {
        let path = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        // SAFETY: the path is a C string, and the library is ours and does nothing at load.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "it loads");
        Self(handle)
    }

    fn has(&self, symbol: &str) -> bool {
        let symbol = CString::new(symbol).expect("no NUL");
        // SAFETY: the handle is open and the name a C string; the address is compared and not called.
        !unsafe { libc::dlsym(self.0, symbol.as_ptr()) }.is_null()
    }
}

#[test]
fn every_symbol_of_the_real_driver_is_exported() {
    let shared = std::env::var_os("KERF_SHARED").map(PathBuf::from);
    let shared =
        shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let capture = shared.join("data/nvidia-smi/h100-80gb-hbm3-590.48.01.txt");
    let Ok(text) = fs::read_to_string(&capture) else {
        let why = format!("{} is not there", capture.display());
        return kerf_tests::skip(kerf_tests::Capability::Data, &why);
    };
    let real: BTreeSet<&str> = text
        .lines()
        .filter(|line| {
            line.starts_with("nvml") && line.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
        .collect();
    assert!(real.len() > 400, "{}", real.len());
    let ours = Loaded::new(&find_library().expect("the library is built with the tests"));
    let missing: Vec<_> = real
        .into_iter()
        .filter(|symbol| !ours.has(symbol))
        .collect();
    // NVIDIA's own tools alone call this one; it hands out tables of private functions.
    assert_eq!(missing, ["nvmlInternalGetExportTable"]);
}

/// What an old driver lacks is spelt as the library spells it.
#[test]
fn an_old_driver_lacks_what_there_is() {
    let world = World::new("h100x1");
    fault(world.dir(), FaultRequest::OldDriver).expect("a driver");
    let ours = Loaded::new(&find_library().expect("the library is built with the tests"));
    let lacks = show(world.dir()).expect("a machine").refusals;
    assert_eq!(lacks.len(), 18);
    assert!(lacks.keys().all(|function| ours.has(function)), "{lacks:?}");
}

/// The tests that need no capture: what nvml-wrapper would call.
#[test]
fn a_name_that_is_not_exported_is_not_found() {
    let ours = Loaded::new(&find_library().expect("the library is built with the tests"));
    assert!(ours.has("nvmlInit_v2") && ours.has("nvmlDeviceCreateGpuInstanceWithPlacement"));
    assert!(!ours.has("nvmlFromTheFuture"));
}
