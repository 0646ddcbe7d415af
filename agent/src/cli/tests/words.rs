//! Amounts, columns and colours.

use crate::cli::style::{Ink, Style};
use crate::cli::table::{Cell, Table, row};
use crate::cli::words::{count, cpu_milli, micros, ranges, seconds, shell_line, span};

use super::PLAIN;

#[test]
fn spans_are_read() {
    let cases = [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("1h", 3_600),
        ("1h30m", 5_400),
        ("2d", 172_800),
    ];
    for (text, expected) in cases {
        assert_eq!(seconds(text), Ok(expected), "{text}");
    }
    for wrong in [
        "",
        "h",
        "1x",
        "30m1h",
        "1h1h",
        "1h30",
        "-1s",
        "1.5h",
        "99999999999999999999s",
    ] {
        assert!(seconds(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn spans_are_written_with_their_two_largest_units() {
    let cases = [
        (0, "0s"),
        (61, "1m 1s"),
        (3_600, "1h"),
        (3_661, "1h 1m"),
        (90_061, "1d 1h"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(span(seconds), expected);
    }
    let cases = [
        (7, "7 µs"),
        (1_234, "1.2 ms"),
        (999_999, "999.9 ms"),
        (2_050_000, "2.05 s"),
    ];
    for (time, expected) in cases {
        assert_eq!(micros(time), expected);
    }
}

#[test]
fn cpus_are_read_in_thousandths() {
    for (text, milli) in [("2", 2_000), ("0.5", 500), ("1.25", 1_250), ("500m", 500)] {
        assert_eq!(cpu_milli(text), Ok(milli), "{text}");
    }
    for wrong in [
        "",
        "m",
        ".5",
        "1.",
        "1.2345",
        "-1",
        "1e3",
        "99999999999999999999",
    ] {
        assert!(cpu_milli(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn numbers_of_things() {
    assert_eq!(
        (count(1, "slice"), count(0, "slice")),
        ("1 slice".into(), "0 slices".into())
    );
    assert_eq!(ranges(&[]), "");
    assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
}

#[test]
fn commands_can_be_typed_again() {
    let words = ["sh", "-c", "echo 'a b'", ""].map(str::to_owned);
    assert_eq!(shell_line(&words), r"sh -c 'echo '\''a b'\''' ''");
}

#[test]
fn columns_stand_below_their_headings_whatever_the_colour() {
    let mut table = Table::new(&["NAME", ">SIZE", "NOTE"]);
    table.push(row!["a", 7, "x"]);
    table.push(vec![
        "longer".into(),
        Cell::new(Ink::Red, 12_345),
        Cell::optional(None::<u8>),
    ]);
    table.push(row!["ü", "", ""]);
    insta::assert_snapshot!(table.render(PLAIN, ""), @"
    NAME     SIZE  NOTE
    a           7  x
    longer  12345  -
    ü
    ");
    let colored = table.render(Style { color: true }, "");
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after
            .split_once('m')
            .expect("an escape sequence ends with m")
            .1;
    }
    assert_eq!(plain + rest, table.render(PLAIN, ""));
}
