//! What is asked and answered at the socket of a service manager.

use super::*;

fn offer() -> Offer {
    Offer {
        tools: Tools::under(Path::new("/nowhere"), "launcher".into()),
        run: "/run/kerf/mps".into(),
        log: "/var/lib/kerf/mps".into(),
    }
}

fn wanted(change: impl FnOnce(&mut Wanted)) -> Vec<u8> {
    let mut wanted = Wanted {
        control: offer().tools.mps_control,
        device: "GPU-b7dd5c6e-3d4b-4f0f-8c4f-0a1b2c3d4e5f".to_owned(),
        run: "/run/kerf/mps/0123456789ab".into(),
        log: "/var/lib/kerf/mps/0123456789ab".into(),
    };
    change(&mut wanted);
    serde_json::to_vec(&wanted).expect("plain data")
}

/// What becomes of a request, and what who asked is told.
fn told(request: &[u8]) -> (OfferError, String) {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    ours.write_all(request).expect("room");
    ours.shutdown(Shutdown::Write).expect("open");
    let Err(error) = offer().serve(theirs);
    let mut said = String::new();
    ours.read_to_string(&mut said).expect("text");
    (error, said)
}

#[test]
fn what_is_no_request_is_refused_in_words() {
    let unknown = br#"{"control":"/a","device":"GPU","run":"/b","log":"/c","env":{}}"#;
    for request in [&b""[..], b"{}", b"\xff\xfe", unknown] {
        let (error, said) = told(request);
        assert!(matches!(error, OfferError::Unreadable(_)), "{error:?}");
        assert!(said.starts_with("no: "), "{said}");
        assert!(matches!(understood(&said), Err(Unoffered::Failed(_))));
    }
    let (error, _) = told(&wanted(|wanted| wanted.device = "0; rm".to_owned()));
    assert!(matches!(error, OfferError::Device(_)), "{error:?}");
}

#[test]
fn a_request_without_an_end_is_not_read_to_it() {
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    let longer = usize::try_from(REQUEST_MAX).expect("it fits") + 1;
    ours.write_all(&vec![b' '; longer]).expect("room");
    let Err(error) = offer().serve(theirs);
    assert!(matches!(error, OfferError::Unreadable(_)), "{error:?}");
}

#[test]
fn another_machine_and_other_folders_are_not_served() {
    let changes: [fn(&mut Wanted); 6] = [
        |wanted| wanted.control = "/tmp/mine".into(),
        |wanted| wanted.run = "/tmp/0123456789ab".into(),
        |wanted| wanted.run = "/run/kerf/mps/../0123456789ab".into(),
        |wanted| wanted.run = "/run/kerf/mps/..".into(),
        |wanted| wanted.log = "/var/lib/kerf/mps/a/b".into(),
        |wanted| wanted.log = "/var/lib/kerf/mps".into(),
    ];
    for change in changes {
        let (error, said) = told(&wanted(change));
        assert!(matches!(error, OfferError::Other { .. }), "{error:?}");
        let answer = understood(&said);
        assert!(matches!(answer, Err(Unoffered::Unfit(Some(_)))), "{said}");
    }
}

#[test]
fn an_answer_is_an_id_alone_or_says_why_there_is_none() {
    assert_eq!(understood("42\n").ok(), Some(42));
    for (answer, why) in [
        ("no: not today\n", "not today"),
        ("", "it ended without a word"),
        ("-3\n", "-3"),
    ] {
        match understood(answer) {
            Err(Unoffered::Failed(said)) => assert_eq!(said, why),
            other => panic!("{answer:?}: {other:?}"),
        }
    }
}
