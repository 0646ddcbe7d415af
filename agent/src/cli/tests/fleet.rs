//! Golden texts of hosts and explanations, and of jobs that have several hosts.

use kerf_api::json::explanation::{
    Explanation, ExplanationSchema, HostVerdict, JobExplanationSchema, Refusal, Score, Unplaced,
    Verdict,
};
use kerf_api::json::{JobExplanation, JobMember, Nodes};
use kerf_api::v1;

use super::PLAIN;
use crate::cli::members::column;
use crate::cli::style::Style;
use crate::cli::{explain, nodes};

const ID: &str = "01938f5c-0000-7000-8000-000000000001";

fn record() -> v1::NodeRecord {
    let model = v1::NodeModel {
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        count: 8,
        mig_capable: true,
    };
    v1::NodeRecord {
        models: vec![model],
        gpus: 8,
        gpus_ok: 8,
        gpus_in_maintenance: 0,
        gpus_free: 2,
        slices: 14,
        slices_free: 3,
        cpu_milli: 64_000,
        cpu_free_milli: 12_500,
        memory_bytes: 512 << 30,
        memory_free_bytes: 100 << 30,
        load_per_mille: 425,
        jobs: 3,
        admission: "open".to_owned(),
        ..v1::NodeRecord::default()
    }
}

fn node(number: u32, name: &str, presence: &str, record: Option<v1::NodeRecord>) -> v1::Node {
    v1::Node {
        id: format!("{number:08x}-0000-4000-8000-000000000000"),
        name: name.to_owned(),
        here: number == 1,
        address: format!("10.0.0.{number}:9451"),
        presence: presence.to_owned(),
        record_age_ms: record.as_ref().map(|_| 61_500),
        record,
        ..v1::Node::default()
    }
}

fn hosts(nodes: Vec<v1::Node>) -> Nodes {
    let listens = nodes.len() > 1;
    Nodes::from(&v1::ListNodesResponse { nodes, listens })
}

#[test]
fn a_fleet_is_a_table_of_what_each_host_said() {
    let change = |change: fn(&mut v1::NodeRecord)| {
        let mut record = record();
        change(&mut record);
        Some(record)
    };
    let cordoned = change(|record| record.admission = "cordoned".to_owned());
    let sick = change(|record| {
        (record.gpus_ok, record.gpus_in_maintenance) = (5, 1);
        (record.slices, record.slices_free) = (0, 0);
    });
    let bare = change(|record| {
        record.models.clear();
        (record.gpus, record.gpus_ok, record.slices) = (0, 0, 0);
    });
    let fleet = hosts(vec![
        node(1, "node-1", "alive", Some(record())),
        node(2, "node-2", "alive", cordoned),
        node(3, "node-3", "suspect", sick.clone()),
        node(4, "node-3", "down", bare),
        node(5, "node-4", "left", None),
    ]);
    insta::assert_snapshot!(nodes::render(&fleet, PLAIN), @"
    NAME               STATE            GPUS                                                     FREE                   JOBS  LOAD      CPU         MEMORY    AGE  ADDRESS
    node-1 (here)      alive            8 x NVIDIA H100 80GB HBM3                                2/8 GPUs, 3/14 slices     3   42%  12.5/64  100GiB/512GiB  1m 1s  10.0.0.1:9451
    node-2             alive, cordoned  8 x NVIDIA H100 80GB HBM3                                2/8 GPUs, 3/14 slices     3   42%  12.5/64  100GiB/512GiB  1m 1s  10.0.0.2:9451
    node-3 [00000003]  suspect          8 x NVIDIA H100 80GB HBM3, 1 in maintenance, 2 not well  2/8 GPUs                  3   42%  12.5/64  100GiB/512GiB  1m 1s  10.0.0.3:9451
    node-3 [00000004]  down             none                                                     -                         3   42%  12.5/64  100GiB/512GiB  1m 1s  10.0.0.4:9451
    node-4             left             -                                                        -                         -     -        -              -      -  10.0.0.5:9451
    ");
}

#[test]
fn a_host_alone_is_a_table_of_one() {
    let mut alone = node(1, "node-1", "alive", None);
    alone.address.clear();
    insta::assert_snapshot!(nodes::render(&hosts(vec![alone]), PLAIN), @"
    NAME           STATE  GPUS  FREE  JOBS  LOAD  CPU  MEMORY  AGE  ADDRESS
    node-1 (here)  alive  -     -        -     -    -       -    -  -
    ");
}

fn member(member: u32, host: u32, name: &str) -> JobMember {
    JobMember {
        member,
        attempt: 2,
        host_id: format!("{host:08x}-0000-4000-8000-000000000000"),
        host: name.to_owned(),
    }
}

#[test]
fn a_column_names_few_hosts_and_counts_many() {
    let placed = [
        member(0, 1, "a"),
        member(1, 2, "b"),
        member(2, 1, "a"),
        member(3, 3, "b"),
    ];
    let shown: Vec<Option<String>> = [0, 1, 3, 4]
        .map(|count| column(placed.get(..count).expect("so many")))
        .into();
    let shown: Vec<&str> = shown
        .iter()
        .map(|one| one.as_deref().unwrap_or("-"))
        .collect();
    assert_eq!(shown, ["-", "a", "a,b", "3 hosts"]);
    let same = [member(0, 2, "b"), member(1, 3, "b")];
    assert_eq!(column(&same).as_deref(), Some("b [00000002],b [00000003]"));
}

fn refused(constraint: &str, may_pass: bool, text: &str) -> Refusal {
    Refusal {
        constraint: constraint.to_owned(),
        may_pass,
        text: text.to_owned(),
    }
}

fn explanation() -> Explanation {
    let score = |text: &str| Score {
        apart: 0,
        mode_changes: 0,
        cuts: 0,
        options_lost: 1,
        places_lost: 1,
        whole_gpus_left: 0,
        numa_nodes: 1,
        load_tenths: 4,
        price_milli_per_hour: None,
        remote: false,
        text: text.to_owned(),
    };
    let verdicts = vec![
        Verdict::Chosen {
            members: vec![0, 1],
            score: score("nothing to cut, 1 options lost, 0 whole GPUs left, load 4/10"),
            full: Some(refused(
                "cpu",
                true,
                "2000 thousandths of a CPU wanted, 1 of 64000 are free",
            )),
        },
        Verdict::Feasible {
            score: score("1 to cut, 4 options lost, 0 whole GPUs left, load 0/10"),
        },
        Verdict::Refused {
            refusal: refused("cordoned", true, "it is cordoned"),
        },
        Verdict::Refused {
            refusal: refused(
                "labels",
                false,
                "the job wants hosts with zone=a, here is zone=b",
            ),
        },
    ];
    let host = |(number, verdict)| HostVerdict {
        id: format!("{number:08x}-0000-4000-8000-000000000000"),
        name: format!("node-{}", std::cmp::min(number, 3)),
        verdict,
    };
    Explanation {
        schema: ExplanationSchema::V1,
        unplaced: None,
        hosts: (1_u32..).zip(verdicts).map(host).collect(),
        refusals: [("cordoned".to_owned(), 1), ("labels".to_owned(), 1)].into(),
        not_listed: 0,
        not_sampled: 0,
    }
}

fn job(explanation: Option<Explanation>) -> JobExplanation {
    JobExplanation {
        schema: JobExplanationSchema::V1,
        job: ID.to_owned(),
        state: "pending".to_owned(),
        reason: "it waits for room".to_owned(),
        members: Vec::new(),
        explanation,
    }
}

#[test]
fn a_placed_job_is_explained_host_by_host() {
    let placed = JobExplanation {
        state: "running".to_owned(),
        reason: "its containers run".to_owned(),
        members: vec![
            member(0, 1, "node-1"),
            member(1, 1, "node-1"),
            member(2, 2, "node-2"),
        ],
        ..job(Some(explanation()))
    };
    insta::assert_snapshot!(explain::render(&placed, PLAIN), @"
    01938f5c-0000-7000-8000-000000000001  running: its containers run
    members 0-1 on node-1 (attempt 2)
    member 2 on node-2 (attempt 2)

    placed:
      node-1             gets 0-1  nothing to cut, 1 options lost, 0 whole GPUs left, load 4/10; no room for more: 2000 thousandths of a CPU wanted, 1 of 64000 are free
      node-2             could     1 to cut, 4 options lost, 0 whole GPUs left, load 0/10
      node-3 [00000003]  cordoned  it is cordoned
      node-3 [00000004]  labels    the job wants hosts with zone=a, here is zone=b
    ");
}

#[test]
fn a_job_that_waits_says_for_which_member_and_what_is_left_out() {
    let waits = Explanation {
        unplaced: Some(Unplaced {
            member: 2,
            members: 3,
        }),
        refusals: [("cordoned".to_owned(), 1), ("labels".to_owned(), 901)].into(),
        not_listed: 900,
        not_sampled: 1,
        ..explanation()
    };
    insta::assert_snapshot!(explain::render(&job(Some(waits)), PLAIN), @"
    01938f5c-0000-7000-8000-000000000001  pending: it waits for room

    it waits, no host has room for member 2 (of 3, counted from 0):
      node-1             would get 0-1  nothing to cut, 1 options lost, 0 whole GPUs left, load 4/10; no room for more: 2000 thousandths of a CPU wanted, 1 of 64000 are free
      node-2             could          1 to cut, 4 options lost, 0 whole GPUs left, load 0/10
      node-3 [00000003]  cordoned       it is cordoned
      node-3 [00000004]  labels         the job wants hosts with zone=a, here is zone=b
      900 more hosts cannot serve; of all hosts: cordoned 1, labels 901
      not looked at, since enough others can serve: 1 host
    ");
    let nobody = Explanation {
        unplaced: Some(Unplaced {
            member: 0,
            members: 1,
        }),
        hosts: Vec::new(),
        ..explanation()
    };
    insta::assert_snapshot!(explain::render(&job(Some(nobody)), PLAIN), @"
    01938f5c-0000-7000-8000-000000000001  pending: it waits for room

    it waits: no host is known
    ");
}

#[test]
fn a_job_without_an_explanation_says_why_there_is_none() {
    let ended = JobExplanation {
        state: "cancelled".to_owned(),
        reason: "cancelled while it waited".to_owned(),
        ..job(None)
    };
    let runs = JobExplanation {
        state: "running".to_owned(),
        reason: "its container runs".to_owned(),
        members: vec![member(0, 1, "node-1")],
        ..job(None)
    };
    let texts = [job(None), runs, ended].map(|one| explain::render(&one, PLAIN));
    let texts = texts.concat();
    insta::assert_snapshot!(texts, @"
    01938f5c-0000-7000-8000-000000000001  pending: it waits for room
    no explanation: it was not compared with any host yet
    01938f5c-0000-7000-8000-000000000001  running: its container runs
    member 0 on node-1 (attempt 2)
    no explanation: the kerfd that placed it kept none
    01938f5c-0000-7000-8000-000000000001  cancelled: cancelled while it waited
    no explanation: it ended before it was placed, or the kerfd that placed it kept none
    ");
}

#[test]
fn green_serves_and_red_waits_in_vain() {
    let text = explain::render(&job(Some(explanation())), Style { color: true });
    let code = |needle: &str| {
        let line = text.lines().find(|line| line.contains(needle));
        let line = line.unwrap_or_else(|| panic!("no {needle} in {text}"));
        line.trim_start().chars().take(5).collect::<String>()
    };
    assert_eq!(code("gets 0-1"), "\x1b[32m");
    assert_eq!(code("could"), "node-");
    assert_eq!(code("labels"), "\x1b[31m");
    assert!(code("cordoned").starts_with("\x1b[2m"), "{text}");
}
