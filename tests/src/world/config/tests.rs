//! Version lines of real packages, and the file that follows from them.

use std::path::Path;

use super::{Generation, text};

#[test]
fn the_generation_is_read_from_what_packages_print() {
    let debian_12 = "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3";
    let debian_sid = "containerd github.com/containerd/containerd/v2 2.1.9+ds1 2.1.9+ds1-5";
    let upstream = "containerd github.com/containerd/containerd/v2 v2.2.0 1c4457e00facac03ce1d";
    assert_eq!(Generation::parse(debian_12), Some(Generation::One));
    assert_eq!(Generation::parse(debian_sid), Some(Generation::Two));
    assert_eq!(Generation::parse(upstream), Some(Generation::Two));
    assert_eq!(Generation::parse("containerd"), None);
}

#[test]
fn every_path_lies_in_the_folder() {
    let text = text(
        Generation::Two,
        Path::new("/tmp/w"),
        Path::new("/tmp/w/c.sock"),
        None,
    );
    assert!(text.starts_with("version = 3\n"));
    let paths: Vec<&str> = text
        .split('"')
        .filter(|word| word.starts_with('/'))
        .collect();
    assert_eq!(paths.len(), 5);
    assert!(paths.iter().all(|path| path.starts_with("/tmp/w/")));
}
