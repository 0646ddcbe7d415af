//! The far end of the shim's socket: a thread that reads each request and answers with a function of it.
//!
//! It keeps what it was asked and, like kerfd, answers one frame per connection.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use kerf_runtime::frame::{self, LaunchReply, LaunchRequest};

type Answer = dyn Fn(&LaunchRequest) -> Option<LaunchReply> + Send;

pub struct Kerfd {
    socket: PathBuf,
    requests: Arc<Mutex<Vec<LaunchRequest>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kerfd {
    /// Listens at `socket`; where `answer` gives nothing, the connection stays open and silent.
    pub fn listen(
        socket: &Path,
        answer: impl Fn(&LaunchRequest) -> Option<LaunchReply> + Send + 'static,
    ) -> Self {
        let listener = UnixListener::bind(socket).expect("the socket can be bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(AtomicBool::new(false));
        let (seen, end) = (Arc::clone(&requests), Arc::clone(&ends));
        let answer: Box<Answer> = Box::new(answer);
        let thread = std::thread::spawn(move || serve(&listener, &answer, &seen, &end));
        Self {
            socket: socket.to_owned(),
            requests,
            ends,
            thread: Some(thread),
        }
    }

    pub fn requests(&self) -> Vec<LaunchRequest> {
        self.requests
            .lock()
            .expect("no panic in the thread")
            .clone()
    }
}

fn serve(
    listener: &UnixListener,
    answer: &Answer,
    seen: &Mutex<Vec<LaunchRequest>>,
    ends: &AtomicBool,
) {
    let mut silent = Vec::new();
    for stream in listener.incoming() {
        let mut stream = stream.expect("accept");
        if ends.load(Ordering::SeqCst) {
            return;
        }
        let Ok(request) = frame::decode_from::<LaunchRequest>(&mut stream) else {
            continue;
        };
        seen.lock()
            .expect("no panic elsewhere")
            .push(request.clone());
        match answer(&request) {
            // A shim that gave up meanwhile is its own affair.
            Some(reply) => drop(frame::write_to(&mut stream, &reply)),
            None => silent.push(stream),
        }
    }
}

impl Drop for Kerfd {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(UnixStream::connect(&self.socket));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
