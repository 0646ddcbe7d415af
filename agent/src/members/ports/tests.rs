//! A port is one member's at a time, and nobody's who listens at it already.

use std::net::{Ipv4Addr, TcpListener};

use kerf_types::JobId;
use kerf_types::peer::{Attempt, Tag};

use super::Ports;

fn tag(number: u8) -> Tag {
    Tag {
        job: JobId::new(1, [number; 10]),
        attempt: Attempt::FIRST,
        member: 0,
    }
}

#[test]
fn a_port_is_promised_to_one_at_a_time() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let ports = Ports::default();
    let refused = ports.promise(tag(1), port).expect_err("somebody listens");
    assert!(refused.contains("is taken here"), "{refused}");
    drop(taken);
    ports.promise(tag(1), port).expect("nobody does any more");
    ports.promise(tag(1), port).expect("it has it");
    let refused = ports.promise(tag(2), port).expect_err("another has it");
    assert!(refused.contains(&tag(1).job.to_string()), "{refused}");
    ports.forget(tag(1));
    ports.promise(tag(2), port).expect("it was given back");
}
