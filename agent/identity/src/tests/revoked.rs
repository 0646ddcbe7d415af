//! The list of revoked hosts: the CA's word, newer each time, and nobody comes off it.

use super::{NOW, authority, host};
use crate::{MAX_REVOKED, REVOKED_LIMIT, Revoked, RevokedError};

#[test]
fn a_list_is_signed_by_the_ca_of_its_fleet() {
    let (ours, theirs) = (authority(1), authority(2));
    let first = Revoked::first(&ours);
    assert_eq!((first.version(), first.hosts().count()), (0, 0));
    let list = first.with(&ours, host(5), NOW).expect("one more");
    let list = list.with(&ours, host(3), NOW + 1).expect("one more");
    let bytes = list.to_bytes();
    let read = Revoked::from_bytes(&bytes, ours.certificate()).expect("it reads");
    assert_eq!(read, list);
    assert_eq!(read.version(), 2);
    assert!(read.contains(host(5)) && read.contains(host(3)) && !read.contains(host(4)));
    let hosts: Vec<_> = read.hosts().collect();
    assert_eq!(hosts, [(host(3), NOW + 1), (host(5), NOW)]);
    let abroad = Revoked::from_bytes(&bytes, theirs.certificate());
    assert_eq!(abroad, Err(RevokedError::Cluster));
    let again = list.with(&ours, host(5), NOW);
    assert_eq!(again, Err(RevokedError::Already { host: host(5) }));
}

#[test]
fn cut_changed_and_foreign_bytes_are_refused() {
    let ours = authority(1);
    let list = Revoked::first(&ours)
        .with(&ours, host(5), NOW)
        .expect("one more");
    let bytes = list.to_bytes();
    let at = |bytes: &[u8]| Revoked::from_bytes(bytes, ours.certificate());
    for length in 0..bytes.len() {
        assert!(at(&bytes[..length]).is_err(), "{length} bytes");
    }
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert!(at(&changed).is_err(), "byte {place}");
    }
    assert_eq!(
        at(&vec![1; REVOKED_LIMIT + 1]),
        Err(RevokedError::Malformed)
    );
    // A liar with a CA of the same name and id.
    let name = "lab".parse().expect("a name");
    let cluster = ours.certificate().cluster();
    let liar = crate::Authority::create(cluster, &name, super::key(3)).expect("it signs");
    let forged = Revoked::first(&liar)
        .with(&liar, host(9), NOW)
        .expect("one more");
    assert_eq!(at(&forged.to_bytes()), Err(RevokedError::Signature));
    // One that has the hosts in another order, or twice, is another spelling of the same list.
    let two = list.with(&ours, host(7), NOW).expect("one more").to_bytes();
    let mut swapped = two.clone();
    swapped[25..49].copy_from_slice(&two[49..73]);
    swapped[49..73].copy_from_slice(&two[25..49]);
    assert_eq!(at(&swapped), Err(RevokedError::Malformed));
}

#[test]
fn only_a_newer_list_with_all_of_the_older_takes_its_place() {
    let ours = authority(1);
    let first = Revoked::first(&ours);
    let one = first.with(&ours, host(5), NOW).expect("one more");
    let two = one.with(&ours, host(6), NOW).expect("one more");
    assert_eq!(two.may_replace(&one), Ok(()));
    assert_eq!(
        two.may_replace(&first),
        Ok(()),
        "lists in between may be missed"
    );
    let older = |version, own| Err(RevokedError::Older { version, own });
    assert_eq!(one.may_replace(&two), older(1, 2));
    assert_eq!(two.may_replace(&two), older(2, 2));
    // Two hosts with the CA's key that did not know of each other: the later is refused where it would drop a host.
    let other = first.with(&ours, host(8), NOW).expect("one more");
    assert_eq!(other.may_replace(&one), older(1, 1));
    let other = other.with(&ours, host(9), NOW).expect("one more");
    let shrunk = Err(RevokedError::Shrunk { host: host(5) });
    assert_eq!(other.may_replace(&one), shrunk);
}

#[test]
fn the_longest_list_fits_and_takes_no_more() {
    let ours = authority(1);
    let numbers = 0..u128::try_from(MAX_REVOKED).expect("few");
    let hosts = numbers.map(|number| (host(number), NOW)).collect();
    let list = Revoked::signed(&ours, 1, hosts);
    let full = list.with(&ours, host(u128::MAX), NOW);
    assert_eq!(full, Err(RevokedError::Full));
    let bytes = list.to_bytes();
    assert_eq!(bytes.len(), REVOKED_LIMIT);
    assert_eq!(Revoked::from_bytes(&bytes, ours.certificate()), Ok(list));
}
