//! What NVIDIA's tools answer: a value that is meant, or a refusal; never a value that was not said.

use kerf_partitioner::sharing::text;

/// One answer, read as each kind of it.
pub fn mps_answers(bytes: &[u8]) {
    let Ok(answer) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(percent) = text::percentage(answer) {
        assert!(percent > 0.0 && percent <= 100.0, "{answer:?}");
        assert_eq!(text::percentage(&percent.to_string()), Ok(percent));
    }
    match text::memory_limit(answer) {
        Ok(Some(limit)) => {
            let written = text::memory_text(limit);
            assert_eq!(text::memory_limit(&written), Ok(Some(limit)), "{answer:?}");
            assert!(answer.contains(|one: char| one.is_ascii_digit()));
        }
        Ok(None) => {
            let says = answer.contains(|one: char| matches!(one, '1'..='9'));
            assert!(!says, "{answer:?} is taken for no limit");
        }
        Err(error) => is_short(&error),
    }
    match text::pids(answer) {
        Ok(pids) => {
            assert!(!pids.contains(&0));
            let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
            assert_eq!(text::pids(&list.join("\n")), Ok(pids));
        }
        Err(error) => is_short(&error),
    }
    match text::server_status(answer) {
        Ok(status) => assert_eq!(status.to_string(), answer.trim()),
        Err(error) => is_short(&error),
    }
    match text::time_slice(answer) {
        Ok(interval) => {
            let lower = answer.to_ascii_lowercase();
            assert!(lower.contains("timeslice") && lower.contains(interval.as_str()));
            let line = format!("  Timeslice  : {interval}\n");
            assert_eq!(text::time_slice(&line), Ok(interval));
            assert!(
                text::time_slice(&format!("{answer}\n{line}")).is_err(),
                "which?"
            );
        }
        Err(error) => is_short(&error),
    }
}

fn is_short(error: &text::TextError) {
    assert!(!error.what.is_empty() && error.found.chars().count() <= 200);
}
