//! The list of layers is as short as it can be and names the same folders.

use super::shorten;

#[test]
fn what_layers_have_in_common_is_left_out() {
    let check = |list: &str, folder: &str, short: &str| {
        let expected = (folder.to_owned(), short.to_owned());
        assert_eq!(shorten(list), expected, "{list}");
    };
    check("/a/b/12/fs:/a/b/9/fs", "/a/b/", "12/fs:9/fs");
    check("/a/b/12/fs:/a/b/13/fs", "/a/b/", "12/fs:13/fs");
    check("/a/b:/c/d", "/", "a/b:c/d");
    check("/a/b", "/a/", "b");
    check("/a/bc/x:/a/b/x", "/a/", "bc/x:b/x");
    check("a:b", "/", "a:b");
}
