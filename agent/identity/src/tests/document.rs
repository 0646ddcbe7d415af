//! What a member keeps: its parts fit, and nothing else reads.

use super::{authority, host, issue, key};
use crate::{Contacts, Membership, MembershipError};

fn membership() -> Membership {
    let ca = authority(1);
    let issued = issue(&ca, 5);
    let contacts = Contacts {
        issuer: Some(host(1)),
        seeds: vec!["gpu-1.example:9451".to_owned()],
    };
    Membership::try_new(
        ca.certificate().clone(),
        host(5),
        key(5),
        issued.certificate,
        issued.statement,
        contacts,
    )
    .expect("it fits")
}

#[test]
fn a_membership_reads_back_and_never_shows_its_key() {
    let made = membership();
    let bytes = made.to_bytes();
    let read = Membership::from_bytes(&bytes).expect("it reads");
    assert_eq!(*read.to_bytes(), *bytes);
    assert_eq!((read.host, read.key.public()), (host(5), key(5).public()));
    assert_eq!(read.contacts, made.contacts);
    assert!(!format!("{made:?}").contains(&"05".repeat(32)));
    let unknown = Membership {
        contacts: Contacts::default(),
        ..membership()
    };
    let read = Membership::from_bytes(&unknown.to_bytes()).expect("it reads");
    assert_eq!(read.contacts, Contacts::default());
    for length in 0..bytes.len() - 1 {
        assert!(Membership::from_bytes(&bytes[..length]).is_err());
    }
    let text = String::from_utf8(bytes.to_vec()).expect("JSON");
    for (from, to) in [
        ("kerf.member.v1", "kerf.member.v2"),
        ("\"key\":\"05", "\"key\":\"06"),
        ("\"host\":\"0", "\"host\":\"1"),
        ("\"ca\":\"30", "\"ca\":\"31"),
        ("\"issuer\":\"0", "\"issuer\":\"x"),
        ("\"seeds\"", "\"more\":1,\"seeds\""),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = Membership::from_bytes(changed.as_bytes()).expect_err("it is wrong");
        assert!(!format!("{error:?} {error}").contains("0505"), "{error}");
    }
}

#[test]
fn parts_of_two_hosts_or_fleets_do_not_fit() {
    let (ours, theirs) = (authority(1), authority(2));
    let (five, six, abroad) = (issue(&ours, 5), issue(&ours, 6), issue(&theirs, 5));
    let put = |number, key_of, certificate: &[u8], statement| {
        let ca = ours.certificate().clone();
        let whole = Membership::try_new(
            ca,
            host(number),
            key(key_of),
            certificate.to_vec(),
            statement,
            Contacts::default(),
        );
        whole.map(drop)
    };
    assert_eq!(put(5, 5, &five.certificate, five.statement), Ok(()));
    let unfit = Err(MembershipError::Unfit);
    assert_eq!(put(6, 5, &five.certificate, five.statement), unfit);
    assert_eq!(put(5, 6, &five.certificate, five.statement), unfit);
    assert_eq!(put(5, 5, &six.certificate, five.statement), unfit);
    assert_eq!(put(5, 5, &five.certificate, six.statement), unfit);
    assert_eq!(put(5, 5, &abroad.certificate, five.statement), unfit);
    assert_eq!(put(5, 5, &five.certificate, abroad.statement), unfit);
}
