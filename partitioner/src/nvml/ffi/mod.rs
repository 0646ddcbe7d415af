//! Raw NVML calls: MIG, and what `nvml-wrapper` 0.13 answers wrongly.
//!
//! Why not the wrapper: its `possible_placements` always returns an empty list (it never sets the length
//! of the vector that C filled), its `remote_device_type` always answers "unknown" (C writes into a
//! temporary), and it has no call that creates, lists or destroys an instance. The functions are taken
//! from the library that the wrapper has loaded, so raw and safe calls share one session.
//!
//! Owns the structure versions, the sizes of arrays and the life of handles. Every function here is safe
//! to call; a function that the library lacks is an error of its own, never a crash.

mod compute;
mod device;
mod fabric;
mod gpu_instance;
mod profile;

pub use compute::{ComputeHandle, ComputeInfo};
pub use device::{LinkEnd, clock_event_reasons, link_end};
pub use fabric::{FabricInfo, Field, c2c_enabled, fabric_info, fields};
#[cfg(test)]
pub(super) use fabric::{fabric_v1, fabric_v2, fabric_v3};
pub use gpu_instance::{
    InstanceHandle, InstanceInfo, create_instance, instance, instances, placements,
};
pub use profile::{
    ComputeProfile, InstanceProfile, instance_profiles, instance_profiles_and_refusals,
};

use nvml_wrapper_sys::bindings::nvmlReturn_t;

use super::error::{NvmlError, ReturnCode, checked as check};

/// Profile enumerators to ask for. nvml.h of 2026 counts 18 and every release adds some, so the loop goes
/// past any constant of today and skips what the driver refuses.
const PROFILE_ENUMERATORS: std::ops::RangeInclusive<u32> = 0..=0x1f;
/// Most entries that an array of instances or placements is made for: a grid has 64 units, and no
/// profile has more places or instances than twice that. More means that the driver is not what we think.
const ARRAY_LIMIT: u32 = 128;

/// A function of the library, or the error that names it.
fn symbol<F: Copy, E>(loaded: &Result<F, E>, call: &'static str) -> Result<F, NvmlError> {
    loaded
        .as_ref()
        .copied()
        .map_err(|_| NvmlError::Missing { call })
}

/// Whether the driver says that a profile, or this form of asking for it, does not exist.
fn is_absent(error: &NvmlError) -> bool {
    matches!(
        error.code(),
        Some(ReturnCode::NOT_SUPPORTED | ReturnCode::INVALID_ARGUMENT | ReturnCode::NOT_FOUND)
    )
}

/// Gets an array from a driver call that writes at most `capacity` entries and stores their number.
/// The call must not write more than `capacity` entries, which is its own SAFETY burden.
fn list<T: Copy>(
    call: &'static str,
    capacity: u32,
    empty: T,
    fill: impl FnOnce(*mut T, &mut u32) -> nvmlReturn_t,
) -> Result<Vec<T>, NvmlError> {
    let length = usize::try_from(capacity).unwrap_or(0);
    let mut entries = vec![empty; length];
    let mut count = capacity;
    check(call, fill(entries.as_mut_ptr(), &mut count))?;
    if count > capacity {
        return Err(NvmlError::Count {
            call,
            count,
            limit: capacity,
        });
    }
    entries.truncate(usize::try_from(count).unwrap_or(length));
    Ok(entries)
}

#[cfg(test)]
mod tests;
