//! The inbox of the owner: commands one after the other, and a look at everything when nobody asks for anything.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::waiting::Wish;
use super::{Command, Host, HostError, choice};
use crate::store::Store;

/// Commands that share a picture. Readers see what came of the first once the last is done.
const RUN: usize = 32;

impl Host {
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Command>,
        ready: oneshot::Sender<()>,
    ) {
        self.first_look().await;
        tell(ready);
        self.tend().await;
        let mut tick = every(self.config.driver.look_interval);
        loop {
            let deadline = self.waiting.deadline();
            let late = deadline.unwrap_or_else(Instant::now);
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => self.handle_run(command, &mut inbox).await,
                    None => return,
                },
                _ = tick.tick() => self.reconcile().await,
                () = tokio::time::sleep_until(late), if deadline.is_some() => {
                    self.serve_waiting().await;
                }
            }
            self.serve_changed().await;
            if tick.period() != self.config.driver.look_interval {
                tick = every(self.config.driver.look_interval);
            }
        }
    }

    /// Commands that are there at one time share one picture of what came of them: it is made of the whole host.
    async fn handle_run(&mut self, first: Command, inbox: &mut mpsc::Receiver<Command>) {
        self.serve_one(first).await;
        for _ in 1..RUN {
            // What comes free belongs to those who wait, and they are told of it by the picture.
            if self.waiting.is_any() {
                break;
            }
            let Ok(next) = inbox.try_recv() else { break };
            self.serve_one(next).await;
        }
        // What a command has found by the way is not kept for the next look.
        self.publish_found();
    }

    /// One command, with the picture that follows it.
    #[cfg(test)]
    pub(super) async fn handle_command(&mut self, command: Command) {
        self.serve_one(command).await;
        self.publish_found();
    }

    fn drain(&mut self, done: oneshot::Sender<()>) {
        self.draining = true;
        self.let_waiting_go();
        self.keep_all_accounts();
        self.publish();
        let store = &mut self.store;
        if let Err(error) = tokio::task::block_in_place(|| store.checkpoint()) {
            tracing::debug!(error = crate::errors::chain(&error), "journal stays");
        }
        tell(done);
    }

    async fn serve_one(&mut self, command: Command) {
        // A requester that went away does not need its answer; the work is done all the same.
        match command {
            Command::Drain { done } => self.drain(done),
            Command::Refresh { reply } => {
                self.observe_all().await;
                self.settle().await;
                tell(reply);
            }
            Command::Apply {
                request,
                progress,
                reply,
            } => {
                let outcome = self.apply_layout(&request, &progress).await;
                drop(reply.send(outcome));
            }
            Command::Forget { reply } => drop(reply.send(self.forget_kept())),
            Command::Hold { gpus, waits, why } => {
                self.holds.push(choice::Hold { gpus, waits, why });
                self.publish();
            }
            Command::EnterMaintenance {
                gpus,
                by,
                is_patient,
                reply,
            } => {
                drop(reply.send(self.enter_maintenance(gpus, by, is_patient).await));
            }
            Command::LeaveMaintenance { gpus, by, reply } => {
                drop(reply.send(self.leave_maintenance(gpus, by).await));
            }
            Command::History {
                limit,
                number,
                reply,
            } => {
                let found = self.store.history(limit, number);
                drop(reply.send(found.map_err(HostError::Store)));
            }
            command @ (Command::Reserve { .. }
            | Command::Renew { .. }
            | Command::RenewFor { .. }
            | Command::Release { .. }
            | Command::Launch { .. }
            | Command::Exec { .. }) => self.handle_lease(command).await,
            Command::Started { lease, init } => self.container_started(lease, init),
            Command::Gone { lease } => self.container_gone(lease).await,
            Command::Pod(command) => self.pod(*command).await,
            Command::Device(command) => self.device(*command).await,
            Command::Tasks => self.find_carriers().await,
            Command::Usage { limit, reply } => drop(reply.send(self.accounts(limit))),
            Command::Cdi { reply } => drop(reply.send(self.cdi_documents().await)),
            Command::Daemon { told } => self.told_of_daemon(told),
            Command::Reconfigure { config } => self.config = config,
            Command::Vgpu(command) => self.vgpu(command).await,
        }
    }

    /// What is about one lease.
    async fn handle_lease(&mut self, command: Command) {
        match command {
            Command::Reserve { request, reply } => {
                self.admit(Wish::Reserve { request, reply }).await;
            }
            Command::Renew { lease, ttl, reply } => drop(reply.send(self.renew(lease, ttl))),
            Command::Release { lease, by, reply } => {
                let outcome = self.release_by_request(lease, by).await;
                drop(reply.send(outcome));
            }
            Command::Launch {
                request,
                peer,
                reply,
            } => {
                let wish = Wish::Launch {
                    request,
                    peer,
                    reply,
                };
                self.admit(wish).await;
            }
            Command::Exec { request, reply } => self.admit(Wish::Exec { request, reply }).await,
            Command::RenewFor {
                lease,
                ttl,
                by,
                reply,
            } => drop(reply.send(self.renew_by_request(lease, ttl, by))),
            _ => {}
        }
    }

    /// The periodic look: what is there, what has expired, what is still to be made clean.
    async fn reconcile(&mut self) {
        let begun = Instant::now();
        self.observe_all().await;
        // By a look of just now: whether anybody is on a device changes while other work goes on.
        self.replace_useless();
        self.resume_work().await;
        self.bring_back().await;
        self.tend().await;
        let outcome = if self.degraded.is_empty() {
            "well"
        } else {
            "degraded"
        };
        self.metrics.reconcile_runs.inc([outcome]);
        self.metrics
            .reconcile_duration
            .observe(begun.elapsed().as_secs_f64());
    }

    /// What of the store is best written while nobody waits for it. What cannot be written now is told, and tried again.
    fn tend_store(&mut self) {
        if self.store.is_short_of_fences() {
            drop(self.write(Store::reserve_fences));
        }
        if self.store.is_unflushed() {
            drop(self.write(Store::flush));
        }
    }

    /// What follows each look: shared devices, promises that have run out, slices that are not clean yet.
    async fn tend(&mut self) {
        self.keep_shared();
        self.sweep_shared();
        self.note_holds();
        self.keep_attachments().await;
        self.find_carriers().await;
        self.expire_reservations().await;
        self.retry_releases().await;
        self.keep_accounts();
        self.tend_store();
        if self.degraded.contains_key("store") {
            // A failed write shows for as long as writes fail, and no longer.
            drop(self.write(Store::probe));
        }
        self.settle().await;
    }
}

/// Ticks this far apart, however long the work at a tick takes.
fn every(period: Duration) -> Interval {
    let mut tick = tokio::time::interval_at(Instant::now() + period, period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// Says that something is done, to one who may have gone meanwhile.
fn tell(waiter: oneshot::Sender<()>) {
    if waiter.send(()).is_err() {
        tracing::debug!("nobody waits for the answer any more");
    }
}
