//! What is packed comes back.

use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::{Packed, STORED_LIMIT};

fn check(body: &[u8], tail: &[u8]) {
    let packed = Packed::new(body).expect("compressing in memory");
    let stream = [&packed.head[..], &packed.end(tail)].concat();
    // GzDecoder reads one member and checks its checksum and length.
    let mut decoder = GzDecoder::new(stream.as_slice());
    let mut text = Vec::new();
    decoder.read_to_end(&mut text).expect("a sound stream");
    assert_eq!(text, [body, tail].concat());
    assert_eq!(
        decoder.into_inner(),
        b"",
        "nothing follows the first member"
    );
}

#[test]
fn one_member_with_any_tail() {
    let body = "kerf_gpu_power_watts{gpu_uuid=\"GPU-1\"} 12\n".repeat(20_000);
    for tail in ["", "# EOF\n", &"x".repeat(STORED_LIMIT * 2)] {
        check(body.as_bytes(), tail.as_bytes());
        check(b"", tail.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes(body in proptest::collection::vec(any::<u8>(), 0..70_000), tail: Vec<u8>) {
        check(&body, &tail);
    }
}
