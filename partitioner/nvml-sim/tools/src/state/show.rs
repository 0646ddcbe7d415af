//! Answers to the commands that only look.

use std::fmt::Write;

use super::{Command, Core, Server};

impl Core {
    /// The answer to a command that changes nothing.
    pub(super) fn show(&self, command: &Command) -> Result<String, String> {
        match command {
            Command::ServerList => Ok(lines(self.servers.iter().map(|server| server.pid))),
            Command::ServerStatus(pid) => Ok(format!("{}\n", status(self.known(*pid)?))),
            Command::ClientList(pid) => {
                let server = self.known(*pid)?;
                Ok(lines(server.clients.keys().copied()))
            }
            Command::DeviceClientList(of) => {
                if let Some(pid) = of {
                    self.known(*pid)?;
                }
                Ok(self.by_device(*of))
            }
            Command::Threads(None) => Ok(format!("{}\n", self.defaults.threads)),
            Command::Threads(Some(pid)) => Ok(format!("{}\n", self.known(*pid)?.limits.threads)),
            Command::Memory { of, device } => {
                let device = self.known_device(device)?;
                let limits = match of {
                    None => &self.defaults,
                    Some(pid) => &self.known(*pid)?.limits,
                };
                let limit = limits.memory.get(&device);
                Ok(limit.map_or_else(String::new, |limit| format!("{limit}\n")))
            }
            Command::Processes => Ok(self.processes()),
            changes => Err(format!("{changes:?} is no question\n")),
        }
    }

    fn by_device(&self, of: Option<u32>) -> String {
        let mut text = String::new();
        for (ordinal, device) in self.devices.iter().enumerate() {
            let servers = self.servers.iter();
            let servers = servers.filter(|server| of.is_none_or(|pid| pid == server.pid));
            let clients = servers.flat_map(|server| &server.clients);
            let clients = clients.filter(|(_, used)| *used == device);
            let clients: Vec<String> = clients.map(|(pid, _)| pid.to_string()).collect();
            let line = format!("Device {ordinal} {device}: {}", clients.join(" "));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn processes(&self) -> String {
        let mut text = "PID       SERVER    DEVICE\n".to_owned();
        for server in &self.servers {
            for (pid, device) in &server.clients {
                // Nothing fails that writes into a string.
                writeln!(text, "{pid:<9} {:<9} {device}", server.pid).ok();
            }
        }
        text
    }
}

fn status(server: &Server) -> &'static str {
    if server.fault { "FAULT" } else { "ACTIVE" }
}

fn lines(pids: impl Iterator<Item = u32>) -> String {
    pids.map(|pid| format!("{pid}\n")).collect()
}
