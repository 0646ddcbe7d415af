//! The protocol on a socket pair: who is there, what it does not do, and one look of each kind.

use std::fs::{self, File};
use std::io::{Read, Write};

use kerf_api::frame::{FrameDecoder, encode_frame};
use kerf_api::partitioner::v1::process_answer::Answer;
use kerf_api::partitioner::v1::process_call::Call;
use kerf_api::partitioner::v1::response::Outcome;
use kerf_api::partitioner::v1::{self as wire, request};
use tempfile::TempDir;

use super::*;
use crate::process::wire as words;

const LEASE: &str = "0198c0de-0000-7000-8000-0000000000aa";

struct Asked {
    stream: UnixStream,
    folder: TempDir,
}

impl Asked {
    /// A worker in a thread, of a machine with one node, and with `program` for guards.
    fn new(program: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("dev")).expect("a folder");
        fs::write(folder.path().join("dev/nvidia0"), "").expect("a node");
        let site = Site {
            sysroot: folder.path().to_owned(),
            runtime: program.map(PathBuf::from),
        };
        let (stream, theirs) = UnixStream::pair().expect("a pair");
        std::thread::spawn(move || serve(theirs, &site));
        Self { stream, folder }
    }

    fn outcome(&mut self, call: Option<request::Call>) -> Outcome {
        let frame = encode_frame(&wire::Request { id: 7, call }).expect("a frame");
        self.stream.write_all(&frame).expect("sent");
        let mut frames = FrameDecoder::new();
        loop {
            if let Some(answer) = frames.pop::<wire::Response>().expect("a frame") {
                assert_eq!(answer.id, 7);
                return answer.outcome.expect("an outcome");
            }
            let mut bytes = [0; 512];
            let count = self.stream.read(&mut bytes).expect("an answer");
            assert!(count > 0, "the worker went away");
            frames.push(&bytes[..count]);
        }
    }

    /// The answer, or why there is none.
    fn ask(&mut self, call: Option<Call>) -> Result<Answer, String> {
        let call = Box::new(wire::ProcessCall { call });
        match self.outcome(Some(request::Call::Process(call))) {
            Outcome::Process(answer) => Ok(answer.answer.expect("an answer")),
            Outcome::Failure(failure) => Err(failure.message),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn it_says_who_it_is_and_has_no_hardware() {
    let mut asked = Asked::new(None);
    let sysroot = words::bytes(asked.folder.path());
    let identity = asked.outcome(Some(request::Call::Identify(wire::Identify {})));
    let expected = wire::Identity {
        pid: std::process::id(),
        library: None,
        sysroot,
    };
    assert_eq!(identity, Outcome::Identity(expected));
    for call in [None, Some(request::Call::Open(wire::Open {}))] {
        let Outcome::Failure(failure) = asked.outcome(call) else {
            panic!("not refused");
        };
        assert!(failure.message.contains("has no hardware"), "{failure:?}");
    }
}

#[test]
fn what_is_not_whole_or_not_its_business_is_refused_and_the_next_is_answered() {
    let mut asked = Asked::new(None);
    let own = crate::process::identify(std::process::id()).expect("it runs");
    let process = Some(words::process_name(&own));
    let cgroup = |folder: &str| {
        Some(wire::CgroupName {
            folder: folder.as_bytes().to_vec(),
            inode: 1,
        })
    };
    let guard = wire::StandGuard {
        file: b"relative".to_vec(),
        folders: Vec::new(),
    };
    let foreign = wire::TakeOut {
        cgroup: cgroup("/sys/fs/cgroup/devices/../../../etc"),
        init: process.clone(),
        ..wire::TakeOut::default()
    };
    let calls = [
        (None, "the call is of no known kind"),
        (
            Some(Call::Attach(wire::Attach::default())),
            "the container is missing",
        ),
        (
            Some(Call::TakeOut(foreign)),
            "is no cgroup with a list of devices",
        ),
        (Some(Call::StandGuard(guard)), "relative is not absolute"),
        (
            Some(Call::LookForHolders(wire::LookForHolders::default())),
            "what is looked for is missing",
        ),
        (
            Some(Call::RemoveConfinement(wire::RemoveConfinement {
                cgroup: cgroup("/tmp/kerf-lease"),
                lease: LEASE.to_owned(),
            })),
            "/tmp/kerf-lease is no cgroup",
        ),
        (
            Some(Call::Confine(wire::Confine {
                process,
                lease: "x".to_owned(),
                nodes: Vec::new(),
            })),
            "the lease is wrong",
        ),
    ];
    for (call, expected) in calls {
        let why = asked.ask(call).expect_err(expected);
        assert!(why.contains(expected), "{why}");
    }
    let container = wire::RemoveJobCgroups {
        namespace: "kerf-tests".to_owned(),
        id: "none".to_owned(),
    };
    let answer = asked.ask(Some(Call::RemoveJobCgroups(container)));
    assert_eq!(answer, Ok(Answer::Stays(wire::Stays::default())));
}

#[test]
fn it_sees_who_has_a_node_open_and_where_a_process_works() {
    let mut asked = Asked::new(None);
    let own = std::process::id();
    let look = || {
        let names = vec!["/dev/nvidia0".to_owned()];
        let what = wire::look_for_holders::What::Nodes(wire::NodeNames { names });
        Some(Call::LookForHolders(wire::LookForHolders {
            what: Some(what),
        }))
    };
    let holds = |asked: &mut Asked| match asked.ask(look()) {
        Ok(Answer::Holders(seen)) => seen.holders.into_iter().find(|one| one.pid == own),
        other => panic!("{other:?}"),
    };
    assert_eq!(holds(&mut asked), None);
    let node = asked.folder.path().join("dev/nvidia0");
    let open = File::open(node).expect("it is there");
    assert_eq!(
        holds(&mut asked).expect("this process").holds,
        ["/dev/nvidia0"]
    );
    drop(open);
    let process = crate::process::identify(own).expect("it runs");
    let folder = |process: &kerf_types::lease::InitProcess| {
        let process = Some(words::process_name(process));
        Some(Call::LookForFolder(wire::LookForFolder { process }))
    };
    let here = std::env::current_dir().expect("a folder");
    let path = Some(words::bytes(&here));
    let answer = asked.ask(folder(&process));
    assert_eq!(answer, Ok(Answer::Folder(wire::WorkingFolder { path })));
    // An earlier process of this pid.
    let earlier = kerf_types::lease::InitProcess {
        start_ticks: 1,
        ..process.clone()
    };
    let path = None;
    let answer = asked.ask(folder(&earlier));
    assert_eq!(answer, Ok(Answer::Folder(wire::WorkingFolder { path })));
}

/// A kerfd whose unit has no such right starts a worker without it where no socket offers one.
#[test]
fn who_may_not_look_does_not_say_that_nobody_is_there() {
    if !geteuid().is_root() {
        println!("skipped: whoever is not root has no right to lose");
        return;
    }
    let site = Site {
        sysroot: "/".into(),
        runtime: None,
    };
    let asked = move |call| {
        let call = Box::new(wire::ProcessCall { call: Some(call) });
        let call = Some(request::Call::Process(call));
        match answer::answer(&site, wire::Request { id: 1, call }).outcome {
            Some(Outcome::Process(answer)) => Ok(answer.answer.expect("an answer")),
            Some(Outcome::Failure(failure)) => Err(failure.message),
            other => panic!("{other:?}"),
        }
    };
    let carriers = || {
        Call::LookForCarriers(wire::LookForCarriers {
            lease: LEASE.to_owned(),
            ..wire::LookForCarriers::default()
        })
    };
    let within = || Call::LookWithin(wire::LookWithin::default());
    let told = |are_known| {
        let processes = Vec::new();
        Ok(Answer::Carriers(wire::Carriers {
            processes,
            are_known,
        }))
    };
    // Rights are those of a thread.
    let looks = move || {
        assert_eq!(asked(carriers()), told(true));
        assert!(asked(within()).is_ok());
        caps::drop(None, CapSet::Effective, Capability::CAP_SYS_PTRACE).expect("less is allowed");
        assert_eq!(asked(carriers()), told(false));
        asked(within())
    };
    let refused = std::thread::spawn(looks).join().expect("no panic");
    let why = refused.expect_err("it is blind");
    assert!(why.contains("without CAP_SYS_PTRACE"), "{why}");
}

#[test]
fn a_guard_is_started_as_its_unit_says_and_what_it_says_comes_back() {
    let guard = || {
        Some(Call::StandGuard(wire::StandGuard {
            file: b"/nowhere".to_vec(),
            folders: Vec::new(),
        }))
    };
    let said = Asked::new(Some("/bin/echo")).ask(guard());
    let expected = wire::GuardSaid {
        success: true,
        out: b"fence /nowhere\n".to_vec(),
        err: Vec::new(),
    };
    assert_eq!(said, Ok(Answer::Guard(expected)));
    let missing = Asked::new(Some("/nowhere")).ask(guard());
    assert!(matches!(missing, Ok(Answer::Failure(_))), "{missing:?}");
    let none = Asked::new(None).ask(guard());
    assert_eq!(none, Err("no program for guards is named".to_owned()));
}
