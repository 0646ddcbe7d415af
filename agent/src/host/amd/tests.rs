//! The copy of the requests in the run folder.

use kerf_types::MemoryPartition;

use super::{Requests, decode, encode};

#[test]
fn requests_read_back_and_damage_is_no_request() {
    let first = "0000:05:00.0".parse().expect("an address");
    let second = "0000:45:00.0".parse().expect("an address");
    let requests = Requests::from([
        (first, MemoryPartition::Nps4),
        (second, MemoryPartition::Nps2),
    ]);
    let text = encode(&requests);
    assert_eq!(decode(&text), requests);
    assert_eq!(
        String::from_utf8(text).expect("text"),
        r#"{"0000:05:00.0":"NPS4","0000:45:00.0":"NPS2"}"#
    );
    for damaged in [
        &b""[..],
        b"{",
        b"[]",
        br#"{"0000:05:00.0":"NPS3","x":"NPS1"}"#,
    ] {
        assert_eq!(decode(damaged), Requests::new());
    }
}
