//! Tokens, certificates and what hosts keep of their cluster: what a stranger shows, and what lies on a disk.

use kerf_identity::{
    Authority, CaCertificate, Holders, Ledger, Membership, Revoked, SecretKey, Side, Token,
};
use kerf_membership::ClusterId;

/// The second at which certificates are looked at: within the day of those of the seeds.
const NOW_S: u64 = 1_800_000_000;

/// The CA of the seeds. Nobody signs in its name by chance.
fn ca() -> CaCertificate {
    let key = SecretKey::from_seed(&[1; 32]).expect("any bytes are a key");
    let name = "lab".parse().expect("a name");
    let authority = Authority::create(ClusterId(8), &name, key).expect("it signs");
    authority.certificate().clone()
}

/// A token reads back as it was read, or is refused in words that do not repeat it; the documents of a cluster's host read
/// back as well.
pub fn join_token(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        match text.parse::<Token>() {
            Ok(token) => assert_eq!(&*token.to_text(), text.trim(), "a token reads back"),
            Err(error) => {
                let said = error.to_string();
                assert!(!said.is_empty() && said.len() < 120, "{said}");
            }
        }
    }
    if let Ok(ledger) = Ledger::from_bytes(bytes) {
        let again = Ledger::from_bytes(&ledger.to_bytes());
        assert!(
            again.is_ok_and(|again| again == ledger),
            "a ledger reads back"
        );
    }
    if let Ok(holders) = Holders::from_bytes(bytes) {
        let again = Holders::from_bytes(&holders.to_bytes());
        assert!(again.is_ok_and(|again| again == holders), "it reads back");
    }
    match Membership::from_bytes(bytes) {
        Ok(own) => {
            let again = Membership::from_bytes(&own.to_bytes()).expect("it reads back");
            assert_eq!(*again.to_bytes(), *own.to_bytes());
        }
        Err(error) => assert!(error.to_string().len() < 120, "{error}"),
    }
}

/// A certificate is refused, or is one of the CA's for one host and one time; a list of revoked hosts reads back.
pub fn member_certificate(bytes: &[u8]) {
    let ca = ca();
    if let Ok(read) = CaCertificate::from_der(bytes) {
        assert_eq!(read.der(), bytes, "it is kept as it came");
    }
    if let Ok(host) = ca.verify(bytes, Side::Client, NOW_S) {
        let as_server = ca.verify_of(host, bytes, Side::Server, NOW_S);
        assert_eq!(as_server, Ok(()), "a host is both ends");
        let (begins_s, ends_s) = ca.span_s(bytes).expect("it has a time");
        assert!((begins_s..=ends_s).contains(&NOW_S));
        assert!(ca.verify(bytes, Side::Client, ends_s + 1).is_err());
    }
    if let Ok(list) = Revoked::from_bytes(bytes, &ca) {
        assert_eq!(list.to_bytes(), bytes, "a list reads back");
    }
}
