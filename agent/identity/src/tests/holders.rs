//! Nobody joins in the name of a host that is there.

use super::{DAY, NOW, host, key};
use crate::{HolderError, Holders};

#[test]
fn a_host_that_holds_a_certificate_joins_by_the_same_key_alone() {
    let mut holders = Holders::default();
    let (own, other) = (key(5).public(), key(6).public());
    assert_eq!(holders.may_join(host(5), own, NOW), Ok(()));
    let not_after_s = NOW + DAY;
    holders.put(host(5), own, not_after_s, NOW);
    assert_eq!(
        holders.may_join(host(5), own, NOW),
        Ok(()),
        "an answer was lost"
    );
    let host_5 = host(5);
    let holds = HolderError::Holds {
        host: host_5,
        not_after_s,
    };
    assert_eq!(holders.may_join(host_5, other, not_after_s), Err(holds));
    assert_eq!(holders.may_join(host_5, other, not_after_s + 1), Ok(()));
    assert_eq!(holders.may_join(host(6), other, NOW), Ok(()));
    let read = Holders::from_bytes(&holders.to_bytes());
    assert_eq!(read.as_ref(), Ok(&holders));
    holders.put(host(6), other, not_after_s + DAY, not_after_s + 1);
    assert_ne!(read, Ok(holders.clone()));
    assert!(!String::from_utf8_lossy(&holders.to_bytes()).contains(&host_5.to_string()));
}

#[test]
fn the_holders_are_bounded_and_read_strictly() {
    let mut holders = Holders::default();
    for number in 0..10_000 {
        let key = key(1).public();
        holders.0.insert(
            host(number),
            crate::holders::Held {
                key,
                not_after_s: NOW + DAY,
            },
        );
    }
    let full = holders.may_join(host(20_000), key(1).public(), NOW);
    assert_eq!(full, Err(HolderError::Full));
    assert_eq!(
        holders.may_join(host(20_000), key(1).public(), NOW + DAY + 1),
        Ok(())
    );
    let bytes = holders.to_bytes();
    assert!(bytes.len() < crate::HOLDERS_LIMIT);
    for wrong in [&bytes[..bytes.len() - 1], b"{}", b"", b"[]"] {
        assert_eq!(Holders::from_bytes(wrong), Err(HolderError::Document));
    }
}
