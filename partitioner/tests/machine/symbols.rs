//! The worker links the simulator and gives none of it away: a driver's library that it loads must find its own
//! functions and never ours.

use std::path::Path;
use std::process::Command;

use nvidia_ml::find_library;

/// What a file offers to the dynamic linker.
fn offered(path: &Path) -> Vec<String> {
    let arguments = ["--dynamic", "--defined-only"];
    let listed = Command::new("nm").args(arguments).arg(path).output();
    let listed = listed.expect("nm stands beside the linker");
    assert!(listed.status.success(), "{listed:?}");
    let text = String::from_utf8(listed.stdout).expect("names are ASCII");
    let names = text.lines().filter_map(|line| line.rsplit(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_worker_offers_no_function_of_the_driver() {
    let is_nvml = |name: &&String| name.starts_with("nvml");
    let worker = offered(Path::new(env!("CARGO_BIN_EXE_kerf-partitioner")));
    assert_eq!(worker.iter().find(is_nvml), None);
    // The same look does see them where they are.
    let library = offered(&find_library().expect("the library is built with the tests"));
    assert!(library.iter().filter(is_nvml).count() > 400);
}
