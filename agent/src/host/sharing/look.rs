//! Looking at daemons that run: who their clients are, how their servers are, and whether they answer at all.
//!
//! Each is asked by a task of its own, beside the owner. One that does not answer is given to nobody, and makes room for
//! another once nobody computes on its device. Ends none under clients.

use std::time::Duration;

use kerf_partitioner::sharing::{MpsDaemon, MpsPlace, MpsServer, Tools};
use kerf_types::sharing::DeviceId;
use tokio::task::JoinSet;

use super::super::{Command, Host, HostHandle};
use super::State;
use super::answers::{Answers, News};
use super::supervise::{Told, name};
use crate::errors::chain;
use crate::process;

/// Time between two looks at a daemon, that of the looks at the hardware: what is told of both is of one age. Each costs
/// one process of the vendor's tool, and two more for a server; more often, a host of many slices would do little else.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The same after a look without an answer, so that it is soon known whether the next ones have none either.
const AGAIN: Duration = Duration::from_secs(1);

/// How long one look may take, whatever is asked in it: healthy daemons take milliseconds, a loaded machine tenths of a
/// second.
const LOOK_PATIENCE: Duration = Duration::from_secs(2);

/// What to do about a daemon that runs and does not answer.
const SILENT_HINT: &str = "free shares of it are not given; another takes its place once nobody computes on the device: \
                           see its logs under the state folder";

/// What to do about a server in FAULT.
const FAULT_HINT: &str = "all clients of the device end, and free shares of it are not given until its server is ACTIVE \
                          again: end the containers whose clients stay (`kerf slices`), and look into the kernel's log for \
                          an XID";

/// How the server of a daemon is called in `kerf status`.
pub(super) fn server_name(device: DeviceId) -> String {
    format!("mps server of {device}")
}

/// What one daemon is watched by; ends with it.
pub(super) fn watchers(
    handle: &HostHandle,
    tools: &Tools,
    (device, life): (DeviceId, u64),
    place: &MpsPlace,
    daemon: MpsDaemon,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(until_end(handle.clone(), device, life, daemon));
    let (handle, tools, place) = (handle.clone(), tools.clone(), place.clone());
    tasks.spawn(async move {
        loop {
            let (tools, place) = (tools.within(LOOK_PATIENCE), place.clone());
            let asked = tokio::task::spawn_blocking(move || tools.mps_servers(&place));
            let servers = match asked.await {
                Ok(servers) => servers.map_err(|error| chain(&error)),
                Err(error) => Err(chain(&error)),
            };
            let pause = match servers {
                Ok(_) => LOOK_INTERVAL,
                Err(_) => AGAIN,
            };
            let told = Told::Looked {
                device,
                life,
                servers,
            };
            handle.tell(Command::Daemon { told }).await;
            tokio::time::sleep(pause).await;
        }
    });
    tasks
}

/// Tells the owner when a daemon has ended.
async fn until_end(handle: HostHandle, device: DeviceId, life: u64, daemon: MpsDaemon) {
    let process = kerf_types::lease::InitProcess {
        pid: daemon.pid,
        start_ticks: daemon.start_ticks,
        boot_id: process::boot_id(),
    };
    process::wait_for(&process).await;
    let told = Told::Ended {
        device,
        life,
        daemon,
    };
    handle.tell(Command::Daemon { told }).await;
}

impl Host {
    /// Takes an answer of a daemon, or that it gave none. Says whether there is something to show.
    pub(super) fn looked_at(
        &mut self,
        device: DeviceId,
        life: u64,
        servers: Result<Vec<MpsServer>, String>,
    ) -> bool {
        let Some(answers) = self.answers(device, life) else {
            return false;
        };
        let news = match servers {
            Ok(servers) => answers.heard(servers),
            Err(why) => answers.missed(why),
        };
        let is_new = self.take_news(device, news);
        self.show_fault(device);
        is_new
    }

    /// A daemon for which somebody has waited in vain.
    pub(super) fn is_silent_now(&mut self, device: DeviceId, why: String) {
        let Some(life) = self.shared.seats.get(&device).map(|seat| seat.life) else {
            return;
        };
        if let Some(answers) = self.answers(device, life) {
            let news = answers.given_up(why);
            self.take_news(device, news);
        }
    }

    /// The answers of a daemon that runs.
    fn answers(&mut self, device: DeviceId, life: u64) -> Option<&mut Answers> {
        let seat = self.shared.seats.get_mut(&device)?;
        match &mut seat.state {
            State::Runs { answers, .. } if seat.life == life => Some(answers),
            _ => None,
        }
    }

    fn take_news(&mut self, device: DeviceId, news: News) -> bool {
        match news {
            News::Same => return false,
            News::Clients => {}
            News::Silent => self.tell_silence(device),
            // Whatever kept it from answering may have kept it from taking its limits.
            News::Speaks => {
                let life = self.shared.seats.get(&device).map(|seat| seat.life);
                life.into_iter()
                    .for_each(|life| self.start_beside(device, life));
            }
        }
        true
    }

    /// Says whether a server of a daemon is in FAULT: by what it has said last, whoever heard what it said before.
    pub(super) fn show_fault(&mut self, device: DeviceId) {
        let seat = self.shared.seats.get(&device);
        let running = seat.and_then(|seat| seat.state.running());
        let Some((_, answers)) = running else {
            return;
        };
        match answers.fault().filter(|_| !answers.is_silent()) {
            Some(server) => {
                let why = format!(
                    "process {server} is in FAULT: an error of one client ends all clients of {device}"
                );
                self.degrade(&server_name(device), why, FAULT_HINT);
            }
            None => self.recovered(&server_name(device)),
        }
    }

    /// Notes that a daemon does not answer.
    pub(super) fn tell_silence(&mut self, device: DeviceId) {
        let seat = self.shared.seats.get(&device);
        let running = seat.and_then(|seat| seat.state.running());
        let Some((MpsDaemon { pid, .. }, answers)) = running else {
            return;
        };
        let why = format!("process {pid} runs and does not answer: {}", answers.why());
        self.recovered(&server_name(device));
        self.degrade(&name(device), why, SILENT_HINT);
    }

    /// With each look at the hardware, which is the only one that tells of clients of a silent daemon: daemons that do not
    /// answer or have not taken their limits end where nobody computes on their device. What follows is what follows
    /// whenever one has ended.
    pub(in crate::host) fn replace_useless(&mut self) {
        if self.maintenance.is_some() {
            return;
        }
        let seats = self.shared.seats.iter();
        let useless = seats.filter_map(|(device, seat)| {
            let daemon = seat.state.useless()?;
            Some((*device, seat, daemon))
        });
        for (device, seat, daemon) in useless {
            let Some(held) = self
                .is_idle(device)
                .then(|| seat.gate.try_enter())
                .flatten()
            else {
                continue;
            };
            let (life, place) = (seat.life, seat.place.clone());
            let is_silent = seat.state.silent().is_some();
            let (tools, handle) = (self.shared.tools.clone(), self.handle.clone());
            tokio::spawn(async move {
                let ended = tokio::task::spawn_blocking(move || {
                    let _held = held;
                    match is_silent {
                        // Its answer may have come since, and a client with it.
                        true if tools.within(LOOK_PATIENCE).mps_servers(&place).is_ok() => Ok(()),
                        true => tools.mps_end_silent(&place, &daemon),
                        // It is asked itself whether it has clients.
                        false => tools.mps_stop(&place, &daemon),
                    }
                });
                let why = match ended.await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => chain(&error),
                    Err(error) => chain(&error),
                };
                let told = Told::Stays { device, life, why };
                handle.tell(Command::Daemon { told }).await;
            });
        }
    }

    /// A useless daemon was asked to end, and did not.
    pub(super) fn useless_stays(&mut self, device: DeviceId, life: u64, why: &str) {
        let seat = self.shared.seats.get(&device);
        let state = seat
            .filter(|seat| seat.life == life)
            .map(|seat| &seat.state);
        let obstacle = state.and_then(State::obstacle);
        if state.and_then(State::useless).is_some() {
            let why = format!(
                "{}; it cannot be ended: {why}",
                obstacle.unwrap_or_default()
            );
            self.degrade(&name(device), why, SILENT_HINT);
        }
    }

    /// Whether nobody is seen on a device that answers. Our own daemons and their servers are nobody.
    pub(super) fn is_idle(&self, device: DeviceId) -> bool {
        let Ok(gpu) = self.gpu(device.gpu()) else {
            return false;
        };
        let slice = match device {
            DeviceId::Gpu(_) => None,
            DeviceId::Slice(id) => match self.slices().into_iter().find(|one| one.id == id) {
                Some(slice) => Some(slice.instance.id),
                None => return false,
            },
        };
        // One that does not say in which instance it is may be in this one.
        let mut processes = gpu.processes.iter();
        let is_there = |gi| slice.is_none() || gi == slice;
        let is_used = processes.any(|process| process.gi.is_none() || is_there(process.gi));
        gpu.health.is_ok() && !self.unheard.contains(&gpu.pci) && !is_used
    }
}
