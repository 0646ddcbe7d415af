//! Names that lead here, and names that others point here.

use super::Guard;

fn check(listen: &str, admitted: &[&str], refused: &[&str]) {
    let guard = Guard::new(listen.parse().expect("an address"));
    for host in admitted {
        assert!(guard.admits(host), "{host} at {listen}");
    }
    for host in refused {
        assert!(!guard.admits(host), "{host} at {listen}");
    }
}

#[test]
fn a_page_of_this_host_answers_to_this_host() {
    let own = [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1",
        "127.0.0.1:9452",
        "[::1]:9452",
        "[::1]",
    ];
    let others = [
        "",
        "evil.example",
        "evil.example:9452",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "evil.example@localhost",
        "192.0.2.7",
        "0.0.0.0",
        "[::]",
        "2130706433",
        "localhost/",
        "local host",
        "[::1",
    ];
    check("127.0.0.1:9452", &own, &others);
    check("[::1]:9452", &own, &others);
}

#[test]
fn a_page_for_others_answers_to_its_address_and_to_no_name() {
    check(
        "192.0.2.7:80",
        &["192.0.2.7", "localhost"],
        &["192.0.2.8", "node-1"],
    );
    check(
        "[::]:80",
        &["192.0.2.7:80", "[2001:db8::1]:80", "localhost"],
        &["node-1", "evil.example"],
    );
}
