//! Workers that a service manager offers on a socket, as `kerf-partitioner.socket` does with `Accept=yes`:
//! kerfd takes them from there, leaves a stuck one, and starts its own where nobody offers any more.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use kerf_tests::bins;
use nvidia_ml::control::{FaultRequest, fault};

use super::client::layout;
use super::world::{QUICK, World};

/// Starts a worker for each connection, with the connection as its standard input.
struct Manager {
    socket: PathBuf,
    closing: Arc<AtomicBool>,
    workers: Arc<Mutex<Vec<Child>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Manager {
    fn new(socket: PathBuf, machine: &Path) -> Self {
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (closing, workers) = (Arc::default(), Arc::default());
        let arguments = [
            "worker".into(),
            "--nvml".into(),
            machine.join("libnvidia-ml.so.1"),
            "--sysroot".into(),
            machine.join("root"),
        ];
        let (until, started) = (Arc::clone(&closing), Arc::clone(&workers));
        let accepting = std::thread::spawn(move || {
            accept(&listener, &arguments, &until, &started);
        });
        Self {
            socket,
            closing,
            workers,
            accepting: Some(accepting),
        }
    }

    /// Process ids of all that were started.
    fn started(&self) -> Vec<u32> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(Child::id).collect()
    }

    /// Takes those that have ended off the list of processes, as a service manager does.
    fn reap(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        for worker in workers.iter_mut() {
            drop(worker.try_wait());
        }
    }
}

fn accept(
    listener: &UnixListener,
    arguments: &[PathBuf],
    closing: &AtomicBool,
    started: &Mutex<Vec<Child>>,
) {
    for connection in listener.incoming() {
        if closing.load(Ordering::SeqCst) {
            return;
        }
        let program = bins::partitioner().expect("it is built");
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null());
        command.stdin(OwnedFd::from(connection.expect("a connection")));
        let worker = command.spawn().expect("a worker");
        let mut workers = started.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(worker);
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the thread up.
        drop(std::os::unix::net::UnixStream::connect(&self.socket));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
        self.reap();
    }
}

/// Cuts a slice on this GPU, so that a worker has something to do.
fn cut(world: &World, gpu: &str) {
    let one = layout(&[(&[gpu], &[("1g.10gb", 1)])]);
    if let Err(error) = world.client.apply(one) {
        panic!("{error:?}\n{}", world.kerfd.log_tail());
    }
}

#[test]
fn offered_workers_serve_kerfd_and_a_hung_one_is_left() {
    let Some(mut world) = World::bare("h100x8", QUICK) else {
        return;
    };
    let socket = world.kerfd.folder().join("run/partitioner.sock");
    world.kerfd.terminate().expect("it ends");
    let machine = world.kerfd.machine();
    let manager = Manager::new(socket.clone(), &machine);
    world.kerfd.restart().expect("it comes up again");
    cut(&world, "0");
    assert_eq!(world.kerfd.workers(), manager.started(), "no other worker");

    // A GPU hangs: its worker is left to the driver, and another is offered for the other seven.
    let hang = FaultRequest::Hang { gpu: 3 };
    fault(&machine, hang).expect("the machine takes it");
    world.until("a second worker", || manager.started().len() == 2);
    cut(&world, "1");
    assert_eq!(world.kerfd.workers().len(), 2, "the stuck one lives");
    fault(&machine, FaultRequest::Clear { gpu: 3 }).expect("the machine takes it");
    world.until("a host that is well", || world.client.degraded().is_empty());
    cut(&world, "3");

    // Killed kerfd: its workers see the closed sockets, and the next kerfd gets fresh ones.
    world.kerfd.kill9().expect("it goes");
    world.kerfd.restart().expect("it comes up again");
    cut(&world, "2");
    assert!(manager.started().len() >= 3, "{:?}", manager.started());
    world.until("the end of the earlier workers", || {
        manager.reap();
        world.kerfd.workers().len() == 1
    });

    // Nobody offers any more: kerfd starts its own.
    world.kerfd.terminate().expect("it ends");
    let offered = manager.started();
    drop(manager);
    std::fs::remove_file(&socket).expect("it was there");
    world.kerfd.restart().expect("it comes up again");
    cut(&world, "4");
    let own = world.kerfd.workers();
    assert!(!own.is_empty());
    assert!(own.iter().all(|pid| !offered.contains(pid)), "{own:?}");
}

#[test]
fn an_offer_for_another_machine_is_not_taken() {
    let Some(mut world) = World::bare("h100x1", QUICK) else {
        return;
    };
    world.kerfd.terminate().expect("it ends");
    let elsewhere = world.scratch.folder("elsewhere/root").expect("a folder");
    let folder = elsewhere.parent().expect("it has one");
    let socket = world.kerfd.folder().join("run/partitioner.sock");
    let manager = Manager::new(socket, folder);
    world.kerfd.restart().expect("it comes up again");
    cut(&world, "0");
    let own = world.kerfd.workers();
    let offered = manager.started();
    assert!(!offered.is_empty(), "it was asked");
    assert!(!own.is_empty());
    assert!(own.iter().all(|pid| !offered.contains(pid)), "{own:?}");
    assert!(
        world.kerfd.log_tail().contains("offered worker not used"),
        "{}",
        world.kerfd.log_tail()
    );
}
