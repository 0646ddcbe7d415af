//! Messages survive the stream however it is cut, and a broken peer gets an error, never our memory.

use super::{FRAME_LIMIT, FrameDecoder, FrameError, encode_frame};
use crate::partitioner::v1::{ObserveGpu, Request, request::Call};

fn request(id: u64) -> Request {
    let index = u32::try_from(id).expect("small");
    Request {
        id,
        call: Some(Call::ObserveGpu(ObserveGpu { index, pci: None })),
    }
}

fn stream(ids: std::ops::Range<u64>) -> Vec<u8> {
    ids.flat_map(|id| encode_frame(&request(id)).expect("it fits"))
        .collect()
}

#[test]
fn frames_survive_every_cut() {
    let bytes = stream(1..4);
    for size in 1..=bytes.len() {
        let mut decoder = FrameDecoder::new();
        let mut found = Vec::new();
        for part in bytes.chunks(size) {
            decoder.push(part);
            while let Some(message) = decoder.pop::<Request>().expect("well-formed") {
                found.push(message.id);
            }
        }
        assert_eq!(found, [1, 2, 3], "cut into {size}");
        assert_eq!(decoder.finish(), Ok(()));
    }
}

#[test]
fn an_empty_message_is_a_frame() {
    let mut decoder = FrameDecoder::new();
    decoder.push(&encode_frame(&Request::default()).expect("it fits"));
    assert_eq!(decoder.pop(), Ok(Some(Request::default())));
    assert_eq!(decoder.pop::<Request>(), Ok(None));
}

#[test]
fn an_announced_length_beyond_the_limit_is_refused_at_once() {
    let mut decoder = FrameDecoder::new();
    let bytes = FRAME_LIMIT + 1;
    decoder.push(&u32::try_from(bytes).expect("it fits").to_be_bytes());
    for _ in 0..2 {
        let error = decoder.pop::<Request>().expect_err("too large");
        assert_eq!(
            error,
            FrameError::TooLarge {
                bytes,
                limit: FRAME_LIMIT
            }
        );
    }
    assert_eq!(
        FrameError::TooLarge {
            bytes,
            limit: FRAME_LIMIT
        }
        .to_string(),
        "a message of 4194305 bytes does not fit into a frame of at most 4194304"
    );
}

#[test]
fn a_message_beyond_the_limit_is_not_written() {
    let text = "x".repeat(FRAME_LIMIT);
    let inventory = crate::v1::Inventory {
        host: text,
        ..Default::default()
    };
    let error = encode_frame(&inventory).expect_err("too large");
    assert!(matches!(error, FrameError::TooLarge { bytes, .. } if bytes > FRAME_LIMIT));
}

#[test]
fn a_malformed_frame_is_left_behind() {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[0, 0, 0, 2, 0xff, 0xff]);
    decoder.push(&stream(7..8));
    let error = decoder.pop::<Request>().expect_err("no message");
    assert!(matches!(error, FrameError::Malformed { bytes: 2, .. }));
    assert_eq!(decoder.pop(), Ok(Some(request(7))));
}

#[test]
fn a_stream_that_ends_within_a_frame_is_told() {
    let mut decoder = FrameDecoder::new();
    let bytes = stream(1..2);
    decoder.push(&bytes[..bytes.len() - 1]);
    assert_eq!(decoder.pop::<Request>(), Ok(None));
    assert_eq!(
        decoder.finish(),
        Err(FrameError::Truncated {
            bytes: bytes.len() - 1
        })
    );
}
