//! Event sets: which GPUs and kinds a client wants to hear of, and waiting for them. Owns the
//! sets of this process; the events are in the machine's state.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::call;
use super::handle::{Handle, Target};
use super::pointer::Out;
use crate::model::events::{Event, SUPPORTED};
use crate::model::status::Status;

/// How often a waiting client looks into the state.
const POLL: Duration = Duration::from_millis(20);
/// What an event's record holds where there is no instance.
const NO_INSTANCE: u32 = u32::MAX;

nvml! {
    fn nvmlEventSetCreate(set: Out<EventSet>) {
        call::machine()?;
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        sets.last += 1;
        let number = sets.last;
        sets.open.insert(number, Registrations::default());
        set.put(EventSet(number << 4))
    }

    fn nvmlEventSetFree(set: EventSet) {
        let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
        sets.open.remove(&(set.0 >> 4)).map(|_| ()).ok_or(Status::InvalidArgument)
    }

    fn nvmlDeviceGetSupportedEventTypes(device: Handle, kinds: Out<u64>) {
        call::gpu(device)?;
        kinds.put(SUPPORTED)
    }

    fn nvmlDeviceRegisterEvents(device: Handle, kinds: u64, set: EventSet) {
        let view = call::gpu(device)?;
        if kinds & !SUPPORTED != 0 {
            return Err(Status::NotSupported);
        }
        let next = view.machine.next_event;
        with_set(set, |registered| {
            registered.next = registered.next.max(next);
            registered.wanted.push((view.index, kinds));
        })
    }

    fn nvmlEventSetWait_v2(set: EventSet, data: Out<EventData>, timeout_ms: u32) {
        let event = wait(set, timeout_ms)?;
        data.put(EventData {
            head: EventHead::of(&event),
            gi: event.gi.unwrap_or(NO_INSTANCE),
            ci: event.ci.unwrap_or(NO_INSTANCE),
        })
    }

    // The first version's record ends before the instances.
    fn nvmlEventSetWait(set: EventSet, data: Out<EventHead>, timeout_ms: u32) {
        data.put(EventHead::of(&wait(set, timeout_ms)?))
    }
}

/// `nvmlEventSet_t`.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct EventSet(u64);

/// The first version of `nvmlEventData_t`.
#[repr(C)]
pub struct EventHead {
    device: Handle,
    kind: u64,
    data: u64,
}

/// `nvmlEventData_t`.
#[repr(C)]
pub struct EventData {
    head: EventHead,
    gi: u32,
    ci: u32,
}

impl EventHead {
    fn of(event: &Event) -> Self {
        Self {
            device: Handle::of(Target::Gpu(event.gpu)),
            kind: event.kind,
            data: event.data,
        }
    }
}

/// What a set waits for.
#[derive(Default)]
struct Registrations {
    /// GPU and kinds.
    wanted: Vec<(u32, u64)>,
    /// Number of the first event that was not seen yet.
    next: u64,
}

struct Sets {
    open: BTreeMap<u64, Registrations>,
    last: u64,
}

static SETS: Mutex<Sets> = Mutex::new(Sets {
    open: BTreeMap::new(),
    last: 0,
});

fn with_set<T>(set: EventSet, use_it: impl FnOnce(&mut Registrations) -> T) -> Result<T, Status> {
    let mut sets = SETS.lock().unwrap_or_else(PoisonError::into_inner);
    sets.open
        .get_mut(&(set.0 >> 4))
        .map(use_it)
        .ok_or(Status::InvalidArgument)
}

fn wait(set: EventSet, timeout_ms: u32) -> Result<Event, Status> {
    let until = Instant::now() + Duration::from_millis(u64::from(timeout_ms));
    loop {
        let machine = call::machine()?;
        let found = with_set(set, |registered| {
            let mut events = machine.events.iter();
            let found = events.find(|event| {
                let wanted = &mut registered.wanted.iter();
                event.number >= registered.next
                    && wanted.any(|&(gpu, kinds)| gpu == event.gpu && kinds & event.kind != 0)
            });
            if let Some(event) = found {
                registered.next = event.number + 1;
            }
            found.copied()
        })?;
        if let Some(event) = found {
            return Ok(event);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Status::Timeout);
        }
        thread::sleep(POLL.min(left));
    }
}
