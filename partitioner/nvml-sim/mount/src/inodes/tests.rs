//! Numbers keep their meaning.

use fuser::{FileType, INodeNo};

use super::Inodes;

#[test]
fn a_number_means_one_path_and_kind_for_ever() {
    let mut inodes = Inodes::new();
    let file = inodes.number("sys/a", FileType::RegularFile);
    let folder = inodes.number("sys/a", FileType::Directory);
    assert_ne!(file, folder);
    assert_eq!(inodes.number("sys/a", FileType::RegularFile), file);
    assert_eq!(
        inodes.place(folder),
        Some(&("sys/a".to_owned(), FileType::Directory))
    );
    assert_eq!(inodes.number("", FileType::Directory), INodeNo::ROOT);
}

#[test]
fn a_number_that_was_never_given_means_nothing() {
    let inodes = Inodes::new();
    for number in [0, 2, u64::MAX] {
        assert_eq!(inodes.place(INodeNo(number)), None, "{number}");
    }
}
