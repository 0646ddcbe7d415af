//! The table and its last line.

use super::super::compare::{Row, Verdict};
use super::{Summary, different, lines};

fn row(field: &str, kerf: &str, verdict: Verdict) -> Row {
    Row {
        of: "GPU0".to_owned(),
        field: field.to_owned(),
        kerf: kerf.to_owned(),
        smi: "41 C".to_owned(),
        verdict,
        moves: false,
    }
}

#[test]
fn columns_verdicts_and_counts() {
    let long = "PIX ".repeat(16);
    let rows = [
        row("name", "H100", Verdict::Same),
        row("temperature", "42 C", Verdict::Near),
        row("topology", &long, Verdict::Different),
        row("nvlinks", "", Verdict::NotCompared("MIG mode".to_owned())),
    ];
    let expected = [
        "OF    FIELD        KERF  NVIDIA-SMI  VERDICT".to_owned(),
        "GPU0  name         H100  41 C        same".to_owned(),
        "GPU0  temperature  42 C  41 C        near".to_owned(),
        format!("GPU0  topology     {long}  41 C        DIFFERENT"),
        "GPU0  nvlinks            41 C        not compared: MIG mode".to_owned(),
    ];
    assert_eq!(lines(&rows), expected);
    assert_eq!(different(&rows), ["GPU0 topology"]);
    let summary = Summary::new(&rows).line();
    assert_eq!(summary, "1 same, 1 near, 1 different, 1 not compared");
}
