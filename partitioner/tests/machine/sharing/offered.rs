//! Daemons that a service manager offers on a socket, as `kerf-mps.socket` does with `Accept=yes`.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use kerf_tests::poll;

use super::*;

/// A user who is not root.
const NOBODY: u32 = 65_534;

/// What a service manager does with its socket: each connection is the standard input of a process of its own.
struct Manager {
    socket: PathBuf,
    /// Process ids of all that it has started, once it has ended.
    accepting: Option<JoinHandle<Vec<u32>>>,
}

impl Manager {
    /// Serves the machine under this root.
    fn new(share: &Share, sysroot: &Path) -> Self {
        let socket = share.folder.path().join("mps.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (sysroot, run) = (sysroot.to_owned(), share.folder.path().join("run"));
        let log = share.folder.path().join("log");
        let accepting = std::thread::spawn(move || {
            // A service manager holds a connection for as long as its process runs.
            let (mut started, mut held) = (Vec::new(), Vec::new());
            for connection in listener.incoming() {
                let connection = connection.expect("a connection");
                if is_end(&connection) {
                    break;
                }
                held.push(connection.try_clone().expect("a descriptor"));
                let mut command = Command::new(program());
                command.arg("mps-daemon").arg("--sysroot").arg(&sysroot);
                command.arg("--run").arg(&run).arg("--log").arg(&log);
                command
                    .stdin(OwnedFd::from(connection))
                    .stdout(Stdio::null());
                let mut child = command.spawn().expect("a process");
                started.push(child.id());
                // As a service manager does, it takes those that have ended off the list of processes.
                std::thread::spawn(move || child.wait());
            }
            started
        });
        Self {
            socket,
            accepting: Some(accepting),
        }
    }

    fn started(mut self) -> Vec<u32> {
        let accepting = self.accepting.take().expect("it runs");
        drop(UnixStream::connect(&self.socket));
        accepting.join().expect("no panic")
    }
}

/// Whether whoever has connected is gone again without a word: the end of the test.
fn is_end(connection: &UnixStream) -> bool {
    use nix::sys::socket::{MsgFlags, recv};
    use std::os::fd::AsRawFd;
    recv(connection.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK) == Ok(0)
}

/// A place as the unit has it: a plain name below its folders.
fn place(share: &Share) -> MpsPlace {
    MpsPlace {
        device: share.uuid(0),
        run: share.folder.path().join("run/0123456789ab"),
        log: share.folder.path().join("log/0123456789ab"),
    }
}

/// The number in that line of a process's status.
fn status(pid: u32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    line.expect("the line").to_owned()
}

#[test]
fn an_offered_process_becomes_the_daemon_with_rights_of_its_own() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let manager = Manager::new(&share, &share.world.info.sysroot);
    share.tools.offered = Some(manager.socket.clone());
    let place = place(&share);
    let daemon = share.start(&place);
    assert_eq!(share.tools.mps_find(&place).expect("a file"), Some(daemon));
    // DAC_OVERRIDE, KILL, SETGID, SETUID.
    let rights = u64::from_str_radix(&status(daemon.pid, "CapPrm"), 16).expect("hexadecimal");
    assert_eq!(rights, 1 << 1 | 1 << 5 | 1 << 6 | 1 << 7);
    assert_eq!(status(daemon.pid, "NoNewPrivs"), "1");
    // These are enough for a server under another user id, which ends with its daemon.
    let mut asked = Command::new(&share.tools.mps_control);
    asked.env("CUDA_MPS_PIPE_DIRECTORY", place.pipe());
    let mut asked = asked.stdin(Stdio::piped()).spawn().expect("the tool");
    let mut stdin = asked.stdin.take().expect("piped");
    writeln!(stdin, "start_server -uid {NOBODY}").expect("it reads");
    drop(stdin);
    assert!(asked.wait().expect("it ends").success());
    let servers = share.tools.mps_state(&place).expect("it answers").servers;
    let [server] = servers.as_slice() else {
        panic!("{servers:?}");
    };
    let user = || status(server.pid, "Uid").starts_with(&NOBODY.to_string());
    let became = poll::until("a server of another user", Duration::from_secs(30), || {
        user().then_some(())
    });
    became.expect("it became that user");
    share.tools.mps_stop(&place, &daemon).expect("no clients");
    assert!(!daemon.is_alive());
    assert_eq!(manager.started(), [daemon.pid]);
}

#[test]
fn an_offer_for_another_machine_is_not_taken() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let manager = Manager::new(&share, Path::new("/nowhere"));
    share.tools.offered = Some(manager.socket.clone());
    let place = place(&share);
    let daemon = share.start(&place);
    share.tools.mps_stop(&place, &daemon).expect("no clients");
    let started = manager.started();
    assert_eq!(started.len(), 1, "it was asked");
    assert_ne!(started, [daemon.pid]);
    // Nobody offers any more.
    let daemon = share.start(&place);
    share.tools.mps_stop(&place, &daemon).expect("no clients");
}

#[test]
fn a_failure_of_an_offered_process_is_told_and_nothing_runs() {
    if !require(Capability::Root) {
        return;
    }
    let mut share = Share::new("h100x1");
    let manager = Manager::new(&share, &share.world.info.sysroot);
    share.tools.offered = Some(manager.socket.clone());
    // No program that the kernel can run.
    fs::remove_file(&share.tools.mps_control).expect("it was there");
    fs::write(&share.tools.mps_control, "nothing").expect("a file");
    let place = place(&share);
    let error = refused(share.tools.mps_start(&place, &limits(None, None)));
    let said = in_words(&error);
    assert!(matches!(error, SharingError::Ended { .. }), "{said}");
    assert!(
        said.contains("start ") && said.contains("mps-control"),
        "{said}"
    );
    assert_eq!(share.tools.mps_find(&place).expect("no file"), None);
    drop(manager.started());
}
