//! Leases whose vGPU is gone: somebody else took it away, or put another one in its place, while a container had it.
//!
//! Such a lease ends with its container, as any does. Until then no vGPU is given to anybody, and that is said here.

use std::collections::BTreeMap;

use kerf_types::DeviceKind;
use kerf_types::lease::{Lease, LeaseState};

use super::Host;
use crate::host::grant::user_of;

/// How the entry about a lease begins.
const ENTRY: &str = "vGPU of lease ";

/// What to do about one.
const HINT: &str = "no other vGPU is given to anybody until it ends: end its container, and see `kerf vgpu list` and the events for \
                    who has taken it away";

impl Host {
    /// Says which leases have lost their vGPU, for as long as they last.
    pub(in crate::host) fn note_lost_vgpus(&mut self) {
        let leases = self.leases.values().map(|row| &row.lease);
        let words = |lease: &Lease| {
            let mut devices = lease.devices.iter();
            let is_lost = |device: &&kerf_types::LeasedDevice| {
                device.kind == DeviceKind::Vgpu && self.row_of(device).is_none()
            };
            let lost = devices.find(is_lost)?;
            let who = match lease.state {
                LeaseState::Reserved => format!("{} was promised it", lease.holder),
                _ => format!("{} still has its nodes", user_of(lease)),
            };
            let why = format!("{lost} is gone, which kerf did not take away, and {who}");
            Some((format!("{ENTRY}{}", lease.id), why))
        };
        let lost: BTreeMap<String, String> = leases.filter_map(words).collect();
        self.degrade_alone(ENTRY, lost, HINT);
    }
}
