//! One call from start to end: library initialised, driver and GPU not hung, state read, handle
//! resolved. Owns the session of this process: how often it was initialised, and the store.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::answer;
use super::handle::{Handle, Target};
use super::home;
use super::nodes::Nodes;
use crate::fuse::Fuse;
use crate::model::gpu::{ComputeInstance, Fault, Gpu, GpuInstance};
use crate::model::load::Memory;
use crate::model::machine::Machine;
use crate::model::mig::InstanceRef;
use crate::model::mischief::Mischief;
use crate::model::product::Product;
use crate::model::profile::GiProfile;
use crate::model::status::Status;
use crate::store::{Store, StoreError, now_us};

/// How often a call that hangs looks whether the fault was lifted.
const HANG_POLL: Duration = Duration::from_millis(20);

/// Serials of instances that a call only pretends to make: never given to a real one, so that such a
/// handle names nothing for ever.
const FORGOTTEN_SERIALS: u32 = 1 << 31;

/// The store while initialised, and how often.
struct Session {
    store: Option<Arc<Store>>,
    fuse: Option<Arc<Fuse>>,
    nodes: Option<Nodes>,
    depth: u32,
}

static SESSION: Mutex<Session> = Mutex::new(Session {
    store: None,
    fuse: None,
    nodes: None,
    depth: 0,
});

/// The machine's state without a look at what hangs; `None` before the library is initialised.
pub fn undisturbed() -> Option<Arc<Machine>> {
    store().ok()?.read().ok()
}

/// The code with which the machine refuses the start of this library.
pub fn start_refused(function: &str) -> Option<u32> {
    let machine = Store::new(&home::folder()?).read().ok()?;
    machine.armed(function)?.refusal()
}

/// How this call of `function` goes wrong, counted where the state can be written.
pub fn counted(function: &str) -> Option<Mischief> {
    let store = store().ok()?;
    let counted = store.change(|machine, _| Ok::<_, Infallible>(machine.take_mischief(function)));
    match counted {
        Ok(Ok(mischief)) => mischief,
        Err(_) => Machine::clone(&*store.read().ok()?).take_mischief(function),
    }
}

/// The fuse, while initialised, of a machine that has one.
pub fn fuse() -> Option<Arc<Fuse>> {
    let session = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    session.fuse.clone()
}

/// `nvmlInit`: counts, and blocks while the driver hangs.
pub fn initialise() -> Result<(), Status> {
    let (mut store, mut fuse) = {
        let session = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
        (session.store.clone(), session.fuse.clone())
    };
    let mut nodes = None;
    if store.is_none() {
        let dir = home::folder().ok_or(Status::DriverNotLoaded)?;
        let opened = Store::new(&dir);
        // Before anything hangs: a client that is stuck in here holds them all the same.
        nodes = Some(Nodes::open(&dir, &*opened.read().map_err(status_of)?));
        store = Some(Arc::new(opened));
        fuse = Fuse::of(&dir).map(Arc::new);
    }
    let store = store.ok_or(Status::DriverNotLoaded)?;
    while store.read().map_err(status_of)?.driver_hung {
        thread::sleep(HANG_POLL);
    }
    store.repair();
    let mut session = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    session.depth += 1;
    if session.store.is_none() {
        session.store = Some(store);
        session.fuse = fuse;
        session.nodes = nodes;
    }
    Ok(())
}

/// `nvmlShutdown`.
pub fn shut_down() -> Result<(), Status> {
    let mut session = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    session.depth = session.depth.checked_sub(1).ok_or(Status::Uninitialized)?;
    if session.depth == 0 {
        session.store = None;
        session.fuse = None;
        session.nodes = None;
    }
    Ok(())
}

fn store() -> Result<Arc<Store>, Status> {
    let session = SESSION.lock().unwrap_or_else(PoisonError::into_inner);
    session.store.clone().ok_or(Status::Uninitialized)
}

/// What a client sees of an error of the state file.
fn status_of(error: StoreError) -> Status {
    match error {
        StoreError::Absent(_) => Status::DriverNotLoaded,
        StoreError::Foreign(_) => Status::LibRmVersionMismatch,
        StoreError::Io { source, .. } => match source.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Status::NoPermission
            }
            std::io::ErrorKind::StorageFull => Status::Memory,
            _ => Status::Unknown,
        },
    }
}

/// The machine; blocks while the driver hangs.
pub fn machine() -> Result<Arc<Machine>, Status> {
    let store = store()?;
    loop {
        let machine = store.read().map_err(status_of)?;
        if !machine.driver_hung {
            return Ok(machine);
        }
        thread::sleep(HANG_POLL);
    }
}

/// The machine, with GPU `gpu` there and answering; blocks while it hangs.
fn machine_for(gpu: u32) -> Result<Arc<Machine>, Status> {
    loop {
        let machine = machine()?;
        match machine.gpu(gpu)?.fault {
            Fault::None => return Ok(machine),
            Fault::Lost | Fault::Gone => return Err(Status::GpuIsLost),
            Fault::ResetRequired => return Err(Status::ResetRequired),
            Fault::Hung => thread::sleep(HANG_POLL),
        }
    }
}

/// Changes the state of `gpu`'s machine; blocks while it hangs. Where the change is to be forgotten,
/// a copy of it.
pub fn change<T>(
    gpu: u32,
    change: impl FnOnce(&mut Machine, u64) -> Result<T, Status>,
) -> Result<T, Status> {
    let before = machine_for(gpu)?;
    if answer::forgets() {
        let mut scratch = Machine::clone(&before);
        scratch.next_serial |= FORGOTTEN_SERIALS;
        return change(&mut scratch, now_us());
    }
    store()?.change(change).map_err(status_of)?
}

/// A GPU at the moment of the call.
pub struct View {
    /// The whole machine.
    pub machine: Arc<Machine>,
    /// Index of the GPU.
    pub index: u32,
    /// Its product.
    pub product: &'static Product,
    /// The moment.
    pub now_us: u64,
}

impl View {
    /// The GPU with that index, even one that is not asked for by handle.
    pub fn of(index: u32) -> Result<Self, Status> {
        let machine = machine_for(index)?;
        let product = machine.product()?;
        Ok(Self {
            machine,
            index,
            product,
            now_us: now_us(),
        })
    }

    /// Memory of one of its instances.
    pub fn memory_of(&self, gi: &GpuInstance) -> Memory {
        self.gpu()
            .gi_memory(self.product, gi, self.machine.policy.memory)
    }

    /// Memory of a profile as this driver describes it, in MiB.
    pub fn profile_mib(&self, profile: &GiProfile) -> u64 {
        let figures = self.machine.policy.memory;
        self.product.profile_mib(profile, figures)
    }

    /// Its state.
    pub fn gpu(&self) -> &Gpu {
        &self.machine.gpus[usize::try_from(self.index).unwrap_or(usize::MAX)]
    }
}

/// A GPU instance at the moment of the call.
pub struct GiView {
    /// Its GPU.
    pub view: View,
    /// Its serial.
    pub serial: u32,
}

impl GiView {
    /// Its state.
    pub fn gi(&self) -> Result<&GpuInstance, Status> {
        self.view.gpu().gi(self.serial)
    }

    /// Its name in the model.
    pub fn at(&self) -> InstanceRef {
        InstanceRef {
            gpu: self.view.index,
            serial: self.serial,
        }
    }
}

/// A compute instance, which is a MIG device, at the moment of the call.
pub struct CiView {
    /// Its GPU.
    pub view: View,
    /// Its serial.
    pub serial: u32,
}

impl CiView {
    /// Its parent's and its own state.
    pub fn instances(&self) -> Result<(&GpuInstance, &ComputeInstance), Status> {
        self.view.gpu().ci(self.serial)
    }

    /// Its name in the model.
    pub fn at(&self) -> InstanceRef {
        InstanceRef {
            gpu: self.view.index,
            serial: self.serial,
        }
    }
}

/// What a device handle can name.
pub enum Device {
    /// A GPU.
    Gpu(View),
    /// A MIG device.
    Mig(CiView),
}

/// The device behind a handle.
pub fn device(handle: Handle) -> Result<Device, Status> {
    match handle.target()? {
        Target::Gpu(gpu) => Ok(Device::Gpu(View::of(gpu)?)),
        Target::Mig(gpu, serial) => Ok(Device::Mig(live_ci(gpu, serial)?)),
        Target::Gi(..) | Target::Ci(..) => Err(Status::InvalidArgument),
    }
}

/// The GPU behind a handle; a MIG device does not offer the function.
pub fn gpu(handle: Handle) -> Result<View, Status> {
    match device(handle)? {
        Device::Gpu(view) => Ok(view),
        Device::Mig(_) => Err(Status::NotSupported),
    }
}

/// The GPU behind a handle, or the one that holds the MIG device behind it.
pub fn parent(handle: Handle) -> Result<View, Status> {
    match device(handle)? {
        Device::Gpu(view) => Ok(view),
        Device::Mig(ci) => Ok(ci.view),
    }
}

/// The GPU instance behind a handle.
pub fn gi(handle: Handle) -> Result<GiView, Status> {
    let Target::Gi(gpu, serial) = handle.target()? else {
        return Err(Status::InvalidArgument);
    };
    let view = View::of(gpu)?;
    view.gpu().gi(serial).map_err(|_| Status::InvalidArgument)?;
    Ok(GiView { view, serial })
}

/// The compute instance behind a handle.
pub fn ci(handle: Handle) -> Result<CiView, Status> {
    match handle.target()? {
        Target::Ci(gpu, serial) => live_ci(gpu, serial),
        _ => Err(Status::InvalidArgument),
    }
}

fn live_ci(gpu: u32, serial: u32) -> Result<CiView, Status> {
    let view = View::of(gpu)?;
    view.gpu().ci(serial).map_err(|_| Status::InvalidArgument)?;
    Ok(CiView { view, serial })
}
