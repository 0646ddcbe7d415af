//! What a daemon that runs says of its servers, and whether it says anything. Pure: answers come in, news comes out.
//!
//! ```text
//! answers --misses, some in a row--> silent --an answer--> answers
//!    \--does not take its limits--> no new share, until it does
//!    \--one of its servers is in FAULT--> no new share --ACTIVE, or gone--> as before
//! ```

use kerf_partitioner::sharing::{MpsServer, ServerStatus};

/// Answers that are missed in a row until a daemon counts as one that does not answer. One can be the machine's load,
/// two in a row as well.
pub const MISSES: u32 = 3;

/// The last that a daemon has said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// Nothing before its first answer.
    servers: Option<Vec<MpsServer>>,
    missed: u32,
    why: String,
    /// Why it has not taken its limits.
    unlimited: Option<String>,
}

/// What is new with an answer, or without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    Same,
    /// Other clients, another server, or one in another state.
    Clients,
    /// It runs, and does not answer.
    Silent,
    /// It answers again.
    Speaks,
}

impl Answers {
    /// It has answered nothing from its beginning.
    pub fn none(why: String) -> Self {
        Self {
            servers: None,
            missed: MISSES,
            why,
            unlimited: None,
        }
    }

    /// It answers, and has not taken its limits.
    pub fn unlimited(why: String) -> Self {
        Self {
            unlimited: Some(why),
            ..Self::default()
        }
    }

    /// It has said this of its servers.
    pub fn of(servers: Vec<MpsServer>) -> Self {
        Self {
            servers: Some(servers),
            ..Self::default()
        }
    }

    /// It has answered.
    pub fn heard(&mut self, servers: Vec<MpsServer>) -> News {
        let was_silent = self.is_silent();
        let is_same = self.servers.as_ref() == Some(&servers);
        (self.missed, self.servers) = (0, Some(servers));
        self.why.clear();
        match is_same {
            _ if was_silent => News::Speaks,
            true => News::Same,
            false => News::Clients,
        }
    }

    /// It has not answered.
    pub fn missed(&mut self, why: String) -> News {
        self.missed = self.missed.saturating_add(1);
        self.why = why;
        match self.missed == MISSES {
            true => News::Silent,
            false => News::Same,
        }
    }

    /// Somebody has waited for it in vain for as long as all these misses take.
    pub fn given_up(&mut self, why: String) -> News {
        let was_silent = self.is_silent();
        (self.missed, self.why) = (MISSES, why);
        match was_silent {
            true => News::Same,
            false => News::Silent,
        }
    }

    /// Whether it has not answered for too long.
    pub fn is_silent(&self) -> bool {
        self.missed >= MISSES
    }

    /// Whether nobody can be given to it: another daemon is to take its place.
    pub fn is_useless(&self) -> bool {
        self.is_silent() || self.unlimited.is_some()
    }

    /// Why it has not answered.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The server that is in FAULT.
    pub fn fault(&self) -> Option<u32> {
        let mut servers = self.servers.iter().flatten();
        servers
            .find(|server| server.status == ServerStatus::Fault)
            .map(|server| server.pid)
    }

    /// The processes of its clients as it has said last; nothing where it has not, or says nothing any more.
    pub fn clients(&self) -> Option<Vec<u32>> {
        let servers = self.servers.as_ref().filter(|_| !self.is_silent())?;
        let servers = servers.iter();
        let mut clients: Vec<u32> = servers
            .flat_map(|server| server.clients.iter().copied())
            .collect();
        clients.sort_unstable();
        Some(clients)
    }

    /// How its server is, the worst first; nothing where it has none.
    pub fn server(&self) -> Option<ServerStatus> {
        let servers = self.servers.as_ref().filter(|_| !self.is_silent())?;
        let all: Vec<ServerStatus> = servers.iter().map(|server| server.status).collect();
        let order = [
            ServerStatus::Fault,
            ServerStatus::Initializing,
            ServerStatus::Active,
        ];
        order.into_iter().find(|status| all.contains(status))
    }

    /// Why no place is given now; nothing where one is.
    pub fn obstacle(&self) -> Option<String> {
        if self.is_silent() {
            return Some(format!(
                "its mps daemon runs and does not answer: {}",
                self.why
            ));
        }
        if let Some(why) = &self.unlimited {
            return Some(format!("its mps daemon has not taken its limits: {why}"));
        }
        let server = self.fault()?;
        Some(format!(
            "its mps server, process {server}, is in FAULT: a client's error ends all clients, and no new one is taken \
             until they have gone"
        ))
    }
}
