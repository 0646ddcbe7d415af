//! XIDs: critical errors that the driver reports as events.
//!
//! Each GPU has an event set of its own, registered at its first reading, so that one GPU that refuses
//! registration takes no events from the others. Sets are polled without waiting.

use std::collections::BTreeMap;

use kerf_types::GpuUuid;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::{Device, EventSet, Nvml};

use crate::nvml::error::{NvmlError, ReturnCode, called, optional, wrapped};

/// Events taken from a set at one reading. A GPU in an error storm raises more than anybody reads, and
/// only the newest counts; the rest waits in the driver.
const EVENTS_AT_ONCE: u32 = 64;
/// `NVML_ERROR_TIMEOUT`: the set is empty.
const TIMEOUT: ReturnCode = ReturnCode(10);
/// What the wrapper turns into "unknown": nvml.h gives 999 where the driver lost the code.
const UNKNOWN_XID: u64 = 999;

/// Event sets by GPU, and the newest XID of each.
pub struct Events<'n> {
    nvml: &'n Nvml,
    /// `None` for a GPU that offers no events.
    sets: BTreeMap<GpuUuid, Option<EventSet<'n>>>,
    newest: BTreeMap<GpuUuid, u64>,
}

impl<'n> Events<'n> {
    /// Nothing registered.
    pub fn new(nvml: &'n Nvml) -> Self {
        Self {
            nvml,
            sets: BTreeMap::new(),
            newest: BTreeMap::new(),
        }
    }

    /// Drops a GPU's event set; the next reading registers a new one.
    pub fn forget(&mut self, gpu: &GpuUuid) {
        self.sets.remove(gpu);
    }

    /// Code of the newest XID since the first reading of this GPU.
    pub fn last_xid(
        &mut self,
        device: &Device<'n>,
        gpu: &GpuUuid,
    ) -> Result<Option<u64>, NvmlError> {
        if !self.sets.contains_key(gpu) {
            let set = optional(register(self.nvml, device))?;
            self.sets.insert(gpu.clone(), set);
        }
        if let Some(Some(set)) = self.sets.get(gpu) {
            for _ in 0..EVENTS_AT_ONCE {
                match called("nvmlEventSetWait_v2", set.wait(0)) {
                    Ok(event) => {
                        let code = match event.event_data {
                            Some(XidError::Value(code)) => code,
                            Some(XidError::Unknown) => UNKNOWN_XID,
                            None => continue,
                        };
                        self.newest.insert(gpu.clone(), code);
                    }
                    Err(error) if error.code() == Some(TIMEOUT) => break,
                    Err(error) => {
                        optional::<()>(Err(error))?;
                        break;
                    }
                }
            }
        }
        Ok(self.newest.get(gpu).copied())
    }
}

fn register<'n>(nvml: &'n Nvml, device: &Device<'n>) -> Result<EventSet<'n>, NvmlError> {
    let set = called("nvmlEventSetCreate", nvml.create_event_set())?;
    device
        .register_events(EventTypes::CRITICAL_XID_ERROR, set)
        .map_err(|error| wrapped("nvmlDeviceRegisterEvents", error.error))
}
