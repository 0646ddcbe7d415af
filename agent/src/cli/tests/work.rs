//! Golden texts of jobs: one, many, none.

use kerf_api::json::{Job, Jobs};
use kerf_api::v1;

use super::PLAIN;
use crate::cli::{cancel, jobs, submit};

const ID: &str = "01938f5c-0000-7000-8000-000000000001";

fn running() -> v1::Job {
    v1::Job {
        id: ID.to_owned(),
        spec_json: r#"{"image":"busybox:kerf","args":["sleep","600"],"accelerator":"1g.10gb"}"#
            .to_owned(),
        spec_hash: "ab".repeat(32),
        state: "running".to_owned(),
        reason: "its container runs".to_owned(),
        container: Some(format!("kerf-{ID}-0")),
        uid: 1_000,
        submitted_ms: 1_795_608_000_000,
        started_ms: Some(1_795_608_001_000),
        ..v1::Job::default()
    }
}

/// The hosts of members, by their numbers; the attempt is the second.
fn on(hosts: &[u32]) -> Vec<v1::JobMember> {
    let member = |(member, host): (u32, &u32)| v1::JobMember {
        member,
        attempt: 2,
        host_id: format!("{host:08x}-0000-4000-8000-000000000000"),
        host: format!("node-{host}"),
    };
    (0..).zip(hosts).map(member).collect()
}

fn failed() -> v1::Job {
    v1::Job {
        id: ID.replace('1', "2"),
        spec_json: r#"{"image":"busybox:kerf","name":"mnist"}"#.to_owned(),
        state: "failed".to_owned(),
        reason: "exit code 7".to_owned(),
        exit_code: Some(7),
        ended_ms: Some(1_795_608_002_000),
        restarts: 2,
        ..running()
    }
}

fn job(message: &v1::Job) -> Job {
    Job::try_from(message).expect("a right job")
}

#[test]
fn a_list_of_jobs() {
    let message = v1::ListJobsResponse {
        jobs: vec![running(), failed()],
        next: String::new(),
    };
    let all = Jobs::try_from(&message).expect("right jobs");
    insta::assert_snapshot!(jobs::render(&all, PLAIN), @"
    ID                                    STATE    EXIT  HOST  NAME   ASK      IMAGE         SUBMITTED                 REASON
    01938f5c-0000-7000-8000-000000000001  running     -  -     -      1g.10gb  busybox:kerf  2026-11-25T12:00:00.000Z  its container runs
    02938f5c-0000-7000-8000-000000000002  failed      7  -     mnist  -        busybox:kerf  2026-11-25T12:00:00.000Z  exit code 7
    ");
    let none = Jobs::try_from(&v1::ListJobsResponse::default()).expect("no jobs");
    insta::assert_snapshot!(jobs::render(&none, PLAIN), @"no jobs");
}

#[test]
fn jobs_name_their_hosts() {
    let alone = v1::Job {
        members: on(&[1]),
        ..running()
    };
    let wide = v1::Job {
        spec_json: r#"{"image":"busybox:kerf","members":4}"#.to_owned(),
        members: on(&[1, 1, 2, 1]),
        ..running()
    };
    let both = v1::ListJobsResponse {
        jobs: vec![alone.clone(), wide.clone()],
        next: String::new(),
    };
    let both = Jobs::try_from(&both).expect("right jobs");
    insta::assert_snapshot!(jobs::render(&both, PLAIN), @"
    ID                                    STATE    EXIT  HOST           NAME  ASK      IMAGE         SUBMITTED                 REASON
    01938f5c-0000-7000-8000-000000000001  running     -  node-1         -     1g.10gb  busybox:kerf  2026-11-25T12:00:00.000Z  its container runs
    01938f5c-0000-7000-8000-000000000001  running     -  node-1,node-2  -     -        busybox:kerf  2026-11-25T12:00:00.000Z  its container runs
    ");
    let head = |message: &v1::Job| {
        let text = jobs::render_one(&job(message), PLAIN);
        let hosts = text
            .lines()
            .skip(3)
            .take_while(|line| !line.starts_with("image"));
        let attempt = text.lines().filter(|line| line.starts_with("attempt"));
        hosts.chain(attempt).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(head(&alone), @"
    host       node-1
    attempt    2
    ");
    insta::assert_snapshot!(head(&wide), @"
    members 0-1,3  node-1
    member 2       node-2
    attempt        2
    ");
}

#[test]
fn one_job_says_what_it_knows() {
    insta::assert_snapshot!(jobs::render_one(&job(&failed()), PLAIN), @"
    id         02938f5c-0000-7000-8000-000000000002
    state      failed
    reason     exit code 7
    exit code  7
    name       mnist
    image      busybox:kerf
    container  kerf-01938f5c-0000-7000-8000-000000000001-0
    tenant     default
    user       1000
    submitted  2026-11-25T12:00:00.000Z
    started    2026-11-25T12:00:01.000Z
    ended      2026-11-25T12:00:02.000Z
    restarts   2
    spec hash  abababababababababababababababababababababababababababababababab
    ");
}

#[test]
fn submit_prints_the_id_alone() {
    assert_eq!(submit::render(&job(&running()), PLAIN), format!("{ID}\n"));
}

#[test]
fn cancel_says_what_became_of_it() {
    let text = cancel::render(&job(&running()), PLAIN) + &cancel::render(&job(&failed()), PLAIN);
    insta::assert_snapshot!(text, @"
    01938f5c-0000-7000-8000-000000000001 is asked to end (running)
    02938f5c-0000-7000-8000-000000000002 has ended already: failed
    ");
}

#[test]
fn an_id_may_be_given_by_its_only_beginning() {
    let find = |prefix: &str| {
        let ids = ["0192-a", "0192-b", "0193-c"]
            .map(str::to_owned)
            .into_iter();
        jobs::only_one("jobs", prefix, ids).map_err(|failure| failure.to_string())
    };
    assert_eq!(find("0193"), Ok("0193-c".to_owned()));
    let wrong = [find("0192"), find("02"), find("")];
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
    insta::assert_snapshot!(wrong.join("\n"), @r#"
    2 jobs have an id that begins with "0192": 0192-a, 0192-b
    0 jobs have an id that begins with "02"
    3 jobs have an id that begins with "": 0192-a, 0192-b, 0193-c
    "#);
}
