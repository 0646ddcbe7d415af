//! Spellings of the arguments, and the table.

use super::*;

#[test]
fn arguments_are_read_in_both_spellings() {
    let of = Some("GPU-1");
    let cases: [(&[&str], Option<Ask<'_>>); 8] = [
        (
            &["compute-policy", "-i", "GPU-1", "--list"],
            Some(Ask::List { of }),
        ),
        (&["compute-policy", "-l"], Some(Ask::List { of: None })),
        (
            &["compute-policy", "-i", "GPU-1", "--set-timeslice", "2"],
            Some(Ask::Slice { of, to: "2" }),
        ),
        (
            &["compute-policy", "--id=GPU-1", "--set-timeslice=2"],
            Some(Ask::Slice { of, to: "2" }),
        ),
        (
            &["-i", "GPU-1", "-c", "DEFAULT"],
            Some(Ask::Mode { of, to: "DEFAULT" }),
        ),
        (&["compute-policy"], None),
        (&["compute-policy", "--set-timeslice"], None),
        (&[], None),
    ];
    for (arguments, expected) in cases {
        assert_eq!(Ask::read(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn its_faults_are_known_by_its_own_words() {
    let (of, to) = (None, "0");
    let asks = [
        Ask::Slice { of, to },
        Ask::List { of },
        Ask::Mode { of, to },
    ];
    let known: Vec<&str> = Tool::Smi.commands().collect();
    assert_eq!(asks.map(|ask| ask.command()).as_slice(), known);
}

#[test]
fn the_table_is_straight() {
    let device = |index, time_slice| Device {
        gpu: index,
        index,
        instance: None,
        uuid: String::new(),
        time_slice,
        compute_mode: 0,
        mps_clients: 48,
        mps_present: 0,
    };
    let text = table(&[device(0, 0), device(10, 3)]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.iter().all(|line| line.len() == 39), "{text}");
    assert_eq!(lines[4], "|   0     Timeslice    Default        |");
    assert_eq!(lines[5], "|  10     Timeslice    Long           |");
}
