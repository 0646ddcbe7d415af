//! Messages come back as they were sent, in whatever pieces, and what is none is refused.

use proptest::prelude::*;

use super::*;

fn read(stream: &[u8], step: usize) -> Result<Vec<Frame>, FrameError> {
    let (mut reader, mut frames) = (Reader::default(), Vec::new());
    for part in stream.chunks(step) {
        reader.push(part, &mut frames)?;
    }
    Ok(frames)
}

#[test]
fn calls_and_answers_come_back() {
    let mut stream = request(1, "a.Service", "Call", vec![1, 2]);
    stream.extend(success(1, vec![3]));
    stream.extend(failure(3, Code::Unimplemented, "no such method"));
    let words = "no such method (code 12)".to_owned();
    let expected = vec![
        Frame::Request {
            stream: 1,
            service: "a.Service".to_owned(),
            method: "Call".to_owned(),
            payload: vec![1, 2],
        },
        Frame::Response {
            stream: 1,
            outcome: Ok(vec![3]),
        },
        Frame::Response {
            stream: 3,
            outcome: Err(words),
        },
    ];
    for step in [1, 9, 10, 11, 1000] {
        assert_eq!(read(&stream, step), Ok(expected.clone()));
    }
}

#[test]
fn a_message_without_bytes_is_a_message() {
    let expected = vec![Frame::Response {
        stream: 7,
        outcome: Ok(Vec::new()),
    }];
    assert_eq!(read(&success(7, Vec::new()), 4), Ok(expected));
}

#[test]
fn parts_of_streams_are_skipped() {
    let mut stream = framed(1, 3, b"whatever");
    stream.extend(success(1, Vec::new()));
    assert_eq!(read(&stream, 5).unwrap().len(), 1);
}

#[test]
fn what_is_too_long_or_no_message_is_refused() {
    let length = u32::try_from(MAX_MESSAGE + 1).unwrap();
    let mut stream = length.to_be_bytes().to_vec();
    stream.extend_from_slice(&[0, 0, 0, 5, 1, 0]);
    assert_eq!(
        read(&stream, 10),
        Err(FrameError::TooLong { stream: 5, length })
    );
    let broken = framed(5, REQUEST, &[0x0a, 200]);
    assert!(matches!(
        read(&broken, 10),
        Err(FrameError::Message { stream: 5, .. })
    ));
}

proptest! {
    #[test]
    fn payloads_come_back(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..6),
        step in 1_usize..4000,
    ) {
        let stream: Vec<u8> = payloads.iter().flat_map(|payload| success(9, payload.clone())).collect();
        let expected: Vec<Frame> = payloads
            .into_iter()
            .map(|payload| Frame::Response { stream: 9, outcome: Ok(payload) })
            .collect();
        prop_assert_eq!(read(&stream, step), Ok(expected));
    }
}
