//! What goes wrong, drawn from the seed before the run: each fault with its end, and everything well from one time on.

use kerf_types::PciAddress;

use super::devices::{State, UNITS};
use super::dice::{between, chance};
use super::engine::{Event, World};
use super::facts::{Fact, Share};
use super::setup::Scenario;
use crate::world::{HostIndex, Micros, SECOND};

/// One fault, or the end of one.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The network loses, doubles and delays from here on.
    Weather,
    /// kerfd dies; containers live on.
    KerfdDies(HostIndex),
    /// kerfd is started.
    KerfdReturns(HostIndex),
    /// kerfd dies and its store is gone.
    StoreLost(HostIndex),
    /// The host has no power.
    PowerLost(HostIndex),
    /// It has power again.
    PowerReturns(HostIndex),
    /// kerfd stands still for so long.
    Pause(HostIndex, Micros),
    /// The boot clock jumps forward.
    Jump(HostIndex, Micros),
    /// Nothing can be written for so long.
    DiskFull(HostIndex, Micros),
    /// A GPU falls ill, or is well.
    Gpu(HostIndex, PciAddress, State),
    /// These hosts do not reach the others.
    Split(Vec<bool>),
    /// Nothing of the first reaches the second.
    Deaf(HostIndex, HostIndex),
    /// Every cut is mended.
    Mend,
    /// A datagram that nobody of the fleet sealed comes to a host.
    Forge(HostIndex),
    /// Everything is well; these hosts do not come back.
    Heal(Vec<HostIndex>),
}

impl World {
    /// Draws all of it.
    pub(super) fn plan_faults(&mut self) {
        let (from, heal) = (self.shape.faults_from, self.shape.heal);
        let hosts = self.hosts.len();
        self.at(from, Event::Fault(Fault::Weather));
        let mut lost = Vec::new();
        if self.setup.scenario == Scenario::Gang {
            self.plan_deaths(&mut lost);
        } else {
            let count = u64::try_from(hosts).unwrap_or(0) * self.shape.faults_per_host / 1_000;
            for _ in 0..count {
                let at = between(&mut self.dice.faults, from, heal - SECOND);
                self.plan_one(at);
            }
            if hosts > 1 && chance(&mut self.dice.faults, 250) {
                let host = self.dice.faults.index(hosts);
                lost.push(host);
                let at = between(&mut self.dice.faults, from, heal - SECOND);
                let death = match chance(&mut self.dice.faults, 500) {
                    true => Fault::PowerLost(host),
                    false => Fault::KerfdDies(host),
                };
                self.at(at, Event::Fault(death));
            }
        }
        self.at(heal, Event::Fault(Fault::Heal(lost)));
    }

    /// One host in twenty dies in an hour.
    fn plan_deaths(&mut self, lost: &mut Vec<HostIndex>) {
        let (from, heal) = (self.shape.faults_from, self.shape.heal);
        let seconds = (heal - from) / SECOND;
        for host in 0..self.hosts.len() {
            if self.dice.faults.below(20 * 3_600) < seconds {
                let at = between(&mut self.dice.faults, from, heal);
                self.at(at, Event::Fault(Fault::PowerLost(host)));
                lost.push(host);
            }
        }
    }

    fn plan_one(&mut self, at: Micros) {
        let hosts = self.hosts.len();
        let dice = &mut self.dice.faults;
        let host = dice.index(hosts);
        // Most last for a moment, some for long.
        let scale = (self.shape.heal - self.shape.faults_from) / 3;
        let long = match chance(dice, 300) {
            true => between(dice, scale / 4, scale),
            false => between(dice, SECOND / 20, scale / 6),
        };
        let gpus = self.hosts[host].devices.addresses();
        let gpu = gpus[dice.index(gpus.len())];
        let cuts = match self.setup.scenario {
            Scenario::Partition => 60,
            _ => 20,
        };
        if dice.below(100) < cuts {
            return self.plan_cut(at, long);
        }
        let (fault, end) = match dice.below(16) {
            0..=3 => (Fault::KerfdDies(host), Some(Fault::KerfdReturns(host))),
            4 | 5 => (Fault::PowerLost(host), Some(Fault::PowerReturns(host))),
            6 => (Fault::StoreLost(host), Some(Fault::KerfdReturns(host))),
            7 | 8 => (Fault::Pause(host, long), None),
            9 => (Fault::Jump(host, between(dice, 1_000, SECOND)), None),
            10 | 11 => (Fault::DiskFull(host, long), None),
            12 => (
                Fault::Gpu(host, gpu, State::Slow),
                Some(Fault::Gpu(host, gpu, State::Well)),
            ),
            13 => (
                Fault::Gpu(host, gpu, State::Hung),
                Some(Fault::Gpu(host, gpu, State::Well)),
            ),
            14 => (
                Fault::Gpu(host, gpu, State::Lost),
                Some(Fault::Gpu(host, gpu, State::Well)),
            ),
            _ => (Fault::Forge(host), None),
        };
        self.at(at, Event::Fault(fault));
        if let Some(end) = end {
            self.at(at + long, Event::Fault(end));
        }
    }

    fn plan_cut(&mut self, at: Micros, long: Micros) {
        let hosts = self.hosts.len();
        let dice = &mut self.dice.faults;
        let fault = match chance(dice, 400) {
            true => Fault::Deaf(dice.index(hosts), dice.index(hosts)),
            false => Fault::Split((0..hosts).map(|_| chance(dice, 400)).collect()),
        };
        self.at(at, Event::Fault(fault));
        self.at(at + long, Event::Fault(Fault::Mend));
    }

    /// It happens.
    pub(super) fn fault(&mut self, fault: Fault) {
        let healed = self.now >= self.shape.heal;
        match fault {
            Fault::Heal(lost) => self.heal(&lost),
            Fault::KerfdReturns(host) => self.start_kerfd(host),
            Fault::PowerReturns(host) => self.boot(host),
            Fault::Gpu(host, gpu, State::Well) => self.gpu(host, gpu, State::Well),
            Fault::Mend => self.network.heal(),
            // What was drawn as an end of one may come when all is well.
            _ if healed => {}
            Fault::Weather => self.network.weather = self.shape.weather,
            Fault::KerfdDies(host) => self.end_kerfd(host),
            Fault::StoreLost(host) => self.lose_store(host),
            Fault::PowerLost(host) => self.lose_power(host),
            Fault::Pause(host, long) => self.hosts[host].paused_until = self.until(long),
            Fault::Jump(host, forward) => self.jump(host, forward),
            Fault::DiskFull(host, long) => self.hosts[host].store.full_until = self.until(long),
            Fault::Gpu(host, gpu, state) => self.gpu(host, gpu, state),
            Fault::Split(side) => {
                let group = |host: HostIndex| u32::from(side.get(host) == Some(&true));
                self.network.split(group);
            }
            Fault::Deaf(from, to) => self.network.deafen(from, to),
            Fault::Forge(host) => self.forge(host),
        }
    }

    /// A clock jumps: once in a run, since what hosts wait beyond what they must covers no more.
    fn jump(&mut self, host: HostIndex, forward: Micros) {
        let one = &mut self.hosts[host];
        if std::mem::replace(&mut one.jumped, true) {
            return;
        }
        one.clock.jump(self.now, forward);
        // Timers of the boot clock go with it.
        let guarded = one
            .containers
            .iter()
            .filter_map(|(tag, container)| Some((*tag, container.number, container.guard?)));
        for (tag, number, until) in guarded.collect::<Vec<_>>() {
            self.stand_guard(host, tag, number, until);
        }
        self.set_wake(host);
    }

    fn until(&self, long: Micros) -> Micros {
        (self.now + long).min(self.shape.heal)
    }

    /// What runs on a GPU that falls off the bus ends.
    fn gpu(&mut self, host: HostIndex, gpu: PciAddress, state: State) {
        let was = self.hosts[host].devices.state(gpu);
        self.hosts[host].devices.turn(gpu, state);
        if was == State::Lost && state != State::Lost {
            // It came back by a reset.
            let share = Share {
                gpu,
                start: 0,
                size: UNITS,
            };
            self.tell(Fact::Cleaned { host, share });
        }
        if state == State::Lost {
            let on_it = self.hosts[host]
                .containers
                .iter()
                .filter(|(_, one)| one.ours && one.shares.iter().any(|share| share.gpu == gpu));
            let on_it: Vec<_> = on_it.map(|(tag, one)| (*tag, one.number)).collect();
            for (tag, number) in on_it {
                self.end_container(host, tag, number, Some(1));
            }
        }
    }

    fn heal(&mut self, lost: &[HostIndex]) {
        self.network.heal();
        self.network.weather = self.shape.fair;
        for host in 0..self.hosts.len() {
            self.hosts[host].paused_until = 0;
            self.hosts[host].store.full_until = 0;
            for gpu in self.hosts[host].devices.addresses() {
                self.gpu(host, gpu, State::Well);
            }
            if lost.contains(&host) {
                self.hosts[host].gone = true;
                self.end_kerfd(host);
                continue;
            }
            let wait = between(&mut self.dice.faults, 0, SECOND);
            self.after(wait, Event::Fault(Fault::KerfdReturns(host)));
            self.after(wait, Event::Fault(Fault::PowerReturns(host)));
        }
    }
}
