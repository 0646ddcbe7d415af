//! Ends of jobs as exit codes.

use kerf_api::v1;

use super::exit_of;
use crate::cli::Exit;

#[test]
fn a_job_s_own_code_is_ours_and_kerf_s_failures_have_another() {
    let check = |state: &str, exit_code: Option<i32>, interrupted: bool| {
        let job = v1::Job {
            id: "1".to_owned(),
            state: state.to_owned(),
            reason: "why".to_owned(),
            exit_code,
            ..v1::Job::default()
        };
        exit_of(&job, interrupted).map_err(|failure| failure.to_string())
    };
    assert_eq!(check("succeeded", Some(0), false), Ok(Exit::Code(0)));
    assert_eq!(check("failed", Some(7), false), Ok(Exit::Code(7)));
    assert_eq!(check("cancelled", Some(143), true), Ok(Exit::Code(143)));
    assert_eq!(check("cancelled", None, true), Ok(Exit::Code(130)));
    assert_eq!(check("failed", Some(4_096), false), Ok(Exit::Code(125)));
    assert_eq!(
        check("cancelled", None, false),
        Err("job 1 was cancelled: why".to_owned())
    );
    assert_eq!(
        check("failed", None, false),
        Err("job 1 has failed: why".to_owned())
    );
    assert_eq!(
        check("lost", None, true),
        Err("job 1 was lost: why".to_owned())
    );
}
