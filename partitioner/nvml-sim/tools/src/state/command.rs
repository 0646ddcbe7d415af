//! The commands of the control daemon, read.

use nvidia_ml::model::tool::DAEMON_COMMANDS;

use super::limits::{Mib, Percent};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `get_server_list`
    ServerList,
    /// `get_server_status PID`
    ServerStatus(u32),
    /// `start_server -uid UID`
    StartServer {
        /// The user.
        uid: u32,
    },
    /// `shutdown_server PID [-f]`
    ShutdownServer {
        /// The server.
        pid: u32,
        /// Whether its clients are ended.
        force: bool,
    },
    /// `get_client_list PID`
    ClientList(u32),
    /// `get_device_client_list [PID]`
    DeviceClientList(Option<u32>),
    /// `set_default_active_thread_percentage PERCENT`, or `set_active_thread_percentage PID PERCENT`
    SetThreads {
        /// A server, or the default.
        of: Option<u32>,
        /// The limit.
        percent: Percent,
    },
    /// `get_default_active_thread_percentage`, or `get_active_thread_percentage PID`
    Threads(Option<u32>),
    /// `set_default_device_pinned_mem_limit DEVICE LIMIT`, or `set_device_pinned_mem_limit PID DEVICE LIMIT`
    SetMemory {
        /// A server, or the default.
        of: Option<u32>,
        /// The device.
        device: String,
        /// The limit.
        limit: Mib,
    },
    /// `get_default_device_pinned_mem_limit DEVICE`, or `get_device_pinned_mem_limit PID DEVICE`
    Memory {
        /// A server, or the default.
        of: Option<u32>,
        /// The device.
        device: String,
    },
    /// `terminate_client PID PID`
    TerminateClient {
        /// The server.
        server: u32,
        /// The client.
        client: u32,
    },
    /// `ps`
    Processes,
    /// `quit [-t SECONDS]`
    Quit {
        /// Seconds until clients are ended.
        timeout: Option<u64>,
    },
}

/// What is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No command has that name.
    #[error("Unrecognized command: {0}\n")]
    Unknown(String),
    /// Its arguments are wrong.
    #[error("Invalid arguments of {0}\n")]
    Arguments(String),
}

impl Command {
    /// Reads a line.
    pub fn read(line: &str) -> Result<Self, CommandError> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((&name, arguments)) = words.split_first() else {
            return Err(CommandError::Unknown(String::new()));
        };
        let wrong = || CommandError::Arguments(name.to_owned());
        let pid = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let percent = |text: &str| text.parse::<Percent>().map_err(|()| wrong());
        let limit = |text: &str| text.parse::<Mib>().map_err(|()| wrong());
        Ok(match (name, arguments) {
            ("get_server_list", []) => Self::ServerList,
            ("get_server_status", [server]) => Self::ServerStatus(pid(server)?),
            ("start_server", ["-uid", uid]) => Self::StartServer { uid: pid(uid)? },
            ("shutdown_server", [server]) => Self::ShutdownServer {
                pid: pid(server)?,
                force: false,
            },
            ("shutdown_server", [server, "-f"]) => Self::ShutdownServer {
                pid: pid(server)?,
                force: true,
            },
            ("get_client_list", [server]) => Self::ClientList(pid(server)?),
            ("get_device_client_list", []) => Self::DeviceClientList(None),
            ("get_device_client_list", [server]) => Self::DeviceClientList(Some(pid(server)?)),
            ("set_default_active_thread_percentage", [to]) => Self::SetThreads {
                of: None,
                percent: percent(to)?,
            },
            ("set_active_thread_percentage", [server, to]) => Self::SetThreads {
                of: Some(pid(server)?),
                percent: percent(to)?,
            },
            ("get_default_active_thread_percentage", []) => Self::Threads(None),
            ("get_active_thread_percentage", [server]) => Self::Threads(Some(pid(server)?)),
            ("set_default_device_pinned_mem_limit", [device, to]) => Self::SetMemory {
                of: None,
                device: (*device).to_owned(),
                limit: limit(to)?,
            },
            ("set_device_pinned_mem_limit", [server, device, to]) => Self::SetMemory {
                of: Some(pid(server)?),
                device: (*device).to_owned(),
                limit: limit(to)?,
            },
            ("get_default_device_pinned_mem_limit", [device]) => Self::Memory {
                of: None,
                device: (*device).to_owned(),
            },
            ("get_device_pinned_mem_limit", [server, device]) => Self::Memory {
                of: Some(pid(server)?),
                device: (*device).to_owned(),
            },
            ("terminate_client", [server, client]) => Self::TerminateClient {
                server: pid(server)?,
                client: pid(client)?,
            },
            ("ps", []) => Self::Processes,
            ("quit", []) => Self::Quit { timeout: None },
            ("quit", ["-t", seconds]) => Self::Quit {
                timeout: Some(seconds.parse().map_err(|_| wrong())?),
            },
            (known, _) if DAEMON_COMMANDS.contains(&known) => return Err(wrong()),
            _ => return Err(CommandError::Unknown(name.to_owned())),
        })
    }
}
