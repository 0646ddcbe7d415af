//! The host, the driver, the store and the process, as numbers that the caller has read.

use kerf_types::inventory::Driver;
use kerf_types::{Bytes, Timestamp};

/// The host.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// Its name.
    pub hostname: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// When it was booted.
    pub booted: Option<Timestamp>,
    /// Load averages over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// CPUs that are online.
    pub cpus: Option<u32>,
    /// Main memory.
    pub memory_total: Option<Bytes>,
    /// Main memory that can be had without swapping.
    pub memory_available: Option<Bytes>,
    /// Parts of the inventory that could not be read.
    pub inventory_problems: u64,
}

/// The driver and the workers that call it.
#[derive(Debug, Clone, Default)]
pub struct DriverFacts {
    /// Versions; `None` without a driver.
    pub driver: Option<Driver>,
    /// Whether the whole driver does not answer.
    pub unresponsive: bool,
    /// Workers that hang in a call and were left behind.
    pub abandoned_workers: u64,
}

/// The store.
#[derive(Debug, Clone, Default)]
pub struct StoreFacts {
    /// Its epoch; `None` before it is open.
    pub epoch: Option<u64>,
    /// Whether it was found corrupt and rebuilt.
    pub corrupt: bool,
    /// Whether it cannot be written because the disk is full.
    pub disk_full: bool,
}

/// The process that renders, from `/proc/self`.
#[derive(Debug, Clone, Default)]
pub struct ProcessFacts {
    /// User and system CPU time in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory.
    pub resident: Option<Bytes>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// Soft limit of open file descriptors.
    pub max_fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When it was started.
    pub started: Option<Timestamp>,
}
