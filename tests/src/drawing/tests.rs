//! Each fault is seen, and nothing where there is none.

use super::complaints;

fn drawing(content: &str) -> Vec<String> {
    let whole = "<rect width=\"300\" height=\"100\"/>";
    complaints(&format!("<svg>{whole}{content}</svg>")).expect("a drawing")
}

#[test]
fn words_in_their_box_with_a_line_beside_them_are_right() {
    let fine = r#"<rect x="10" y="10" width="100" height="50"/>
        <text class="at" x="18" y="26">0000:0d:00.0</text>
        <text x="18" y="42"><tspan class="name">GPU0</tspan><tspan class="words" dx="8">H100</tspan></text>
        <path d="M110 20 L200 20 L250 90"/>"#;
    assert_eq!(drawing(fine), Vec::<String>::new());
}

#[test]
fn each_fault_is_told() {
    let device = r#"<rect x="10" y="10" width="100" height="50"/>"#;
    let words = r#"<text class="name" x="18" y="26">GPU0</text>"#;
    for (fault, told) in [
        (
            r#"<text class="words" x="18" y="42">SAMSUNG MZQL23T8H</text>"#,
            "runs over",
        ),
        (
            r#"<text class="name" x="18" y="42"><tspan>GPU0</tspan><tspan dx="70">0</tspan></text>"#,
            "runs over",
        ),
        (r#"<text class="at" x="18" y="16">0000</text>"#, "runs over"),
        (r#"<text class="at" x="30" y="30">0000</text>"#, "lies on"),
        (r#"<rect x="90" y="40" width="40" height="40"/>"#, "lies on"),
        (r#"<path d="M200 20 L200 50 L40 50"/>"#, "crosses"),
        (r#"<path d="M200 90 L5 3"/>"#, "crosses"),
        (r#"<path d="M20 20 L60 24"/>"#, "crosses"),
    ] {
        let found = drawing(&format!("{device}{words}{fault}"));
        assert!(
            found.iter().any(|one| one.contains(told)),
            "{fault}: {found:?}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_an_error() {
    for broken in [
        "<svg>",
        "<svg><rect x=\"a\"/></svg>",
        "<svg><path d=\"C1 2\"/></svg>",
    ] {
        assert!(complaints(broken).is_err(), "{broken}");
    }
}
