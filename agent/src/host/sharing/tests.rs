//! When daemons are started again, and what is remembered of sharing.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kerf_partitioner::sharing::{MpsDaemon, MpsPlace, MpsServer, ServerStatus, Tools};
use kerf_types::inventory::GpuProcess;
use kerf_types::sharing::{DeviceId, Interval, Mps, Sharing, TimeSlice};
use kerf_types::{Bytes, Gpu, PciAddress};

use super::answers::{Answers, News};
use super::gate::Gate;
use super::restarts::{Next, Restarts};
use super::{Seat, Shared, State, copy};
use crate::host::fixture;

#[test]
fn a_daemon_that_ends_quickly_is_started_later_and_later_and_then_rests() {
    let mut restarts = Restarts::default();
    let pauses: Vec<Next> = (0..6).map(|_| restarts.ended(Duration::ZERO)).collect();
    let after = |ms| Next::After(Duration::from_millis(ms));
    let expected = [
        after(250),
        after(500),
        after(1_000),
        after(2_000),
        after(4_000),
        Next::Rest,
    ];
    assert_eq!(pauses, expected);
    assert_eq!(restarts.ended(Duration::from_secs(1)), Next::Rest);
    // One that has worked for a while has ended for another reason.
    assert_eq!(restarts.ended(Duration::from_secs(60)), after(250));
    assert_eq!(restarts.ended(Duration::from_secs(59)), after(500));
    assert_eq!(restarts.count(), 2);
}

fn shared() -> BTreeMap<PciAddress, Sharing> {
    let two = NonZeroU32::new(2).expect("two");
    let mps = Mps {
        clients: two,
        threads: Some(50),
        memory: Some(Bytes(3 << 20)),
    };
    let slices = TimeSlice {
        replicas: two,
        interval: Interval::Medium,
    };
    let gpu = |text: &str| text.parse::<PciAddress>().expect("an address");
    [
        (gpu("0000:1b:00.0"), Sharing::Mps(mps)),
        (gpu("0000:43:00.0"), Sharing::TimeSlice(slices)),
    ]
    .into()
}

#[test]
fn what_is_shared_is_remembered_within_its_boot() {
    let gpus = shared().into_keys();
    let half: BTreeMap<PciAddress, bool> = gpus.zip([true, false]).collect();
    let bytes = copy::encode("boot-1", &shared(), &half);
    let told = copy::Told {
        gpus: shared(),
        unsettled: half,
        damage: None,
    };
    assert_eq!(copy::decode(&bytes, "boot-1"), told);
    assert_eq!(copy::decode(&bytes, "boot-2"), copy::Told::default());
    for bytes in [&bytes[1..], b""] {
        let told = copy::decode(bytes, "boot-1");
        assert!(told.gpus.is_empty() && told.damage.is_some(), "{told:?}");
    }
}

#[test]
fn the_record_of_another_release_is_read_as_far_as_it_is_understood() {
    let older = br#"{"boot_id": "b", "gpus": {"0000:1b:00.0": {"time-slice": {"replicas": 2}}}}"#;
    let told = copy::decode(older, "b");
    assert_eq!((told.gpus.len(), told.damage), (1, None));
    assert!(told.unsettled.is_empty());
    let newer = br#"{"boot_id": "b", "new": 1, "gpus": {
        "0000:1b:00.0": {"time-slice": {"replicas": 2}},
        "0000:43:00.0": {"new": {}}}}"#;
    let told = copy::decode(newer, "b");
    let damage = told.damage.expect("words");
    assert_eq!(told.gpus.len(), 1);
    assert!(damage.contains("0000:43:00.0"), "{damage}");
}

/// A host that shares nothing.
pub fn nothing_shared() -> Shared {
    Shared {
        tools: Arc::new(Tools::under(Path::new("/"), "partitioner".into())),
        gpus: BTreeMap::new(),
        unsettled: BTreeMap::new(),
        rounds: 0,
        settings: BTreeMap::new(),
        leaving: BTreeMap::new(),
        remains: Vec::new(),
        seats: BTreeMap::new(),
        lives: 1,
    }
}

/// The process of this test, as a daemon; how it is, is not known any more.
fn lost_daemon(start_ticks: Option<u64>) -> (Shared, Gpu) {
    let own = crate::process::identify(std::process::id()).expect("it runs");
    let (pci, pid) = (fixture::gpu(0).pci, own.pid);
    let place = MpsPlace {
        device: "GPU-0".to_owned(),
        run: "/run/kerf/mps/a".into(),
        log: "/var/lib/kerf/mps/a".into(),
    };
    let two = NonZeroU32::new(2).expect("two");
    let seat = Seat {
        place,
        limits: Mps {
            clients: two,
            threads: None,
            memory: None,
        },
        life: 1,
        state: State::Waiting {
            why: "it does not answer".to_owned(),
        },
        last: Some(MpsDaemon {
            pid,
            start_ticks: start_ticks.unwrap_or(own.start_ticks),
        }),
        restarts: Restarts::default(),
        gate: Gate::default(),
    };
    let mut shared = nothing_shared();
    shared.seats = [(DeviceId::Gpu(pci), seat)].into();
    let mut gpu = fixture::gpu(0);
    gpu.processes = [pid, 1].map(process).to_vec();
    (shared, gpu)
}

fn process(pid: u32) -> GpuProcess {
    GpuProcess {
        pid,
        memory: None,
        gi: None,
        ci: None,
    }
}

#[test]
fn a_daemon_that_lives_is_nobodys_use_in_any_state() {
    let (shared, mut gpu) = lost_daemon(None);
    shared.without_own(&mut gpu);
    assert_eq!(gpu.processes, [process(1)]);
    // Another process has its id by now.
    let (shared, mut gpu) = lost_daemon(Some(1));
    shared.without_own(&mut gpu);
    assert_eq!(gpu.processes.len(), 2);
}

#[test]
fn nothing_but_logs_remains_in_the_place_of_an_ended_daemon() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = MpsPlace {
        device: "GPU-0".to_owned(),
        run: folder.path().join("run/mps/a"),
        log: folder.path().join("lib/mps/a"),
    };
    for folder in [place.pipe(), place.shm(), place.log.clone()] {
        std::fs::create_dir_all(folder).expect("folders");
    }
    std::fs::write(place.pipe().join("control"), "").expect("a file");
    let tools = Tools::under(Path::new("/"), "partitioner".into());
    // Nothing is wrong where it is gone already.
    for _ in 0..2 {
        super::leave::clear(&tools, &place);
        assert!(!place.run.exists() && place.log.exists());
    }
}

fn server(status: ServerStatus, clients: &[u32]) -> Vec<MpsServer> {
    vec![MpsServer {
        pid: 7,
        status,
        clients: clients.to_vec(),
    }]
}

#[test]
fn clients_and_a_fault_are_news_once() {
    let mut answers = Answers::default();
    assert_eq!((answers.clients(), answers.server()), (None, None));
    assert_eq!(answers.heard(Vec::new()), News::Clients);
    assert_eq!(answers.clients(), Some(Vec::new()));
    let active = || server(ServerStatus::Active, &[9, 8]);
    assert_eq!(answers.heard(active()), News::Clients);
    assert_eq!(answers.heard(active()), News::Same);
    assert_eq!(answers.clients(), Some(vec![8, 9]));
    assert_eq!(answers.obstacle(), None);
    let fault = || server(ServerStatus::Fault, &[9]);
    assert_eq!(answers.heard(fault()), News::Clients);
    assert_eq!(answers.fault(), Some(7));
    assert_eq!(answers.heard(fault()), News::Same);
    assert_eq!(answers.server(), Some(ServerStatus::Fault));
    assert!(answers.obstacle().is_some_and(|why| why.contains("FAULT")));
    assert_eq!(answers.heard(active()), News::Clients);
    assert_eq!(answers.fault(), None);
    assert_eq!(answers.obstacle(), None);
}

#[test]
fn one_that_does_not_answer_three_times_in_a_row_is_silent_until_it_does() {
    let mut answers = Answers::default();
    let active = || server(ServerStatus::Active, &[9]);
    let missed = |answers: &mut Answers| answers.missed("it hangs".to_owned());
    answers.heard(active());
    assert_eq!(
        [missed(&mut answers), missed(&mut answers)],
        [News::Same, News::Same]
    );
    // Not in a row: the count begins anew.
    assert_eq!(answers.heard(active()), News::Same);
    assert_eq!(
        [missed(&mut answers), missed(&mut answers)],
        [News::Same, News::Same]
    );
    assert_eq!(answers.obstacle(), None);
    assert_eq!(missed(&mut answers), News::Silent);
    assert_eq!(missed(&mut answers), News::Same);
    let obstacle = answers.obstacle().expect("nobody gets a place");
    assert!(obstacle.contains("does not answer: it hangs"), "{obstacle}");
    // What it said before is nothing to go by.
    assert_eq!((answers.clients(), answers.server()), (None, None));
    assert_eq!(answers.heard(active()), News::Speaks);
    assert_eq!(answers.obstacle(), None);
    // Who has waited as long need not be told twice.
    assert_eq!(answers.given_up("it hangs".to_owned()), News::Silent);
    assert_eq!(answers.given_up("it hangs".to_owned()), News::Same);
    assert!(Answers::none(String::new()).is_silent());
}

#[test]
fn one_that_has_not_taken_its_limits_is_given_to_nobody_whatever_it_answers() {
    let mut answers = Answers::unlimited("refused".to_owned());
    assert!(answers.is_useless() && !answers.is_silent());
    let active = || server(ServerStatus::Active, &[9]);
    // No news of it starts anything anew: that has a pause of its own.
    assert_eq!(answers.heard(active()), News::Clients);
    assert_eq!(answers.clients(), Some(vec![9]));
    let obstacle = answers.obstacle().expect("nobody gets a place");
    assert!(
        obstacle.ends_with("has not taken its limits: refused"),
        "{obstacle}"
    );
    assert_eq!(
        Answers::of(server(ServerStatus::Fault, &[])).fault(),
        Some(7)
    );
    let answers = Answers::of(active());
    assert!(!answers.is_useless() && answers.obstacle().is_none());
    assert_eq!(answers.clients(), Some(vec![9]));
}

#[tokio::test]
async fn a_place_that_was_given_up_gets_no_daemon_by_who_waited_to_start_one() {
    let gate = Gate::default();
    gate.open(1);
    let held = gate.enter().await;
    assert!(gate.try_enter().is_none(), "one at a time");
    let late = gate.clone();
    let waits = tokio::spawn(async move {
        let _held = late.enter().await;
        late.serves(1)
    });
    gate.close();
    drop(held);
    assert!(!waits.await.expect("it ends"));
    // Nor by who was to start it in an earlier life.
    gate.open(2);
    assert!(gate.serves(2) && !gate.serves(1));
}
