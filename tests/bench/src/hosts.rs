//! The owners: a fleet of kerfds on simulated machines, over one containerd.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use kerf_tests::world::{Fleet, Kerfd, leftovers};
use kerf_tests::{Scratch, process};
use tempfile::TempDir;

/// Eight GPUs, each cut into seven: the most slices that one host has.
const MACHINE: &str = "h100x8";

/// The layout of each.
const LAYOUT: [&str; 6] = [
    "apply",
    "--gpu",
    "all",
    "--slices",
    "1g.10gb:7",
    "--allow-reset",
];

/// Where memory is a file system.
const MEMORY: &str = "/dev/shm";

/// What the stores of a leg lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// The file system that `/tmp` is on.
    Real,
    /// tmpfs: what the rest costs where a flush costs nothing.
    Memory,
}

impl Disk {
    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Real => "disk",
            Self::Memory => "tmpfs",
        }
    }
}

/// Hosts that own slices; dropping them ends them.
#[derive(Debug)]
pub struct Hosts {
    fleet: Fleet,
    disk: Disk,
    /// Where state and run folders are that are not below the fleet's own.
    memory: Option<TempDir>,
}

impl Hosts {
    /// Starts so many, with every slice cut.
    pub fn start(count: usize, disk: Disk) -> Result<Self> {
        let fleet = Fleet::new(Scratch::new("kg")?)?;
        let memory = match disk {
            Disk::Real => None,
            Disk::Memory => Some(tempfile::Builder::new().prefix("kg-").tempdir_in(MEMORY)?),
        };
        let mut hosts = Self {
            fleet,
            disk,
            memory,
        };
        for number in 1..=count {
            let name = format!("node-{number}");
            let mut settings = hosts.fleet.settings(&name, MACHINE, "")?;
            if let Some(memory) = &hosts.memory {
                settings.folder = memory.path().join(format!("k{number}"));
            }
            hosts.fleet.start(settings)?;
            hosts.fleet.says(number, &LAYOUT)?;
        }
        hosts.on_the_right_disk()?;
        Ok(hosts)
    }

    /// A figure of the wrong file system would be worse than none.
    fn on_the_right_disk(&self) -> Result<()> {
        let state = self.fleet.host(1)?.state();
        let mut stat = Command::new("stat");
        let kind = process::run(stat.args(["-f", "-c", "%T"]).arg(&state))?;
        let is_memory = kind.trim() == "tmpfs";
        ensure!(
            is_memory == (self.disk == Disk::Memory),
            "{} lies on {}",
            state.display(),
            kind.trim()
        );
        Ok(())
    }

    /// What their stores lie on.
    pub fn disk(&self) -> Disk {
        self.disk
    }

    /// A folder for the submitting host's own store, on the same.
    pub fn folder(&self) -> PathBuf {
        let below = self.memory.as_ref().map(TempDir::path);
        let below = below.unwrap_or_else(|| self.fleet.folder());
        below.join("coordinator")
    }

    /// Where the first of them listens to peers, and what lets one more host into its cluster.
    pub fn token(&self) -> Result<(String, String)> {
        self.fleet.token()
    }

    /// Process ids of the kerfds.
    pub fn owners(&self) -> Vec<u32> {
        self.fleet.hosts().iter().map(Kerfd::pid).collect()
    }

    /// Process ids of their workers, of both kinds.
    pub fn workers(&self) -> Vec<u32> {
        let of = |host: &Kerfd| {
            let folder = host.machine().display().to_string();
            leftovers::programs_naming("kerf-partitioner", &folder)
        };
        self.fleet.hosts().iter().flat_map(of).collect()
    }

    /// Process id of containerd.
    pub fn containerd(&self) -> u32 {
        self.fleet.containerd().pid()
    }

    /// Writes of the owners' leases so far, by their own count; none of them is flushed.
    pub fn lease_writes(&self) -> Result<u64> {
        let mut sum = 0;
        for host in self.fleet.hosts() {
            let metrics = host.metrics()?;
            let line = metrics
                .lines()
                .find(|line| line.starts_with("kerf_store_writes_total"));
            let value = line.and_then(|line| line.rsplit(' ').next());
            sum += value.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(sum)
    }

    /// Ends them, and sees that nothing is left.
    pub fn stop(self) -> Result<()> {
        self.fleet.stop()
    }
}
