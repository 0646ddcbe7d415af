//! The words of images and the files that explain them.

use super::{ProcessUser, by_files, by_number};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    broken line\n\
    jovyan:x:1000:100:a user:/home/jovyan:/bin/bash\n";
const GROUP: &str = "root:x:0:\nusers:x:100:\nvideo:x:44:other,jovyan\nrender:x:107:jovyan\n";

fn user(uid: u32, gid: u32, additional_gids: &[u32]) -> Option<ProcessUser> {
    Some(ProcessUser {
        uid,
        gid,
        additional_gids: additional_gids.to_vec(),
    })
}

#[test]
fn numbers_alone_need_no_files() {
    for root in ["", "0", "root", "0:0"] {
        assert_eq!(by_number(root), user(0, 0, &[]), "{root:?}");
    }
    assert_eq!(by_number("1000:100"), user(1000, 100, &[]));
    for open in [
        "1000",
        "jovyan",
        "jovyan:users",
        "1000:users",
        "-1:0",
        "4294967296:0",
    ] {
        assert_eq!(by_number(open), None, "{open:?}");
    }
}

#[test]
fn names_are_those_of_the_image() {
    let check =
        |wanted, expected| assert_eq!(by_files(wanted, PASSWD, GROUP), expected, "{wanted}");
    check("jovyan", user(1000, 100, &[44, 107]));
    check("1000", user(1000, 100, &[44, 107]));
    check("1000:video", user(1000, 44, &[]));
    check("jovyan:7", user(1000, 7, &[]));
    check("4711", user(4711, 0, &[]));
    check("nobody", None);
    check("jovyan:nogroup", None);
    check("-1", None);
    assert_eq!(by_files("12", "", ""), user(12, 0, &[]));
}
