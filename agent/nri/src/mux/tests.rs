//! Frames come back as they were sent, in whatever pieces.

use proptest::prelude::*;

use super::*;

/// What each connection got, in order, when the stream came in pieces of `step` bytes.
fn read(stream: &[u8], step: usize) -> Result<Vec<(u32, Vec<u8>)>, TooLong> {
    let mut reader = Reader::default();
    let mut got: Vec<(u32, Vec<u8>)> = Vec::new();
    for part in stream.chunks(step) {
        let mut pieces = Vec::new();
        reader.push(part, &mut pieces)?;
        for (connection, piece) in pieces {
            match got.last_mut() {
                Some((last, bytes)) if *last == connection => bytes.extend_from_slice(piece),
                _ => got.push((connection, piece.to_vec())),
            }
        }
    }
    Ok(got)
}

#[test]
fn what_is_longer_than_a_chunk_goes_in_several_frames() {
    let mut out = Vec::new();
    write(PLUGIN, &vec![7; CHUNK + 1], &mut out);
    assert_eq!(out.len(), 2 * HEADER + CHUNK + 1);
    assert_eq!(out.get(..8), Some(&[0, 0, 0, 1, 0, 0, 16, 0][..]));
    assert_eq!(
        out.get(8 + CHUNK..16 + CHUNK),
        Some(&[0, 0, 0, 1, 0, 0, 0, 1][..])
    );
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_header() {
    let length = u32::try_from(MAX_PAYLOAD + 1).unwrap();
    let mut stream = 9_u32.to_be_bytes().to_vec();
    stream.extend_from_slice(&length.to_be_bytes());
    let refused = TooLong {
        connection: 9,
        length,
    };
    assert_eq!(read(&stream, 3), Err(refused));
    let last = stream.last_mut().unwrap();
    *last -= 1;
    assert_eq!(read(&stream, 3), Ok(Vec::new()));
}

#[test]
fn an_empty_frame_is_nothing() {
    let stream = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 5];
    assert_eq!(read(&stream, 1), Ok(vec![(2, vec![5])]));
}

proptest! {
    #[test]
    fn frames_come_back_whole(
        messages in proptest::collection::vec((1_u32..4, proptest::collection::vec(any::<u8>(), 1..9000)), 0..8),
        step in 1_usize..5000,
    ) {
        let mut stream = Vec::new();
        let mut sent: Vec<(u32, Vec<u8>)> = Vec::new();
        for (connection, bytes) in messages {
            write(connection, &bytes, &mut stream);
            match sent.last_mut() {
                Some((last, before)) if *last == connection => before.extend_from_slice(&bytes),
                _ => sent.push((connection, bytes)),
            }
        }
        prop_assert_eq!(read(&stream, step), Ok(sent));
    }
}
