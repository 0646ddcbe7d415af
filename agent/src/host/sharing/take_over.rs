//! Beginning of kerfd, or of the driver after maintenance: what an earlier one shared is taken over as it runs, and made
//! whole where it does not.
//!
//! All of it goes on beside the owner. It waits a moment for what is quick, so that a host that is well shows nothing
//! half-done; what takes longer is told when it comes, and nothing of it is given before.

use std::collections::BTreeSet;
use std::time::Duration;

use kerf_partitioner::sharing::{MpsDaemon, MpsPlace};
use kerf_types::PciAddress;
use kerf_types::sharing::{DeviceId, Sharing};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::super::{Command, Host, HostError};
use super::leave::{Remains, remains};
use super::supervise::Told;

/// How long a start waits for daemons and settings in all. Launches and leases wait with it.
const PATIENCE: Duration = Duration::from_secs(3);

/// What an earlier kerfd has left.
#[derive(Debug)]
pub struct Remained {
    /// Daemons in the places of devices that are shared; of which life of the place.
    daemons: Vec<(DeviceId, u64, MpsDaemon)>,
    /// All that lies in the folder of places.
    places: Vec<Remains>,
}

impl Host {
    /// Before anything is announced: finds the daemons that run, starts those that are missing, sets what a driver may
    /// have forgotten, and sees to daemons that an earlier kerfd has left. What does not work is told, and no share of it
    /// is given.
    pub(in crate::host) async fn take_over_shared(&mut self) {
        // Nothing is asked of a driver that somebody works on.
        if self.maintenance.is_some() {
            return;
        }
        let end = Instant::now() + PATIENCE;
        let gpus = self.shared.gpus.iter();
        // What is on its way out is not begun again.
        let stays = gpus.filter(|(gpu, _)| !self.shared.ends(**gpu));
        let gpus: Vec<_> = stays.map(|(gpu, sharing)| (*gpu, *sharing)).collect();
        for (gpu, sharing) in &gpus {
            if let Sharing::Mps(limits) = sharing {
                for (device, uuid) in self.shared_devices(*gpu) {
                    self.seat(device, &uuid, *limits);
                }
            }
        }
        self.find_all(end).await;
        let mut news = JoinSet::new();
        for (gpu, _) in gpus {
            let set = self.begin_set(gpu, true);
            news.spawn(set);
        }
        let seats = self.shared.seats.iter();
        let seats: Vec<(DeviceId, u64)> =
            seats.map(|(device, seat)| (*device, seat.life)).collect();
        for (device, life) in seats {
            if let Some(start) = self.begin_start(device, life) {
                news.spawn(start);
            }
        }
        self.take_news_until(end, news).await;
        self.go_on_ending();
    }

    /// Who is a daemon of ours must be known before anybody counts the users of a GPU. What cannot be found out in time
    /// is told when it is.
    async fn find_all(&mut self, end: Instant) {
        let (tools, folder) = (self.shared.tools.clone(), self.shared_folder());
        let seats = self.shared.seats.iter();
        let places: Vec<(DeviceId, u64, MpsPlace)> = seats
            .map(|(device, seat)| (*device, seat.life, seat.place.clone()))
            .collect();
        let mut look = tokio::task::spawn_blocking(move || {
            let found = places.into_iter().filter_map(|(device, life, place)| {
                let daemon = tools.mps_find(&place).ok().flatten()?;
                Some((device, life, daemon))
            });
            Remained {
                daemons: found.collect(),
                places: remains(&tools, &folder),
            }
        });
        if let Ok(looked) = timeout_at(end, &mut look).await {
            return looked.into_iter().for_each(|all| self.has_remained(all));
        }
        tracing::warn!("what an earlier kerfd has left is found out late");
        let handle = self.handle.clone();
        tokio::spawn(async move {
            if let Ok(remained) = look.await {
                let told = Told::Remained(remained);
                handle.tell(Command::Daemon { told }).await;
            }
        });
    }

    /// What an earlier kerfd has left is known, maybe after starts have told of some of it.
    pub(super) fn has_remained(&mut self, Remained { daemons, places }: Remained) {
        for (device, life, daemon) in daemons {
            let seat = self.shared.seats.get(&device);
            if seat.is_some_and(|seat| seat.life == life && seat.last.is_none()) {
                self.know_daemon(device, daemon);
            }
        }
        // What was found before and is still there is found again.
        self.shared.remains = places;
        self.sweep_shared();
    }

    /// Takes what comes in time, and leaves the rest to come when it does.
    async fn take_news_until(&mut self, end: Instant, mut news: JoinSet<Option<Told>>) {
        while let Ok(Some(next)) = timeout_at(end, news.join_next()).await {
            if let Some(told) = next.ok().flatten() {
                self.take_told(told);
            }
        }
        let handle = self.handle.clone();
        tokio::spawn(async move {
            while let Some(next) = news.join_next().await {
                if let Some(told) = next.ok().flatten() {
                    handle.tell(Command::Daemon { told }).await;
                }
            }
        });
    }

    /// Before the driver is closed for work on these GPUs: their daemons end, if nobody is on them. What is shared
    /// stays so, and is there again when the driver is. One that does not end holds up none of the others.
    ///
    /// # Errors
    /// The first of them.
    pub(in crate::host) async fn suspend_shared(
        &mut self,
        gpus: &BTreeSet<PciAddress>,
    ) -> Result<(), HostError> {
        let mut ended = Ok(());
        let seated = |gpu: &PciAddress| self.shared.seated_of(*gpu);
        for device in gpus.iter().flat_map(seated).collect::<Vec<DeviceId>>() {
            ended = ended.and(self.stop_now(device).await);
        }
        ended
    }

    /// Refuses where somebody is on a daemon of these GPUs, or of any, as it has said last. Each is asked once more when
    /// it shall end.
    pub(in crate::host) fn refuse_if_on_daemons(
        &self,
        gpus: Option<&BTreeSet<PciAddress>>,
    ) -> Result<(), HostError> {
        for (device, seat) in &self.shared.seats {
            let is_meant = gpus.is_none_or(|gpus| gpus.contains(&device.gpu()));
            let running = seat.state.running().filter(|_| is_meant);
            let clients = running.and_then(|(_, answers)| answers.clients());
            if let Some(pid) = clients.unwrap_or_default().first().copied() {
                let device = device.to_string();
                return Err(HostError::DaemonInUse { device, pid });
            }
        }
        Ok(())
    }
}
