//! Texts as they were recorded, what is no such text, and that what is written is read back.

use proptest::prelude::*;

use super::*;

const TABLE: &str = "\
+-------------------------------------+
| GPU compute policies:               |
| GPU     Name         Value          |
|=====================================|
|   0     Timeslice    Medium         |
+-------------------------------------+
";

#[test]
fn time_slices_are_read_in_both_forms() {
    assert_eq!(time_slice(TABLE), Ok(Interval::Medium));
    assert_eq!(
        time_slice("GPU  0: Timeslice: Default\n"),
        Ok(Interval::Default)
    );
    let two = format!("{TABLE}|   1     Timeslice    Long           |\n");
    for text in [
        "",
        "No devices were found\n",
        "Timeslice",
        "Timeslice: 7",
        two.as_str(),
    ] {
        assert!(time_slice(text).is_err(), "{text}");
    }
}

#[test]
fn limits_are_read() {
    assert_eq!(memory_limit("3G\n"), Ok(Some(Bytes(3 << 30))));
    assert_eq!(memory_limit("20350M"), Ok(Some(Bytes(20_350 << 20))));
    for none in ["", "\n", "0", "0M", "0G", "unlimited"] {
        assert_eq!(memory_limit(none), Ok(None), "{none:?}");
    }
    for wrong in [
        "3",
        "-1G",
        "+1G",
        "3 G",
        "3T",
        "99999999999999999999G",
        "9999999999999G",
    ] {
        assert!(memory_limit(wrong).is_err(), "{wrong}");
    }
    assert_eq!(memory_text(Bytes(1)), "1M");
    assert_eq!(percentage("25.0\n"), Ok(25.0));
    for wrong in ["", "0", "0.0", "100.1", "nan", "1e1", "25%", "1.2.3"] {
        assert!(percentage(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn lists_and_states_are_read() {
    assert_eq!(pids("17\n23 42\n"), Ok(vec![17, 23, 42]));
    assert_eq!(pids("\n"), Ok(Vec::new()));
    for wrong in ["0", "-3", "Server 17", "4294967296"] {
        assert!(pids(wrong).is_err(), "{wrong}");
    }
    assert_eq!(server_status("FAULT\n"), Ok(ServerStatus::Fault));
    assert!(server_status("active?").is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(mib in 1_u64..100_000_000, rest in 0_u64..MIB) {
        let text = memory_text(Bytes((mib << 20) + rest));
        prop_assert_eq!(memory_limit(&text), Ok(Some(Bytes(mib << 20))));
    }

    #[test]
    fn states_are_read_back(which in 0_usize..3) {
        let all = [ServerStatus::Initializing, ServerStatus::Active, ServerStatus::Fault];
        prop_assert_eq!(server_status(&all[which].to_string()), Ok(all[which]));
    }

    #[test]
    fn a_table_of_any_gpu_is_read(index in 0_u32..1_000, which in 0_usize..4, rule in "[+|= -]{0,40}") {
        let interval = Interval::ALL[which];
        let mut word = interval.to_string();
        word[..1].make_ascii_uppercase();
        let text = format!("{rule}\n| {index:>3}     {:<12} {word:<15}|\n{rule}\n", "Timeslice");
        prop_assert_eq!(time_slice(&text), Ok(interval));
    }

    #[test]
    fn pids_read_back(list in proptest::collection::vec(1_u32.., 0..20)) {
        let text: String = list.iter().map(|pid| format!("{pid}\n")).collect();
        prop_assert_eq!(pids(&text), Ok(list));
    }

    #[test]
    fn no_text_makes_it_fall_over(text in "\\PC{0,200}") {
        // Whatever it is, it is an answer or an error.
        let _answers = (percentage(&text).is_ok(), memory_limit(&text).is_ok(), pids(&text).is_ok(),
            time_slice(&text).is_ok(), server_status(&text).is_ok());
    }
}
