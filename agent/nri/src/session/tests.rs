//! A runtime plays its part by the book, and then by none.

mod hostile;

use super::*;
use crate::{Adjustment, ContainerState};

const KEY: &str = "kerf.dev/lease";

/// A session and what a runtime would have read of it.
struct Played {
    session: Session,
    frames: mux::Reader,
    answers: ttrpc::Reader,
}

impl Played {
    /// One whose registration was read and answered.
    fn new() -> Self {
        let mut played = Self {
            session: Session::new(KEY),
            frames: mux::Reader::default(),
            answers: ttrpc::Reader::default(),
        };
        let [
            Frame::Request {
                stream: 1,
                service,
                method,
                payload,
            },
        ] = &played.sent()[..]
        else {
            panic!("a registration");
        };
        assert_eq!(
            (service.as_str(), method.as_str()),
            (methods::RUNTIME_SERVICE, "RegisterPlugin")
        );
        let me = wire::RegisterPluginRequest::decode(payload.as_slice()).unwrap();
        assert_eq!(
            (me.plugin_name.as_str(), me.plugin_idx.as_str()),
            ("kerf", "10")
        );
        played.receive(mux::RUNTIME, &ttrpc::success(1, Vec::new()));
        played
    }

    /// One that was told that there is nothing.
    fn ready() -> Self {
        let mut played = Self::new();
        played.configure();
        let [Event::Call(call, Call::Synchronize(found))] =
            &played.call(3, "Synchronize", &wire::SynchronizeRequest::default())[..]
        else {
            panic!("a call");
        };
        assert_eq!(found, &Vec::new());
        played.session.answer(*call, Reply::Go(Box::default()));
        assert_eq!(played.sent().len(), 1);
        played
    }

    fn configure(&mut self) {
        let said = wire::ConfigureRequest {
            runtime_name: "containerd".to_owned(),
            runtime_version: "v2.1.9".to_owned(),
            request_timeout: 2000,
        };
        let events = self.call(1, "Configure", &said);
        let [
            Event::Configured {
                runtime,
                request_timeout_ms: Some(2000),
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert!(runtime.takes_cdi());
        let [
            Frame::Response {
                stream: 1,
                outcome: Ok(payload),
            },
        ] = &self.sent()[..]
        else {
            panic!("an answer");
        };
        let mask = wire::ConfigureResponse::decode(payload.as_slice())
            .unwrap()
            .events;
        assert_eq!(mask, 0b100_0110_1100);
    }

    fn receive(&mut self, connection: u32, bytes: &[u8]) {
        let mut out = Vec::new();
        mux::write(connection, bytes, &mut out);
        self.session.input(&out).unwrap();
    }

    /// Calls a method; the events that come of it.
    fn call(&mut self, stream: u32, method: &str, message: &impl Message) -> Vec<Event> {
        let call = ttrpc::request(stream, PLUGIN_SERVICE, method, message.encode_to_vec());
        self.receive(mux::PLUGIN, &call);
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    /// What it has sent since.
    fn sent(&mut self) -> Vec<Frame> {
        let bytes = self.session.take_output();
        let (mut pieces, mut frames) = (Vec::new(), Vec::new());
        self.frames.push(&bytes, &mut pieces).unwrap();
        for (_, piece) in pieces {
            self.answers.push(piece, &mut frames).unwrap();
        }
        frames
    }

    /// The words of the only answer since, which is a failure.
    fn failure(&mut self) -> String {
        let [
            Frame::Response {
                outcome: Err(words),
                ..
            },
        ] = &self.sent()[..]
        else {
            panic!("a failure");
        };
        words.clone()
    }
}

fn container(id: &str, annotated: bool) -> wire::Container {
    wire::Container {
        id: id.to_owned(),
        pod_sandbox_id: "pod".to_owned(),
        state: 3,
        pid: 42,
        annotations: annotated
            .then(|| (KEY.to_owned(), "lease".to_owned()))
            .into_iter()
            .collect(),
        ..wire::Container::default()
    }
}

fn subject(id: &str) -> wire::SubjectRequest {
    wire::SubjectRequest {
        pod: Some(wire::PodSandbox {
            id: "pod".to_owned(),
            ..wire::PodSandbox::default()
        }),
        container: Some(container(id, false)),
    }
}

#[test]
fn what_there_is_comes_in_parts() {
    let mut played = Played::new();
    played.configure();
    let mut part = wire::SynchronizeRequest {
        pods: vec![Vec::new()],
        containers: vec![
            container("a", true).encode_to_vec(),
            container("b", false).encode_to_vec(),
        ],
        more: true,
    };
    assert_eq!(played.call(3, "Synchronize", &part), []);
    let [
        Frame::Response {
            outcome: Ok(payload),
            ..
        },
    ] = &played.sent()[..]
    else {
        panic!("an answer");
    };
    assert!(
        wire::SynchronizeResponse::decode(payload.as_slice())
            .unwrap()
            .more
    );
    part.more = false;
    let [Event::Call(call, Call::Synchronize(found))] = &played.call(5, "Synchronize", &part)[..]
    else {
        panic!("a call");
    };
    let ids: Vec<&str> = found.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, ["a", "a"]);
    assert!(
        found
            .iter()
            .all(|found| found.state == ContainerState::Running && found.pid == Some(42))
    );
    assert!(!played.session.is_idle());
    played.session.answer(*call, Reply::Go(Box::default()));
    assert!(played.session.is_idle());
}

#[test]
fn a_container_is_adjusted_or_refused() {
    let mut played = Played::ready();
    let [Event::Call(call, Call::Create(about))] =
        &played.call(5, "CreateContainer", &subject("a"))[..]
    else {
        panic!("a call");
    };
    assert_eq!((about.0.id.as_str(), about.1.id.as_str()), ("pod", "a"));
    assert_eq!(played.sent(), []);
    let adjustment = Adjustment {
        cdi: vec!["kerf.dev/lease=x".to_owned()],
        ..Adjustment::default()
    };
    played
        .session
        .answer(*call, Reply::Go(Box::new(adjustment)));
    let [
        Frame::Response {
            stream: 5,
            outcome: Ok(payload),
        },
    ] = &played.sent()[..]
    else {
        panic!("an answer");
    };
    let adjust = wire::CreateContainerResponse::decode(payload.as_slice())
        .unwrap()
        .adjust
        .unwrap();
    let names: Vec<&str> = adjust
        .cdi_devices
        .iter()
        .map(|device| device.name.as_str())
        .collect();
    assert_eq!(names, ["kerf.dev/lease=x"]);
    let [Event::Call(call, _)] = &played.call(7, "CreateContainer", &subject("b"))[..] else {
        panic!("a call");
    };
    played
        .session
        .answer(*call, Reply::Refuse("there is no room".to_owned()));
    played.session.answer(*call, Reply::Go(Box::default()));
    assert_eq!(played.failure(), "there is no room (code 9)");
}

#[test]
fn events_come_by_either_way() {
    let stages = [
        (5, "PostCreateContainer", Stage::Created),
        (6, "StartContainer", Stage::Starting),
        (7, "PostStartContainer", Stage::Started),
        (10, "StopContainer", Stage::Stopping),
        (11, "RemoveContainer", Stage::Removed),
    ];
    let mut played = Played::ready();
    let mut stream = 5;
    for (event, method, stage) in stages {
        let subject = subject("a");
        let change = wire::StateChangeEvent {
            event,
            pod: subject.pod.clone(),
            container: subject.container.clone(),
        };
        let old = played.call(stream, "StateChange", &change);
        let new = played.call(stream + 2, method, &subject);
        for events in [old, new] {
            let [Event::Call(call, Call::Container(found, _))] = &events[..] else {
                panic!("{events:?}");
            };
            assert_eq!(*found, stage);
            played.session.answer(*call, Reply::Go(Box::default()));
        }
        assert_eq!(played.sent().len(), 2);
        stream += 4;
    }
    let change = wire::StateChangeEvent {
        event: 3,
        pod: subject("a").pod,
        container: None,
    };
    let events = played.call(101, "StateChange", &change);
    assert!(matches!(&events[..], [Event::Call(_, Call::PodRemoved(pod))] if pod.id == "pod"));
    for (stream, method) in [(103, "RunPodSandbox"), (105, "UpdateContainer")] {
        assert_eq!(played.call(stream, method, &subject("a")), []);
        assert!(matches!(
            &played.sent()[..],
            [Frame::Response { outcome: Ok(_), .. }]
        ));
    }
}

#[test]
fn what_is_not_served_is_said_so() {
    let mut played = Played::ready();
    assert_eq!(
        played.call(5, "ValidateContainerAdjustment", &subject("a")),
        []
    );
    assert!(
        played
            .failure()
            .ends_with("ValidateContainerAdjustment (code 12)")
    );
    let call = ttrpc::request(7, "grpc.health.v1.Health", "Check", Vec::new());
    played.receive(mux::PLUGIN, &call);
    assert!(played.failure().ends_with("(code 12)"));
    let call = ttrpc::request(9, PLUGIN_SERVICE, "CreateContainer", vec![0x0a, 200]);
    played.receive(mux::PLUGIN, &call);
    assert!(played.failure().ends_with("(code 3)"));
    assert_eq!(
        played.call(11, "CreateContainer", &wire::SubjectRequest::default()),
        []
    );
    assert_eq!(
        played.failure(),
        "CreateContainer is about no container (code 3)"
    );
    assert_eq!(played.call(12, "CreateContainer", &subject("a")), []);
    assert!(played.failure().ends_with("(code 3)"));
}

#[test]
fn nothing_is_decided_before_all_is_known() {
    let mut played = Played::new();
    assert_eq!(played.call(1, "CreateContainer", &subject("a")), []);
    assert!(played.failure().ends_with("(code 9)"));
    assert_eq!(
        played.call(3, "Synchronize", &wire::SynchronizeRequest::default()),
        []
    );
    assert!(played.failure().ends_with("(code 9)"));
}

#[test]
fn one_call_is_answered_once_and_many_are_too_many() {
    let mut played = Played::ready();
    let calls = u32::try_from(CALLS).unwrap();
    for number in 0..calls {
        assert_eq!(
            played
                .call(5 + 2 * number, "CreateContainer", &subject("a"))
                .len(),
            1
        );
    }
    assert_eq!(played.call(5, "CreateContainer", &subject("a")), []);
    assert!(played.failure().ends_with("(code 3)"));
    assert_eq!(
        played.call(5 + 2 * calls, "CreateContainer", &subject("a")),
        []
    );
    assert!(played.failure().ends_with("(code 8)"));
}

#[test]
fn a_runtime_can_say_no_and_goodbye() {
    let mut session = Session::new(KEY);
    let mut out = Vec::new();
    mux::write(
        mux::RUNTIME,
        &ttrpc::failure(1, Code::FailedPrecondition, "a twin is here"),
        &mut out,
    );
    let refused = SessionError::Refused("a twin is here (code 9)".to_owned());
    assert_eq!(session.input(&out), Err(refused));
    let mut played = Played::ready();
    assert_eq!(
        played.call(5, "Shutdown", &wire::SubjectRequest::default()),
        [Event::Shutdown]
    );
}
