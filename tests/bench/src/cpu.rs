//! CPU time of every process that takes part, as `/proc` tells it: of user and of kernel, threads that have ended included.

use std::time::Duration;

use procfs::process::Process;

use crate::hosts::Hosts;

/// CPU time by who has used it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// This process: the submitting host.
    pub coordinator: Duration,
    /// The kerfds that own devices.
    pub owners: Duration,
    /// Their workers, with the simulated driver in them.
    pub workers: Duration,
    /// containerd, which owners ask whether it answers.
    pub containerd: Duration,
}

impl Cpu {
    /// What was used since then.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            coordinator: self.coordinator.saturating_sub(before.coordinator),
            owners: self.owners.saturating_sub(before.owners),
            workers: self.workers.saturating_sub(before.workers),
            containerd: self.containerd.saturating_sub(before.containerd),
        }
    }

    /// All together.
    pub fn sum(&self) -> Duration {
        self.coordinator + self.owners + self.workers + self.containerd
    }
}

/// What has been used so far.
pub fn of(hosts: &Hosts) -> anyhow::Result<Cpu> {
    let mut cpu = Cpu {
        coordinator: used(std::process::id())?,
        containerd: used(hosts.containerd())?,
        ..Cpu::default()
    };
    for pid in hosts.owners() {
        cpu.owners += used(pid)?;
    }
    for pid in hosts.workers() {
        // One may just have ended.
        cpu.workers += used(pid).unwrap_or_default();
    }
    Ok(cpu)
}

fn used(pid: u32) -> anyhow::Result<Duration> {
    let stat = Process::new(pid.try_into()?)?.stat()?;
    let ticks = stat.utime + stat.stime;
    let per_second = procfs::ticks_per_second();
    let micros = ticks * 1_000_000 / per_second;
    Ok(Duration::from_micros(micros))
}
