//! What an MPS control daemon knows: defaults, servers, clients. Pure: a command or a client goes in, an answer or
//! something to be done comes out.
//!
//! ```text
//! server: ACTIVE --a client faults--> FAULT --its last client is gone--> ACTIVE
//! ```
//! Defaults are for servers that start later, and a server has one user id. A client of another user waits until
//! the server there is without clients and has made room for one of its own.

mod command;
mod limits;
mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use command::Command;
pub use limits::{Limits, Mib};

/// A server.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Process id.
    pub pid: u32,
    /// Its user, and its clients'.
    pub uid: u32,
    /// Limits of clients that come from now on.
    pub limits: Limits,
    /// A client's fault ends all of them.
    pub fault: bool,
    /// Clients with the device that they use, by process id.
    pub clients: BTreeMap<u32, String>,
}

/// What is to become of a client that wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// This server takes it.
    To(u32),
    /// A server is to be started for it first.
    Start,
    /// A server of another user without clients is to be ended first.
    End(u32),
    /// It waits.
    Wait,
    /// It is turned away.
    Refused(&'static str),
}

/// What follows from a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This is said.
    Text(String),
    /// A server is to be started.
    Start {
        /// Its user.
        uid: u32,
    },
    /// These clients lose their contexts.
    Disconnect(Vec<u32>),
    /// A server is to be ended: when its clients are gone, or at once.
    Shutdown {
        /// The server.
        pid: u32,
        /// Whether its clients are ended.
        force: bool,
    },
    /// The daemon ends: when all clients are gone, or after so many seconds.
    Quit {
        /// Seconds.
        timeout: Option<u64>,
    },
}

/// Everything that a daemon knows.
#[derive(Clone, Debug)]
pub struct Core {
    /// Devices that it serves, in the order of their ordinals.
    pub devices: Vec<String>,
    /// Limits of servers that start from now on.
    pub defaults: Limits,
    /// Servers.
    pub servers: Vec<Server>,
    /// It takes no client any more.
    pub quitting: bool,
}

impl Core {
    /// A daemon that has just begun.
    pub fn new(devices: Vec<String>, defaults: Limits) -> Self {
        Self {
            devices,
            defaults,
            servers: Vec::new(),
            quitting: false,
        }
    }

    /// Where a client of that user goes.
    pub fn admission(&self, uid: u32) -> Admission {
        if self.quitting {
            return Admission::Refused("the MPS control daemon is shutting down");
        }
        match self.servers.iter().find(|server| server.uid == uid) {
            Some(server) if server.fault => Admission::Refused("the MPS server is in FAULT"),
            Some(server) => Admission::To(server.pid),
            None => match self.servers.first() {
                None => Admission::Start,
                Some(server) if server.clients.is_empty() => Admission::End(server.pid),
                Some(_) => Admission::Wait,
            },
        }
    }

    /// A server has been started.
    pub fn started(&mut self, pid: u32, uid: u32) {
        self.servers.push(Server {
            pid,
            uid,
            limits: self.defaults.clone(),
            fault: false,
            clients: BTreeMap::new(),
        });
    }

    /// A server has ended.
    pub fn ended(&mut self, pid: u32) {
        self.servers.retain(|server| server.pid != pid);
    }

    /// A client is a server's now.
    pub fn entered(&mut self, server: u32, client: u32, device: &str) {
        if let Some(server) = self.server_mut(server) {
            server.clients.insert(client, device.to_owned());
        }
    }

    /// A client is gone. The last one of a server in FAULT takes the fault with it.
    pub fn left(&mut self, client: u32) {
        for server in &mut self.servers {
            server.clients.remove(&client);
            server.fault &= !server.clients.is_empty();
        }
    }

    /// A client has faulted: all of its server lose their contexts, and these are they.
    pub fn faulted(&mut self, client: u32) -> Vec<u32> {
        let mut servers = self.servers.iter_mut();
        let Some(server) = servers.find(|server| server.clients.contains_key(&client)) else {
            return Vec::new();
        };
        server.fault = true;
        server.clients.keys().copied().collect()
    }

    /// All clients of all servers.
    pub fn clients(&self) -> impl Iterator<Item = u32> + '_ {
        let servers = self.servers.iter();
        servers.flat_map(|server| server.clients.keys().copied())
    }

    /// The server with that process id.
    pub fn server(&self, pid: u32) -> Option<&Server> {
        self.servers.iter().find(|server| server.pid == pid)
    }

    fn server_mut(&mut self, pid: u32) -> Option<&mut Server> {
        self.servers.iter_mut().find(|server| server.pid == pid)
    }

    /// The device that a command names: by UUID, or by ordinal.
    pub fn device(&self, name: &str) -> Option<&str> {
        let by_ordinal = name.parse::<usize>().ok();
        let by_ordinal = by_ordinal.and_then(|ordinal| self.devices.get(ordinal));
        let by_name = || self.devices.iter().find(|device| *device == name);
        by_ordinal.or_else(by_name).map(String::as_str)
    }

    /// Carries out a command, or says what is to be done.
    ///
    /// # Errors
    /// In the daemon's words.
    pub fn command(&mut self, command: &Command) -> Result<Reply, String> {
        let text = match command {
            Command::StartServer { uid } => return Ok(self.start_server(*uid)),
            Command::Quit { timeout } => {
                self.quitting = true;
                return Ok(Reply::Quit { timeout: *timeout });
            }
            Command::ShutdownServer { pid, force } => {
                self.known(*pid)?;
                let (pid, force) = (*pid, *force);
                return Ok(Reply::Shutdown { pid, force });
            }
            Command::TerminateClient { server, client } => {
                let found = self.known(*server)?;
                if !found.clients.contains_key(client) {
                    return Err(format!("Client {client} is not found\n"));
                }
                return Ok(Reply::Disconnect(vec![*client]));
            }
            Command::SetThreads { of, percent } => {
                self.limits_of(*of)?.threads = *percent;
                format!("{percent}\n")
            }
            Command::SetMemory { of, device, limit } => {
                let device = self.known_device(device)?;
                self.limits_of(*of)?.memory.insert(device, *limit);
                String::new()
            }
            look => self.show(look)?,
        };
        Ok(Reply::Text(text))
    }

    fn start_server(&self, uid: u32) -> Reply {
        match self.servers.first() {
            // One user at a time: who asks again is told of the one that there is.
            Some(server) => Reply::Text(format!("{}\n", server.pid)),
            None => Reply::Start { uid },
        }
    }

    fn known(&self, pid: u32) -> Result<&Server, String> {
        let unknown = || format!("Server {pid} is not found\n");
        self.server(pid).ok_or_else(unknown)
    }

    fn known_device(&self, name: &str) -> Result<String, String> {
        let unknown = || format!("Device {name} is not found\n");
        self.device(name).map(str::to_owned).ok_or_else(unknown)
    }

    fn limits_of(&mut self, server: Option<u32>) -> Result<&mut Limits, String> {
        let Some(pid) = server else {
            return Ok(&mut self.defaults);
        };
        match self.server_mut(pid) {
            Some(server) => Ok(&mut server.limits),
            None => Err(format!("Server {pid} is not found\n")),
        }
    }
}
