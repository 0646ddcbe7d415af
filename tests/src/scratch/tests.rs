//! Scratch folders are short-lived and short-named.

use super::Scratch;

#[test]
fn the_folder_goes_with_its_owner() {
    let scratch = Scratch::new("kt").expect("/tmp takes folders");
    let path = scratch.path().to_path_buf();
    let inside = scratch
        .folder("a/b")
        .expect("a folder of our own takes folders");
    assert!(inside.is_dir());
    assert!(path.as_os_str().len() < 32);
    drop(scratch);
    assert!(!path.exists());
}
