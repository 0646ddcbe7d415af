//! A log that is read again goes on where it was.

use super::Position;

#[test]
fn a_second_reading_skips_what_was_written() {
    let mut position = Position::default();
    assert_eq!(position.fresh(b"hello "), b"hello ");
    assert_eq!(position.fresh(b"wor"), b"wor");
    // kerfd comes back and begins the log anew, in other pieces.
    position.read = 0;
    assert_eq!(position.fresh(b"hel"), b"");
    assert_eq!(position.fresh(b"lo world"), b"ld");
    assert_eq!(position.fresh(b"!"), b"!");
    // A log that has become shorter than what was shown is shown again from there on only.
    position.read = 0;
    assert_eq!(position.fresh(b"anew"), b"");
}
