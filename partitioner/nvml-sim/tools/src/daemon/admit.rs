//! Clients: each has a connection, and its context lasts as long as that.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nvidia_ml::control::tools::{self, Device, MpsProcess};
use nvidia_ml::model::share::MpsRole;

use super::Daemon;
use crate::state::{Admission, Mib};

/// How often a client that waits looks whether it may come in.
const WAIT: Duration = Duration::from_millis(20);

/// Connections of clients with a context, by process id.
static CONNECTIONS: Mutex<BTreeMap<u32, UnixStream>> = Mutex::new(BTreeMap::new());

/// Who comes and what it wants.
struct Guest {
    pid: u32,
    uid: u32,
    device: String,
    memory_bytes: u64,
    sm_percent: u32,
}

/// Serves a client from its coming to its going.
pub fn serve(daemon: &Daemon, stream: UnixStream) {
    let mut stream = BufReader::new(stream);
    let Some(guest) = guest(&mut stream) else {
        stream
            .get_mut()
            .write_all(b"refused not a request of a client\n")
            .ok();
        return;
    };
    let admitted = wait(daemon, stream.get_mut(), &guest);
    match admitted {
        None => return,
        Some(Err(text)) => {
            daemon.log(&format!(
                "Client {} refused: {}",
                guest.pid,
                text.trim_end()
            ));
            let line = format!("refused {}\n", text.trim_end().replace('\n', " "));
            stream.get_mut().write_all(line.as_bytes()).ok();
            return;
        }
        Some(Ok(server)) => {
            let line = format!("server {server}\n");
            stream.get_mut().write_all(line.as_bytes()).ok();
        }
    }
    daemon.log(&format!("Client {} connected", guest.pid));
    attend(daemon, &mut stream, guest.pid);
    connections().remove(&guest.pid);
    tools::leave_mps(&daemon.machine, guest.pid).ok();
    daemon.inner().core.left(guest.pid);
    daemon.log(&format!("Client {} disconnected", guest.pid));
}

/// A client loses its context: its connection is closed, and its thread does the rest.
pub fn disconnect(client: u32) {
    if let Some(stream) = connections().get(&client) {
        stream.shutdown(Shutdown::Both).ok();
    }
}

/// A client has lost its context and is told so. It is a client until it has gone, which is its own doing: a server stays
/// in FAULT for as long as one of them is there.
fn lose(client: u32) {
    if let Some(stream) = connections().get(&client) {
        stream.shutdown(Shutdown::Write).ok();
    }
}

fn connections() -> std::sync::MutexGuard<'static, BTreeMap<u32, UnixStream>> {
    CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `client DEVICE MEMORY SM`, all but the first word optional.
fn guest(stream: &mut BufReader<UnixStream>) -> Option<Guest> {
    let peer = getsockopt(stream.get_ref(), PeerCredentials).ok()?;
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut words = line.split_ascii_whitespace();
    if words.next() != Some("client") {
        return None;
    }
    Some(Guest {
        pid: u32::try_from(peer.pid()).ok()?,
        uid: peer.uid(),
        device: words.next().unwrap_or("0").to_owned(),
        memory_bytes: words.next().map_or(Some(0), |word| word.parse().ok())?,
        sm_percent: words.next().map_or(Some(100), |word| word.parse().ok())?,
    })
}

/// The server that has taken it, or why none does; `None` when it is gone before that.
fn wait(daemon: &Daemon, stream: &mut UnixStream, guest: &Guest) -> Option<Result<u32, String>> {
    stream.set_read_timeout(Some(WAIT)).ok()?;
    loop {
        if let Some(done) = enter(daemon, stream, guest) {
            stream.set_read_timeout(None).ok()?;
            return Some(done);
        }
        match stream.read(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => return None,
        }
    }
}

/// One try to let it in; `None` where it has to wait.
fn enter(daemon: &Daemon, stream: &UnixStream, guest: &Guest) -> Option<Result<u32, String>> {
    let mut inner = daemon.inner();
    let server = loop {
        match inner.core.admission(guest.uid) {
            Admission::To(server) => break server,
            Admission::Wait => return None,
            Admission::Refused(text) => return Some(Err(text.to_owned())),
            Admission::End(server) => {
                inner.servers.end(&daemon.machine, server);
                inner.core.ended(server);
            }
            Admission::Start => {
                let devices = inner.core.devices.clone();
                match inner.servers.start(&daemon.machine, &devices, guest.uid) {
                    Ok(pid) => inner.core.started(pid, guest.uid),
                    Err(text) => return Some(Err(text)),
                }
            }
        }
    };
    let Some(name) = inner.core.device(&guest.device).map(str::to_owned) else {
        return Some(Err(format!("Device {} is not found", guest.device)));
    };
    let limits = inner.core.server(server)?.limits.clone();
    let device = match tools::device(&daemon.machine, &name) {
        Ok(device) => device,
        Err(error) => return Some(Err(error.to_string())),
    };
    if let Some(text) = too_much(&device, guest, limits.memory.get(&name)) {
        return Some(Err(text));
    }
    if connections().contains_key(&guest.pid) {
        return Some(Err("the process is a client already".to_owned()));
    }
    let Ok(own) = stream.try_clone() else {
        return Some(Err("out of file descriptors".to_owned()));
    };
    let process = MpsProcess {
        pid: guest.pid,
        role: MpsRole::Client,
        sm_percent: guest.sm_percent.min(limits.threads.whole()),
        memory_bytes: guest.memory_bytes,
    };
    if let Err(error) = tools::enter_mps(&daemon.machine, &device, process) {
        return Some(Err(format!("out of memory: {error}")));
    }
    inner.core.entered(server, guest.pid, &name);
    connections().insert(guest.pid, own);
    Some(Ok(server))
}

fn too_much(device: &Device, guest: &Guest, limit: Option<&Mib>) -> Option<String> {
    if device.mps_present >= device.mps_clients {
        let clients = device.mps_clients;
        return Some(format!(
            "the device has {clients} clients and takes no more"
        ));
    }
    match limit {
        Some(limit) if guest.memory_bytes > limit.0 << 20 => {
            Some(format!("out of memory: a client has {limit} at most"))
        }
        _ => None,
    }
}

/// Listens to a client until it goes or is made to.
fn attend(daemon: &Daemon, stream: &mut BufReader<UnixStream>, client: u32) {
    let mut line = String::new();
    loop {
        line.clear();
        match stream.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim() == "fault" => {
                let clients = daemon.inner().core.faulted(client);
                daemon.log(&format!("Client {client} faulted, all clients are ended"));
                clients.into_iter().for_each(lose);
            }
            Ok(_) => {}
        }
    }
}
