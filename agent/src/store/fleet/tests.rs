//! What the core saves is read back as it was; a damaged row hides no other; a batch is whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kerf_register::{Accepted, Ballot, Body, Config, Forced, Message, Replica, State, Step};
use kerf_scheduler::Saved;
use kerf_scheduler::core::{
    Change, Closing, Decision, JobRow, KeeperMessage, Kept, MemberPhase, MemberRow, Memory, Next,
    Outcome, RegisterRow, SavedMember, SavedPhase,
};
use kerf_types::job::{JobSpec, JobState, OnPartition};
use kerf_types::peer::{Attempt, By, Exit, Grant, SpecHash, Tag, Term};
use kerf_types::{Fence, Gang, GangHost, HostId, JobId, LeaseId, Moment, Timestamp};

use crate::store::{JobStore, Store, keeper_text, read_keeper};

fn store() -> (tempfile::TempDir, JobStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), Timestamp(1), Fence(0)).expect("a new store");
    let jobs = store.jobs().expect("its jobs");
    (folder, jobs)
}

fn id(number: u8) -> JobId {
    JobId::new(1, [number; 10])
}

fn grant(number: u8) -> Grant {
    Grant {
        lease: LeaseId::new(1, [number; 10]),
        fence: Fence::new(3, number.into()),
    }
}

fn exit() -> Exit {
    Exit {
        code: Some(-2),
        timed_out: true,
        reason: "a \"reason\"".to_owned(),
    }
}

fn gang() -> Gang {
    let host = |address: &str| GangHost {
        address: address.to_owned(),
        members: 1,
    };
    Gang::try_new(vec![host("10.0.0.1"), host("fd00::2")], 20_007).expect("a gang")
}

fn job(number: u8, phase: SavedPhase) -> Change {
    let spec = JobSpec {
        image: "docker.io/library/a:1".to_owned(),
        tenant: "default".to_owned(),
        members: 2,
        ..JobSpec::default()
    };
    let member = |exit| SavedMember {
        host: HostId::from_bits(u128::MAX - 5),
        grant: Some(grant(number)),
        exit,
    };
    Change::PutJob(Box::new(JobRow {
        job: id(number),
        spec_hash: SpecHash(kerf_api::json::job::spec_hash(&spec)),
        spec: Arc::new(spec),
        by: By {
            uid: 1,
            gid: 2,
            admin: true,
        },
        submitted: Timestamp(1_700_000_000_005),
        attempt: Attempt(7),
        phase,
        members: vec![member(None), member(Some(exit()))],
        gang: (number > 1).then(|| Arc::new(gang())),
        restarts: 3,
        refused_starts: 2,
        cancelled: true,
        term: Term(3),
    }))
}

fn member(number: u8, phase: MemberPhase, on_partition: OnPartition) -> Change {
    Change::PutMember(Box::new(MemberRow {
        tag: Tag {
            job: id(number),
            attempt: Attempt(2),
            member: 11,
        },
        coordinator: HostId::from_bits(5),
        term: Term(4),
        spec_hash: SpecHash([number; 32]),
        grant: grant(number),
        phase,
        heard: Moment(99),
        ttl: Duration::from_millis(10_001),
        on_partition,
        grace: Duration::from_secs(3),
    }))
}

fn closing(next: Next) -> SavedPhase {
    SavedPhase::Closing(Closing {
        next,
        started: true,
    })
}

fn everything() -> Vec<Change> {
    use MemberPhase::{Confirmed, Ended, Releasing, Reserved, Running, Starting};
    let outcome = Outcome {
        state: JobState::Lost,
        exit_code: Some(1),
        reason: "gone".to_owned(),
    };
    let phases = [
        SavedPhase::Open,
        SavedPhase::Reserving,
        SavedPhase::Going,
        closing(Next::Again),
        closing(Next::Restart),
        closing(Next::End(outcome)),
    ];
    let mut changes: Vec<Change> = (1..)
        .zip(phases)
        .map(|(at, phase)| job(at, phase))
        .collect();
    let attempt = Attempt(4);
    let decisions = [
        Decision::Open(attempt),
        Decision::Committed(attempt),
        Decision::Aborted(attempt),
        Decision::Closed(attempt),
    ];
    let decisions = (1..).zip(decisions);
    changes.extend(decisions.map(|(at, decision)| Change::PutDecision(id(at), decision)));
    let phases = [
        Reserved,
        Confirmed,
        Starting,
        Running,
        Ended(exit()),
        Releasing,
    ];
    for (at, phase) in (1..).zip(phases) {
        let on_partition = if at % 2 == 0 {
            OnPartition::Stop
        } else {
            OnPartition::Continue
        };
        changes.push(member(at, phase, on_partition));
    }
    let memory = Memory {
        coordinator: HostId::from_bits(6),
        term: Term(2),
        keepers: vec![HostId::from_bits(6), HostId::from_bits(7)],
        highest: Attempt(9),
        closed: BTreeSet::from([0, 3]),
    };
    changes.push(Change::PutMemory(id(1), memory));
    for number in [1, 2] {
        changes.push(Change::PutRegister(id(number), Box::new(register(number))));
    }
    changes
}

#[test]
fn what_is_saved_is_read_back_as_it_was() {
    let (_folder, mut store) = store();
    let mut expected = Saved::default();
    let mut changes = everything();
    changes.push(Change::EndJob(
        id(2),
        Outcome {
            state: JobState::Succeeded,
            exit_code: None,
            reason: String::new(),
        },
    ));
    changes.push(Change::DropMemory(id(1)));
    changes.push(Change::DropRegister(id(2)));
    changes.push(Change::LeaveJob(id(3)));
    let Change::PutMember(row) = member(3, MemberPhase::Starting, OnPartition::Stop) else {
        unreachable!("a member");
    };
    changes.push(Change::DropMember(row.tag));
    for change in &changes {
        expected.apply(change);
    }
    store.save(&changes, &[]).expect("saved");
    let read = store.saved().expect("read");
    assert_eq!(read.unreadable, []);
    assert_eq!(read.saved, expected);
    assert_eq!((expected.jobs.len(), expected.members.len()), (4, 5));
}

#[test]
fn a_row_that_cannot_be_read_is_named_and_hides_no_other() {
    let damages = [
        (
            "job",
            "document = replace(document, '\"open\"', '\"odd\"')",
            "odd",
        ),
        ("decision", "document = '{}'", "version"),
        ("member", "key = 'x'", "names no member"),
        (
            "memory",
            "document = replace(document, '\"version\":1', '\"version\":2')",
            "version is 2",
        ),
    ];
    for (kind, damage, said) in damages {
        let (_folder, mut store) = store();
        store.save(&everything(), &[]).expect("saved");
        let whole = store.saved().expect("read").saved;
        let damage = format!(
            "UPDATE fleet SET {damage} WHERE kind = '{kind}' AND key IN \
             (SELECT min(key) FROM fleet WHERE kind = '{kind}')"
        );
        store.connection.execute(&damage, []).expect("damage");
        let read = store.saved().expect("read");
        let [one] = read.unreadable.as_slice() else {
            panic!("{kind}: {:?}", read.unreadable);
        };
        assert!(one.kind == kind && one.why.contains(said), "{one:?}");
        let count = |saved: &Saved| {
            saved.jobs.len() + saved.decisions.len() + saved.members.len() + saved.memories.len()
        };
        assert_eq!(count(&read.saved) + 1, count(&whole));
    }
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let (_folder, mut store) = store();
    store
        .connection
        .execute_batch(
            "CREATE TRIGGER no_memory BEFORE INSERT ON fleet WHEN new.kind = 'memory' \
             BEGIN SELECT raise(ABORT, 'no'); END",
        )
        .expect("a trigger");
    store
        .save(&everything(), &[])
        .expect_err("the last is refused");
    assert_eq!(store.saved().expect("read").saved, Saved::default());
}

fn replica(number: u8) -> Replica {
    Replica {
        host: HostId::from_bits(number.into()),
        epoch: 9,
    }
}

fn ballot(round: u64) -> Ballot {
    Ballot {
        era: 1,
        round,
        proposer: replica(4),
        step: 2,
    }
}

/// A replica of a register in the middle of an exchange, forced before.
fn register(number: u8) -> RegisterRow {
    let Change::PutJob(row) = job(number, SavedPhase::Reserving) else {
        unreachable!("a job");
    };
    let mut config = Config::new(vec![replica(1), replica(2), replica(3)]).expect("three");
    config.generation = 4;
    config.step = Step::Joint(vec![replica(1), replica(2), replica(5)]);
    config.former = BTreeSet::from([replica(6)]);
    config.forced = vec![Forced {
        by: replica(1),
        generation: 3,
        given_up: vec![replica(6)],
    }];
    let state = State {
        value: Kept {
            row: *row,
            decision: Decision::Committed(Attempt(7)),
            term: Term(3),
            coordinator: HostId::from_bits(2),
        },
        version: 11,
        origin: ballot(8),
        config,
        is_retired: true,
    };
    RegisterRow {
        epoch: 9,
        root: replica(1),
        promised: ballot(10),
        accepted: Some(Accepted {
            ballot: ballot(9),
            state,
        }),
        is_over: true,
    }
}

#[test]
fn what_keepers_say_survives_the_way() {
    let mut accepted = register(1).accepted.expect("a state");
    // Nobody is an admin of another host.
    accepted.state.value.row.by.admin = false;
    let last = || Box::new(accepted.clone());
    let bodies = [
        Body::Prepare {
            ballot: ballot(1),
            ticket: Some(u64::MAX),
        },
        Body::Promise {
            ballot: ballot(1),
            accepted: Some(last()),
        },
        Body::Accept {
            ballot: ballot(9),
            state: Box::new(accepted.state.clone()),
            ticket: None,
        },
        Body::Accepted { ballot: ballot(1) },
        Body::Nack {
            ballot: ballot(1),
            promised: ballot(2),
            forced: Some(last()),
        },
        Body::Unknown {
            ballot: ballot(1),
            ticket: 3,
        },
        Body::Gone,
        Body::Retired {
            last: last(),
            by_all: true,
        },
        Body::RetiredKnown,
    ];
    let (term, sent) = (Term(4), Moment(5));
    let job = id(1);
    let mut messages = vec![
        KeeperMessage::Lead { job, term, sent },
        KeeperMessage::Heed { job, term, sent },
        KeeperMessage::Cancel { job },
    ];
    messages.extend(bodies.map(|body| {
        KeeperMessage::Register(Box::new(Message {
            key: job,
            root: replica(1),
            from: replica(2),
            to: replica(3),
            generation: 4,
            body,
        }))
    }));
    for message in messages {
        let text = keeper_text(&message);
        assert_eq!(read_keeper(&text).expect("readable"), message, "{text}");
    }
    assert!(read_keeper("{}").is_err());
}
