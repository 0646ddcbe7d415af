//! Words fit, and as much of them as can.

use proptest::prelude::*;

use super::{CUT, Face, shortened, width, wrapped};

const FACES: [Face; 3] = [Face::Name, Face::At, Face::Words];

/// Pixels in DejaVu Sans Bold at 12, DejaVu Sans Mono at 11 and DejaVu Sans at 10, as a browser measures them.
#[test]
fn a_measure_is_no_less_than_what_browsers_draw() {
    for (face, text, drawn) in [
        (Face::Name, "NVSwitch 0000:db:00.0", 157.0),
        (Face::At, "0000:0d:00.0", 79.5),
        (Face::Words, "SAMSUNG MZQL23T8HCLS-00A07", 170.0),
        (Face::Words, "191.98GiB, gfx942, 32 GT/s x16", 155.0),
    ] {
        let measured = f64::from(width(face, text));
        let most = drawn * 1.15;
        assert!((drawn..most).contains(&measured), "{text}: {measured}");
    }
}

#[test]
fn words_are_cut_behind_the_last_that_fits() {
    let text = "INTEL SSDPF2KX076TZ, 6.98TiB";
    let whole = width(Face::Words, text);
    assert_eq!(shortened(Face::Words, text, whole), text);
    let cut = shortened(Face::Words, text, whole - 1);
    assert_eq!(cut, "INTEL SSDPF2KX076TZ, 6.98…");
    // Neither a comma nor a blank stands before the ellipsis.
    let to_comma = width(Face::Words, "INTEL SSDPF2KX076TZ, …");
    assert_eq!(
        shortened(Face::Words, text, to_comma),
        "INTEL SSDPF2KX076TZ…"
    );
}

#[test]
fn lines_end_behind_commas_else_behind_words_else_anywhere() {
    let lines = |text| wrapped(Face::Words, text, 184, 2);
    for (text, expected) in [
        ("Trainium2, trn2", &["Trainium2, trn2"][..]),
        (
            "NVIDIA H100 80GB HBM3, 79.64GiB, hopper, 32 GT/s x16",
            &["NVIDIA H100 80GB HBM3", "79.64GiB, hopper, 32 GT/s x16"],
        ),
        (
            "Amazon EC2 NVMe Instance Storage of Some Kind",
            &["Amazon EC2 NVMe Instance", "Storage of Some Kind"],
        ),
        ("", &[]),
    ] {
        assert_eq!(lines(text), expected, "{text}");
    }
    let endless = lines(&"W".repeat(1_000));
    assert_eq!(endless, ["W".repeat(18), format!("{}…", "W".repeat(17))]);
}

proptest! {
    #[test]
    fn whatever_the_words_are_they_fit(text in "\\PC{0,80}", room in 60u32..400, lines in 1usize..4) {
        for face in FACES {
            let short = shortened(face, &text, room);
            prop_assert!(width(face, &short) <= room, "{short}");
            let wrapped = wrapped(face, &text, room, lines);
            prop_assert!(wrapped.len() <= lines);
            for line in &wrapped {
                prop_assert!(width(face, line) <= room, "{line}");
            }
            // Nothing is lost without an ellipsis, except what stands between lines.
            let is_cut = wrapped.last().is_some_and(|last| last.ends_with(CUT));
            let bare = |text: &str| text.replace([' ', ','], "").split_whitespace().collect::<String>();
            if !is_cut {
                prop_assert_eq!(bare(&wrapped.concat()), bare(&text));
            }
        }
    }
}
