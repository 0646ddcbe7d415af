//! Tokens as text, and the ledger: each lets one key of one host in, until its end.

use proptest::prelude::*;

use super::{NOW, authority, host, key, token};
use crate::{
    Ledger, LedgerError, MAX_TOKENS, RedeemError, TTL_MAX_S, TTL_MIN_S, Token, TokenError, TokenId,
};

const TTL: u64 = 3_600;

fn refused(text: &str) -> TokenError {
    text.parse::<Token>().expect_err("it is no token")
}

#[test]
fn a_token_reads_back_and_tells_a_cut_from_a_slip() {
    let made = token(1, &authority(1));
    let text = made.to_text();
    let read: Token = format!(" {}\n", *text).parse().expect("it reads");
    assert_eq!((read.id, read.ca_hash), (made.id, made.ca_hash));
    assert_eq!(read.issuer, made.issuer);
    assert_eq!(read.secret(), made.secret());
    assert_eq!(text.len(), 158);
    for length in 0..text.len() {
        let error = refused(&text[..length]);
        let expected = match length {
            0..6 => TokenError::Prefix,
            _ => TokenError::Length { length },
        };
        assert_eq!(error, expected);
    }
    for place in 6..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
        let slip = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(refused(&slip), TokenError::Check, "at {place}");
    }
    assert_eq!(
        refused(&format!("{}0", *text)),
        TokenError::Length { length: 159 }
    );
    assert_eq!(refused(&text.to_uppercase()), TokenError::Prefix);
    let capital = text.replace('a', "A");
    if capital != *text {
        assert_eq!(refused(&capital), TokenError::Digits);
    }
    let shown = format!("{made:?}");
    assert_eq!(shown, "Token(0101010101010101)", "a secret is shown");
}

#[test]
fn a_token_is_good_for_one_key_of_one_host_until_its_end() {
    let ca = authority(1);
    let token = token(1, &ca);
    let mut ledger = Ledger::default();
    ledger.create(&token, NOW, TTL).expect("a first one");
    let redeem = |ledger: &mut Ledger, number: u8, now_s| {
        let (host, key) = (host(number.into()), key(number).public());
        ledger.redeem(token.id, token.secret(), host, key, now_s)
    };
    assert_eq!(redeem(&mut ledger.clone(), 5, NOW + TTL), Ok(true));
    let expires_s = NOW + TTL;
    assert_eq!(
        redeem(&mut ledger.clone(), 5, NOW + TTL + 1),
        Err(RedeemError::Expired { expires_s })
    );
    let before = ledger.clone();
    let looked = before.may_redeem(token.id, token.secret(), host(5), key(5).public(), NOW);
    assert_eq!((looked, &before), (Ok(true), &ledger), "a look uses it");
    assert_eq!(redeem(&mut ledger, 5, NOW + 1), Ok(true));
    // Its answer was lost: the same use.
    assert_eq!(redeem(&mut ledger, 5, NOW + 2), Ok(false));
    assert_eq!(
        redeem(&mut ledger, 5, NOW + TTL + 1),
        Err(RedeemError::Expired { expires_s })
    );
    let by = host(5);
    assert_eq!(
        redeem(&mut ledger, 6, NOW + 2),
        Err(RedeemError::Used { by })
    );
    let other_key = ledger.redeem(token.id, token.secret(), by, key(6).public(), NOW + 2);
    assert_eq!(other_key, Err(RedeemError::Used { by }));
    let used = ledger.entries().next().and_then(|(_, entry)| entry.used);
    assert_eq!(used.map(|used| (used.host, used.at_s)), Some((by, NOW + 1)));
}

#[test]
fn a_wrong_secret_another_fleets_token_and_a_revoked_one_are_unknown() {
    let token = token(1, &authority(1));
    let mut ledger = Ledger::default();
    ledger.create(&token, NOW, TTL).expect("a first one");
    let redeem = |ledger: &mut Ledger, id, secret: &[u8]| {
        ledger.redeem(id, secret, host(5), key(5).public(), NOW)
    };
    let unknown = Err(RedeemError::Unknown);
    for wrong in [[2; 16].as_slice(), &[1; 15], &[1; 17], &[]] {
        assert_eq!(redeem(&mut ledger, token.id, wrong), unknown);
    }
    let theirs = super::token(2, &authority(2));
    assert_eq!(redeem(&mut ledger, theirs.id, theirs.secret()), unknown);
    ledger.revoke(token.id).expect("it is there");
    assert_eq!(redeem(&mut ledger, token.id, token.secret()), unknown);
    let gone = ledger.revoke(token.id);
    assert_eq!(gone, Err(LedgerError::Unknown { id: token.id }));
}

#[test]
fn the_ledger_is_bounded_and_forgets_what_ended_long_ago() {
    let ca = authority(1);
    let mut ledger = Ledger::default();
    let numbered = |number: usize| {
        let id = TokenId::new(u64::try_from(number).expect("few").to_be_bytes());
        Token::new(id, &[7; 16], host(1), ca.certificate().hash())
    };
    for ttl_s in [0, TTL_MIN_S - 1, TTL_MAX_S + 1] {
        let refused = ledger.create(&numbered(0), NOW, ttl_s);
        assert_eq!(refused, Err(LedgerError::Ttl { seconds: ttl_s }));
    }
    for number in 0..MAX_TOKENS {
        ledger
            .create(&numbered(number), NOW, TTL)
            .expect("there is room");
    }
    let full = ledger.create(&numbered(MAX_TOKENS), NOW, TTL);
    assert_eq!(full, Err(LedgerError::Full));
    let bytes = ledger.to_bytes();
    assert!(bytes.len() < crate::LEDGER_LIMIT);
    assert_eq!(Ledger::from_bytes(&bytes), Ok(ledger.clone()));
    let later = NOW + TTL + 8 * super::DAY;
    ledger
        .create(&numbered(MAX_TOKENS), later, TTL)
        .expect("the others are gone");
    assert_eq!(ledger.entries().count(), 1);
    let twice = ledger.create(&numbered(MAX_TOKENS), later, TTL);
    assert!(matches!(twice, Err(LedgerError::Taken { .. })));
}

#[test]
fn the_document_has_no_secret_and_reads_back_strictly() {
    let token = token(0xab, &authority(1));
    let mut ledger = Ledger::default();
    ledger.create(&token, NOW, TTL).expect("a first one");
    let used = ledger.redeem(token.id, token.secret(), host(5), key(5).public(), NOW);
    used.expect("it is good");
    let bytes = ledger.to_bytes();
    assert_eq!(Ledger::from_bytes(&bytes), Ok(ledger));
    let text = String::from_utf8(bytes).expect("JSON");
    assert!(
        !text.contains(&"ab".repeat(16)),
        "the secret is kept: {text}"
    );
    let changes = [
        ("kerf.tokens.v1", "kerf.tokens.v2"),
        ("\"hash\":\"", "\"hash\":\"0"),
        ("\"expires_s\"", "\"expires\""),
        ("\"used\":", "\"more\":1,\"used\":"),
    ];
    for (from, to) in changes {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(Ledger::from_bytes(changed.as_bytes()).is_err(), "{changed}");
    }
    for length in 0..text.len() {
        assert!(Ledger::from_bytes(&text.as_bytes()[..length]).is_err());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(kerf2-)?[0-9a-f]{0,160}|\\PC{0,40}") {
        if let Ok(token) = text.parse::<Token>() {
            prop_assert_eq!(&*token.to_text(), text.trim());
        }
    }

    #[test]
    fn any_document_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(ledger) = Ledger::from_bytes(&bytes) {
            prop_assert_eq!(Ledger::from_bytes(&ledger.to_bytes()), Ok(ledger));
        }
    }
}
