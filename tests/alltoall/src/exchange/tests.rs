//! Members in one process exchange their blocks, and a wrong byte is found.

use super::{BLOCK, block, check, with_all};
use crate::meet;
use crate::place::Place;

#[test]
fn four_members_exchange_with_each_other() {
    let count = 4;
    let free = meet::listen("127.0.0.1").expect("a port");
    let master = meet::port_of(&free).expect("its number");
    drop(free);
    let place = |rank| Place {
        rank,
        address: "127.0.0.1".to_owned(),
        members: vec!["127.0.0.1".to_owned(); count],
        master: ("127.0.0.1".to_owned(), master),
    };
    std::thread::scope(|scope| {
        let member = |rank| {
            let place = place(rank);
            scope.spawn(move || {
                let own = meet::listen(&place.address)?;
                let ports = meet::ports_of_all(&place, meet::port_of(&own)?)?;
                with_all(&place, &own, &ports)
            })
        };
        let members: Vec<_> = (0..count).map(member).collect();
        for one in members {
            assert_eq!(one.join().expect("no panic"), Ok(BLOCK));
        }
    });
}

#[test]
fn a_wrong_byte_is_found() {
    let mut bytes = block(1, 2);
    assert_eq!(check(1, 2, &bytes), Ok(()));
    assert!(check(2, 1, &bytes).is_err(), "of another pair");
    bytes[BLOCK - 1] ^= 1;
    let wrong = check(1, 2, &bytes).expect_err("the last one is wrong");
    assert!(wrong.starts_with("byte 8388607 from rank 1"), "{wrong}");
    let shifted = &block(1, 2)[4_096..];
    assert!(check(1, 2, shifted).is_err(), "a piece was lost");
}
