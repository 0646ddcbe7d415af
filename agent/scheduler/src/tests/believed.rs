//! What other members of the fleet may say of a job's register, and what is not believed.

use std::time::Duration;

use kerf_register::{Ballot, Body, Message, Replica};
use kerf_types::job::OnPartition;
use kerf_types::{HostId, JobId};

use super::fixture::{job_id, spec};
use super::world::World;
use crate::core::{Decision, Input, KeeperMessage, Kept, NoFaults};

type World3 = World<NoFaults>;

fn replica(at: usize) -> Replica {
    Replica {
        host: World3::id(at),
        epoch: 1,
    }
}

/// Host 1 says something to host 0 about a register that was founded at `root`.
fn say(world: &mut World3, job: JobId, root: usize, body: Body<Kept>) {
    let message = Message {
        key: job,
        root: replica(root),
        from: replica(1),
        to: replica(0),
        generation: 0,
        body,
    };
    let message = Box::new(KeeperMessage::Register(Box::new(message)));
    let from: HostId = World3::id(1);
    world.tell(0, Input::Keeper { from, message });
    world.run_for(Duration::from_secs(5));
}

fn ballot(round: u64) -> Ballot {
    Ballot {
        era: 0,
        round,
        proposer: replica(1),
        step: 0,
    }
}

/// A fleet in which host 0 keeps a job of its own with two others, and what its register holds.
fn with_job(job: JobId) -> (World3, kerf_register::State<Kept>) {
    let mut world = World3::with_keepers(7, &[0, 1, 1, 0, 0]);
    world.run_for(Duration::from_secs(2));
    let mut long = spec("1g.10gb", 1);
    long.time_limit_seconds = Some(900);
    long.on_partition = OnPartition::Continue;
    world.submit(0, job, long);
    world.run_for(Duration::from_secs(5));
    let row = &world.nodes[0].saved.registers[&job];
    let state = row.accepted.as_ref().expect("it is founded").state.clone();
    (world, state)
}

fn begins_at_0(world: &World3, job: JobId) -> bool {
    let saved = &world.nodes[0].saved;
    saved.registers.contains_key(&job) || saved.jobs.contains_key(&job)
}

#[test]
fn a_job_of_this_host_is_founded_by_nobody_else() {
    let (mut world, mut state) = with_job(job_id(1));
    let stranger = job_id(66);
    state.config = kerf_register::Config::new(vec![replica(0)]).expect("a set");
    state.value.row.job = stranger;
    state.value.row.by.admin = true;
    state.value.coordinator = World3::id(0);
    state.value.decision = Decision::Open(state.value.row.attempt);
    let told_of = |root: usize| {
        let mut world = World3::with_keepers(9, &[0, 1, 1, 0, 0]);
        world.run_for(Duration::from_secs(1));
        let (ballot, ticket) = (ballot(3), None);
        say(&mut world, stranger, root, Body::Prepare { ballot, ticket });
        // Tickets are for those that ask, so a guess of one is as good as none.
        let sent = world.nodes[0].told_keepers;
        (sent, begins_at_0(&world, stranger))
    };
    assert_eq!(
        told_of(0),
        (0, false),
        "no ticket for a register of its own"
    );
    assert_eq!(told_of(1), (1, false), "one for a register of another host");
    let body = Body::Accept {
        ballot: ballot(3),
        state: Box::new(state),
        ticket: Some(0),
    };
    say(&mut world, stranger, 0, body);
    assert!(!begins_at_0(&world, stranger));
}

#[test]
fn neither_whose_a_job_is_nor_what_it_runs_is_changed_by_others() {
    let job = job_id(2);
    let change_of: [fn(&mut Kept); 3] = [
        |told| told.row.by.uid = 0,
        |told| {
            let mut spec = (*told.row.spec).clone();
            spec.image = "theirs".to_owned();
            told.row.spec = spec.into();
        },
        |told| told.row.spec_hash.0[0] ^= 1,
    ];
    for change in change_of {
        let (mut world, mut state) = with_job(job);
        let before = state.clone();
        change(&mut state.value);
        let (ballot, ticket) = (ballot(1_000), None);
        let state = Box::new(state);
        let body = Body::Accept {
            ballot,
            state,
            ticket,
        };
        say(&mut world, job, 0, body);
        let row = &world.nodes[0].saved.registers[&job];
        let held = &row.accepted.as_ref().expect("as before").state.value.row;
        assert_eq!(held.spec, before.value.row.spec);
        assert_eq!(held.by, before.value.row.by);
    }
    // What may change does: so the messages above were heard.
    let (mut world, mut state) = with_job(job);
    state.value.row.restarts = 5;
    state.value.row.by.admin = true;
    let (ballot, ticket) = (ballot(1_000), None);
    let state = Box::new(state);
    let body = Body::Accept {
        ballot,
        state,
        ticket,
    };
    say(&mut world, job, 0, body);
    let row = &world.nodes[0].saved.registers[&job];
    let held = &row.accepted.as_ref().expect("as before").state.value.row;
    assert_eq!(
        (held.restarts, held.by.admin),
        (5, super::fixture::BY.admin)
    );
}
