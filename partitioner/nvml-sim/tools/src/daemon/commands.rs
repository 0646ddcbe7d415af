//! Commands: one a connection, answered with `ok` or `refused` on the first line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nvidia_ml::control::tools;
use nvidia_ml::model::tool::{Tool, ToolTrouble};

use super::{Daemon, POLL};
use crate::state::{Command, Reply};

/// Serves one connection; says whether the daemon ends.
pub fn serve(daemon: &Daemon, stream: UnixStream) -> bool {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if stream.read_line(&mut line).is_err() {
        return false;
    }
    let (answer, quits) = answer(daemon, line.trim());
    let text = match answer {
        Ok(text) => format!("ok\n{text}"),
        Err(text) => format!("refused\n{text}"),
    };
    // Who asked may be gone; what was asked is done.
    stream.get_mut().write_all(text.as_bytes()).ok();
    quits
}

fn answer(daemon: &Daemon, line: &str) -> (Result<String, String>, bool) {
    let word = line.split_ascii_whitespace().next().unwrap_or_default();
    match tools::tool_trouble(&daemon.machine, Tool::MpsControl, word) {
        Ok(Some(ToolTrouble::Refuse)) => {
            return (Err("Operation not permitted\n".to_owned()), false);
        }
        Ok(Some(ToolTrouble::Ignore)) => return (Ok(String::new()), false),
        Ok(Some(ToolTrouble::Garble)) => return (Ok("\u{1}?!\n".to_owned()), false),
        _ => {}
    }
    let command = match Command::read(line) {
        Ok(command) => command,
        Err(error) => return (Err(error.to_string()), false),
    };
    daemon.log(line);
    let reply = daemon.inner().core.command(&command);
    match reply {
        Ok(Reply::Quit { timeout }) => {
            quit(daemon, timeout);
            (Ok(String::new()), true)
        }
        Ok(reply) => (carry_out(daemon, reply), false),
        Err(text) => (Err(text), false),
    }
}

fn carry_out(daemon: &Daemon, reply: Reply) -> Result<String, String> {
    match reply {
        Reply::Text(text) => Ok(text),
        Reply::Start { uid } => {
            let mut inner = daemon.inner();
            let devices = inner.core.devices.clone();
            let pid = inner.servers.start(&daemon.machine, &devices, uid)?;
            inner.core.started(pid, uid);
            Ok(format!("{pid}\n"))
        }
        Reply::Disconnect(clients) => {
            disconnect(&clients);
            Ok(String::new())
        }
        Reply::Shutdown { pid, force } => {
            let clients = |daemon: &Daemon| -> Vec<u32> {
                let inner = daemon.inner();
                let server = inner.core.server(pid);
                server.map_or_else(Vec::new, |server| server.clients.keys().copied().collect())
            };
            if force {
                disconnect(&clients(daemon));
            }
            while !clients(daemon).is_empty() {
                thread::sleep(POLL);
            }
            let mut inner = daemon.inner();
            inner.servers.end(&daemon.machine, pid);
            inner.core.ended(pid);
            Ok(String::new())
        }
        // Its caller's.
        Reply::Quit { .. } => Ok(String::new()),
    }
}

/// Clients lose their contexts.
pub(super) fn disconnect(clients: &[u32]) {
    for client in clients {
        super::admit::disconnect(*client);
    }
}

/// Ends in good order: clients are waited for, and ended when the time is over.
fn quit(daemon: &Daemon, timeout: Option<u64>) {
    let end = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    loop {
        let clients: Vec<u32> = daemon.inner().core.clients().collect();
        if clients.is_empty() {
            break;
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            disconnect(&clients);
        }
        thread::sleep(POLL);
    }
    daemon.inner().servers.end_all(&daemon.machine);
    daemon.places.remove_pid();
}
