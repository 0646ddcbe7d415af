//! Certificates: whose they are, until when, and what is none.

use kerf_membership::ClusterId;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};

use super::{DAY, NOW, authority, host, issue, key};
use crate::authority::{dns, uri};
use crate::{
    Authority, AuthorityError, CERTIFICATE_LIMIT, CaCertificate, CertificateError, PublicKey,
    Purpose, SKEW_S, Side, is_proof, prove, server_name,
};

#[test]
fn a_certificate_is_of_its_host_and_says_the_same_as_the_statement() {
    let ca = authority(1);
    let issued = issue(&ca, 5);
    for side in [Side::Client, Side::Server] {
        let is = ca.certificate().verify(&issued.certificate, side, NOW);
        assert_eq!(is, Ok(host(5)));
    }
    assert!(
        issued.certificate.len() < 700,
        "{}",
        issued.certificate.len()
    );
    assert!(
        ca.certificate()
            .is_for(&issued.certificate, &key(5).public())
    );
    assert!(
        !ca.certificate()
            .is_for(&issued.certificate, &key(6).public())
    );
    let (statement, by) = (issued.statement, ca.certificate().public_key());
    assert_eq!(statement.public_key, key(5).public());
    assert_eq!(statement.not_after_s, NOW + DAY);
    let said = statement.verify(&by, ca.certificate().cluster(), host(5), NOW);
    assert_eq!(said, Ok(()));
}

#[test]
fn the_ca_reads_back_and_opens_with_its_own_key_alone() {
    let ca = authority(1);
    let read = CaCertificate::from_der(ca.certificate().der()).expect("it reads");
    assert_eq!(&read, ca.certificate());
    assert_eq!(read.name().to_string(), "lab");
    assert_eq!(read.cluster(), ClusterId(8));
    let text = ca.key().to_text();
    let kept = crate::SecretKey::from_text(&text).expect("it reads");
    Authority::open(kept, read.clone()).expect("its own key");
    let other = Authority::open(key(2), read);
    assert!(matches!(other, Err(AuthorityError::Key)));
    assert!(!format!("{ca:?}").contains(text.trim()), "a key is shown");
}

#[test]
fn time_is_looked_at_from_both_sides() {
    let ca = authority(1);
    let issued = issue(&ca, 5);
    let at = |now_s| {
        ca.certificate()
            .verify(&issued.certificate, Side::Server, now_s)
    };
    let begins = NOW - SKEW_S;
    assert_eq!(at(begins), Ok(host(5)));
    assert_eq!(
        at(begins - 1),
        Err(CertificateError::NotYet {
            not_before_s: begins,
            now_s: begins - 1,
        })
    );
    assert_eq!(at(NOW + DAY), Ok(host(5)));
    assert_eq!(
        at(NOW + DAY + 1),
        Err(CertificateError::Ended {
            not_after_s: NOW + DAY,
            now_s: NOW + DAY + 1,
        })
    );
    assert!(at(0).is_err() && at(u64::MAX).is_err());
    let span = ca.certificate().span_s(&issued.certificate);
    assert_eq!(span, Some((begins, NOW + DAY)));
    let foreign = authority(2).certificate().span_s(&issued.certificate);
    assert_eq!(foreign, None);
}

#[test]
fn what_another_ca_signed_is_foreign_also_under_this_ones_name() {
    let (ours, theirs) = (authority(1), authority(2));
    let foreign = issue(&theirs, 5);
    let at = |bytes: &[u8]| ours.certificate().verify(bytes, Side::Client, NOW);
    assert_eq!(at(&foreign.certificate), Err(CertificateError::Foreign));
    // The same fleet by its id and name, with a key of a liar's own.
    let name = "lab".parse().expect("a name");
    let liar = Authority::create(ClusterId(8), &name, key(3)).expect("it signs");
    assert_ne!(liar.certificate().hash(), ours.certificate().hash());
    assert_eq!(
        at(&issue(&liar, 5).certificate),
        Err(CertificateError::Foreign)
    );
    // A host is no CA, and the CA no host.
    assert!(at(ours.certificate().der()).is_err());
    let host = issue(&ours, 5);
    let as_ca = CaCertificate::from_der(&host.certificate);
    assert_eq!(as_ca, Err(CertificateError::NotCa));
}

/// A certificate with these names, by the CA itself.
fn named(ca: &Authority, uris: &[&str], names: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::default();
    let uris = uris.iter().map(|text| uri(text).expect("ASCII"));
    let names = names.iter().map(|text| dns(text).expect("ASCII"));
    params.subject_alt_names = uris.chain(names).collect();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    ca.sign(&params, key(5).public()).expect("it signs")
}

#[test]
fn names_are_those_of_one_host_of_this_fleet() {
    let ca = authority(1);
    let (fleet, other) = (ca.certificate().cluster(), ClusterId(99));
    let uri = |cluster: ClusterId, number| format!("kerf://{:032x}/{}", cluster.0, host(number));
    let at = |bytes: &[u8]| ca.certificate().verify(bytes, Side::Server, NOW);
    let good = named(&ca, &[&uri(fleet, 5)], &[&server_name(fleet, host(5))]);
    assert_eq!(at(&good), Ok(host(5)));
    let expected = ca
        .certificate()
        .verify_of(host(6), &good, Side::Server, NOW);
    assert_eq!(
        expected,
        Err(CertificateError::Host {
            is: host(5),
            expected: host(6),
        })
    );
    let (five, six) = (uri(fleet, 5), uri(fleet, 6));
    let (name_5, name_6) = (server_name(fleet, host(5)), server_name(fleet, host(6)));
    let abroad = (uri(other, 5), server_name(other, host(5)));
    let wrong: [(&[&str], &[&str]); 10] = [
        (&[&five], &[&name_6]),
        (&[&five, &six], &[&name_5]),
        (&[&five], &[&name_5, &name_6]),
        (&[&five], &[]),
        (&[], &[&name_5]),
        (&[&abroad.0], &[&abroad.1]),
        (&[&abroad.0], &[&name_5]),
        (&[&five.to_uppercase()], &[&name_5]),
        (&["kerf://8/host"], &[&name_5]),
        (&["https://kerf.dev/"], &["kerf.dev"]),
    ];
    for (uris, names) in wrong {
        let refused = at(&named(&ca, uris, names));
        assert_eq!(refused, Err(CertificateError::Names), "{uris:?} {names:?}");
    }
    let as_client = ca.certificate().verify(&good, Side::Client, NOW);
    assert!(matches!(as_client, Err(CertificateError::Use { .. })));
}

#[test]
fn cut_and_changed_bytes_are_refused() {
    let ca = authority(1);
    let good = issue(&ca, 5).certificate;
    let at = |bytes: &[u8]| ca.certificate().verify(bytes, Side::Client, NOW);
    for length in 0..good.len() {
        assert!(at(&good[..length]).is_err(), "{length} bytes");
    }
    for place in 0..good.len() {
        let mut changed = good.clone();
        changed[place] ^= 1;
        assert!(at(&changed).is_err(), "byte {place}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(at(&longer).is_err());
    let long = vec![0x30; CERTIFICATE_LIMIT + 1];
    assert!(matches!(at(&long), Err(CertificateError::TooLong { .. })));
    for bytes in [&long[..], &[], &good[..9]] {
        assert!(CaCertificate::from_der(bytes).is_err());
    }
}

#[test]
fn lifetimes_and_times_have_bounds() {
    let ca = authority(1);
    let issue = |now_s, lifetime_s| ca.issue(host(5), key(5).public(), now_s, lifetime_s, [0; 16]);
    for seconds in [0, 29, 31 * DAY, u64::MAX] {
        let refused = issue(NOW, seconds);
        assert!(matches!(refused, Err(AuthorityError::Lifetime { .. })));
    }
    for now_s in [0, u64::MAX] {
        let refused = issue(now_s, DAY);
        assert!(matches!(refused, Err(AuthorityError::Time { .. })));
    }
    issue(NOW, 30).expect("the shortest");
    issue(NOW, 30 * DAY).expect("the longest");
}

#[test]
fn a_proof_is_of_one_key_for_one_host_one_fleet_and_one_purpose() {
    let (ours, theirs) = (authority(1), authority(2));
    let hash = ours.certificate().hash();
    let join = Purpose::Join(crate::TokenId::new([1; 8]));
    let proof = prove(&key(5), &hash, host(5), join);
    assert_eq!(proof.len(), crate::PROOF_BYTES);
    let holds = |key: &PublicKey, hash: &[u8; 32], number, purpose| {
        is_proof(&proof, key, hash, host(number), purpose)
    };
    let own = key(5).public();
    assert!(holds(&own, &hash, 5, join));
    assert!(!holds(&key(6).public(), &hash, 5, join));
    assert!(!holds(&own, &theirs.certificate().hash(), 5, join));
    assert!(!holds(&own, &hash, 6, join));
    assert!(!holds(&own, &hash, 5, Purpose::Renew));
    let another = Purpose::Join(crate::TokenId::new([2; 8]));
    assert!(!holds(&own, &hash, 5, another));
    assert!(!is_proof(&proof[..63], &own, &hash, host(5), join));
}
