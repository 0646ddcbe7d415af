//! The protocol on a socket pair: what ends a worker, and what it says before anything is open.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;

use kerf_api::frame::{FrameDecoder, encode_frame};
use kerf_api::partitioner::v1::failure::Code;
use kerf_api::partitioner::v1::request::Call;
use kerf_api::partitioner::v1::response::Outcome;
use kerf_api::partitioner::v1::{
    Apply, EnsureNodes, Identify, ObserveGpu, ObserveHost, Open, Request, Response, Sample,
};
use tempfile::TempDir;

use super::failure::FailureOf;
use super::{Machine, WorkerError, serve};
use crate::amd::AmdError;
use crate::systree::transaction::Refusal;
use crate::vgpu::VgpuError;

/// A worker in a thread, on a machine that has nothing.
struct Bare {
    stream: UnixStream,
    worker: JoinHandle<Result<(), WorkerError>>,
    folder: TempDir,
}

impl Bare {
    fn new(library: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = Machine {
            library,
            sysroot: folder.path().to_owned(),
            simulated: None,
        };
        let (stream, theirs) = UnixStream::pair().expect("a pair");
        let worker = std::thread::spawn(move || serve(theirs, &machine));
        Self {
            stream,
            worker,
            folder,
        }
    }

    fn ask(&mut self, id: u64, call: Option<Call>) -> Outcome {
        let frame = encode_frame(&Request { id, call }).expect("a frame");
        self.stream.write_all(&frame).expect("sent");
        let mut frames = FrameDecoder::new();
        loop {
            if let Some(answer) = frames.pop::<Response>().expect("a frame") {
                assert_eq!(answer.id, id);
                return answer.outcome.expect("an outcome");
            }
            let mut bytes = [0; 512];
            let count = self.stream.read(&mut bytes).expect("an answer");
            assert!(count > 0, "the worker went away");
            frames.push(&bytes[..count]);
        }
    }

    fn refusal(&mut self, id: u64, call: Option<Call>) -> (Code, String) {
        match self.ask(id, call) {
            Outcome::Failure(failure) => (failure.code(), failure.message),
            other => panic!("a refusal was expected, not {other:?}"),
        }
    }

    fn sysroot(&self) -> Vec<u8> {
        let path = self.folder.path().canonicalize().expect("it is there");
        path.into_os_string().into_encoded_bytes()
    }

    fn end(self, last_words: &[u8]) -> Result<(), WorkerError> {
        let Self {
            mut stream,
            worker,
            folder: _folder,
        } = self;
        stream.write_all(last_words).expect("sent");
        stream.shutdown(std::net::Shutdown::Write).expect("closed");
        worker.join().expect("no panic")
    }
}

#[test]
fn a_machine_without_a_library_has_no_gpus() {
    let mut bare = Bare::new(None);
    let Outcome::Opened(opened) = bare.ask(7, Some(Call::Open(Open {}))) else {
        panic!()
    };
    assert_eq!((opened.driver, opened.gpu_count), (None, 0));
    let Outcome::Identity(identity) = bare.ask(10, Some(Call::Identify(Identify {}))) else {
        panic!()
    };
    assert_eq!((identity.pid, identity.library), (std::process::id(), None));
    assert_eq!(identity.sysroot, bare.sysroot());
    let (code, _) = bare.refusal(8, Some(Call::ObserveGpu(ObserveGpu::default())));
    assert_eq!(code, Code::NoDriver);
    let Outcome::Host(host) = bare.ask(9, Some(Call::ObserveHost(ObserveHost::default()))) else {
        panic!()
    };
    assert!(!host.host.is_empty());
    assert!(
        host.numa_nodes.is_empty() && host.problems.is_empty(),
        "{host:?}"
    );
    bare.end(&[]).expect("the end of the stream is a good end");
}

#[test]
fn requests_before_open_and_broken_ones_are_refused_each() {
    let mut bare = Bare::new(Some("/nowhere/libnvidia-ml.so.1".into()));
    let early = Some(Call::Sample(Sample::default()));
    assert_eq!(bare.refusal(1, early).0, Code::Invalid);
    let (code, words) = bare.refusal(2, Some(Call::Open(Open {})));
    assert_eq!(code, Code::NoDriver, "{words}");
    assert!(words.contains("/nowhere/libnvidia-ml.so.1"), "{words}");
    assert_eq!(bare.refusal(3, None).0, Code::Invalid);
    assert_eq!(
        bare.refusal(4, Some(Call::Apply(Apply { step: None }))).0,
        Code::Invalid
    );
    let empty = kerf_api::v1::Step { kind: None };
    assert_eq!(
        bare.refusal(5, Some(Call::Apply(Apply { step: Some(empty) })))
            .0,
        Code::Invalid
    );
    let minors = EnsureNodes {
        capability_minors: vec![3],
        imex_channels: Vec::new(),
    };
    assert_eq!(
        bare.refusal(6, Some(Call::EnsureNodes(minors))).0,
        Code::NoDriver
    );
    bare.end(&[]).expect("refusals do not end a worker");
}

#[test]
fn what_is_no_frame_ends_the_worker() {
    let too_long = Bare::new(None).end(&u32::MAX.to_be_bytes());
    assert!(
        matches!(too_long, Err(WorkerError::Frame { .. })),
        "{too_long:?}"
    );
    let garbage = Bare::new(None).end(&[0, 0, 0, 2, 0xff, 0xff]);
    assert!(
        matches!(garbage, Err(WorkerError::Frame { .. })),
        "{garbage:?}"
    );
    let cut = Bare::new(None).end(&[0, 0, 0, 9, 1]);
    assert!(matches!(cut, Err(WorkerError::Frame { .. })), "{cut:?}");
    let no_root = Machine {
        library: None,
        sysroot: "/nowhere/at/all".into(),
        simulated: None,
    };
    let (_ours, theirs) = UnixStream::pair().expect("a pair");
    assert!(matches!(
        serve(theirs, &no_root),
        Err(WorkerError::Sysroot { .. })
    ));
}

/// Whoever asks must look at what is there, whichever vendor's file it was.
#[test]
fn what_may_have_changed_is_in_doubt_and_no_conflict() {
    let pci = "0000:0f:00.0".parse().expect("an address");
    let cause = || Refusal::NotDone {
        path: "/sys/a".to_owned(),
        value: "CPX".to_owned(),
        missing: "partitions".to_owned(),
    };
    let left = "a".to_owned();
    let amd = FailureOf::from(AmdError::Stuck {
        pci,
        left: left.clone(),
        cause: cause(),
    });
    let vgpu = FailureOf::from(VgpuError::Stuck {
        pci,
        left,
        cause: cause(),
    });
    for FailureOf(failure) in [amd, vgpu] {
        assert_eq!(failure.code(), Code::Unsettled, "{}", failure.message);
    }
}
