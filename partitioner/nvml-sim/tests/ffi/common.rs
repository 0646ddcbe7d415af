//! Shared by the tests that go through the real library: a machine of one's own, and NVML's raw
//! functions loaded from it by path, as nvml-wrapper loads them.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::ptr;

use nvidia_ml::{CreateOptions, MachineInfo, create, find_library};
use nvml_wrapper_sys::bindings::*;

/// A machine in a temporary folder.
pub struct World {
    _temp: tempfile::TempDir,
    pub machine: MachineInfo,
}

impl World {
    pub fn new(name: &str) -> Self {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let library = find_library().expect("the library is built with the tests");
        let options = CreateOptions { seed: Some(1) };
        let machine = create(name, &temp.path().join("m"), &library, &options).expect(name);
        Self {
            _temp: temp,
            machine,
        }
    }

    pub fn dir(&self) -> &Path {
        &self.machine.dir
    }

    pub fn nvml(&self) -> Nvml {
        Nvml::load(&self.machine.library)
    }
}

/// NVML loaded from a path. Results are return codes: 0 is success.
pub struct Nvml(pub NvmlLib);

pub type Result<T> = std::result::Result<T, u32>;

/// Calls a function that writes one result.
macro_rules! get {
    ($nvml:expr, $function:ident, $value:expr $(, $argument:expr)*) => {{
        let mut value = $value;
        // SAFETY: the function writes one value of this type behind its other arguments.
        let code = unsafe { $nvml.0.$function($($argument,)* &mut value) };
        if code == 0 { Ok(value) } else { Err(code) }
    }};
}
pub(crate) use get;

/// A structure of NVML's before it is filled.
pub fn zero<T: Copy>() -> T {
    // SAFETY: the tests ask for NVML's plain C structures only, for which all-zero is a value.
    unsafe { std::mem::zeroed() }
}

/// Turns a return code into a result.
pub fn check(code: u32) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(code) }
}

impl Nvml {
    /// Loads and initialises.
    pub fn load(library: &Path) -> Self {
        let nvml = Self::load_only(library);
        nvml.init().expect("nvmlInit");
        nvml
    }

    pub fn load_only(library: &Path) -> Self {
        // SAFETY: the library is ours and has no side effect at load.
        Self(unsafe { NvmlLib::new(PathBuf::from(library)) }.expect("the library loads"))
    }

    pub fn init(&self) -> Result<()> {
        // SAFETY: no argument.
        check(unsafe { self.0.nvmlInit_v2() })
    }

    pub fn gpu(&self, index: u32) -> Result<nvmlDevice_t> {
        get!(self, nvmlDeviceGetHandleByIndex_v2, ptr::null_mut(), index)
    }

    pub fn uuid(&self, device: nvmlDevice_t) -> Result<String> {
        let mut text: [c_char; 96] = [0; 96];
        // SAFETY: the buffer is as long as said.
        check(unsafe { self.0.nvmlDeviceGetUUID(device, text.as_mut_ptr(), 96) })?;
        Ok(string(&text))
    }

    pub fn set_mig(&self, device: nvmlDevice_t, on: bool) -> Result<u32> {
        get!(self, nvmlDeviceSetMigMode, u32::MAX, device, u32::from(on))
    }

    pub fn create_gi(
        &self,
        device: nvmlDevice_t,
        profile: u32,
        place: Option<(u32, u32)>,
    ) -> Result<nvmlGpuInstance_t> {
        let null = ptr::null_mut();
        match place {
            None => get!(self, nvmlDeviceCreateGpuInstance, null, device, profile),
            Some((start, size)) => {
                let place = nvmlGpuInstancePlacement_t { start, size };
                get!(
                    self,
                    nvmlDeviceCreateGpuInstanceWithPlacement,
                    null,
                    device,
                    profile,
                    &place
                )
            }
        }
    }

    pub fn create_ci(&self, gi: nvmlGpuInstance_t, profile: u32) -> Result<nvmlComputeInstance_t> {
        get!(
            self,
            nvmlGpuInstanceCreateComputeInstance,
            ptr::null_mut(),
            gi,
            profile
        )
    }

    pub fn destroy_gi(&self, gi: nvmlGpuInstance_t) -> Result<()> {
        // SAFETY: a handle is a value.
        check(unsafe { self.0.nvmlGpuInstanceDestroy(gi) })
    }

    pub fn destroy_ci(&self, ci: nvmlComputeInstance_t) -> Result<()> {
        // SAFETY: a handle is a value.
        check(unsafe { self.0.nvmlComputeInstanceDestroy(ci) })
    }

    pub fn gi_info(&self, gi: nvmlGpuInstance_t) -> Result<nvmlGpuInstanceInfo_t> {
        get!(self, nvmlGpuInstanceGetInfo, zero(), gi)
    }

    pub fn ci_info(&self, ci: nvmlComputeInstance_t) -> Result<nvmlComputeInstanceInfo_t> {
        get!(self, nvmlComputeInstanceGetInfo_v2, zero(), ci)
    }

    /// A whole slice: instance, compute instance, MIG device.
    pub fn cut(&self, device: nvmlDevice_t, profile: u32, start: u32, size: u32) -> Slice {
        let gi = self
            .create_gi(device, profile, Some((start, size)))
            .expect("room");
        let compute = match profile {
            14 => 1,
            9 => 2,
            5 => 3,
            0 => 4,
            _ => 0,
        };
        let ci = self.create_ci(gi, compute).expect("an empty instance");
        let device = self.ci_info(ci).expect("it was just made").device;
        Slice { gi, ci, device }
    }
}

/// A GPU instance that one compute instance fills.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    pub gi: nvmlGpuInstance_t,
    pub ci: nvmlComputeInstance_t,
    pub device: nvmlDevice_t,
}

/// The text of a C buffer.
pub fn string(buffer: &[c_char]) -> String {
    // SAFETY: the library ends what it writes with NUL, and the buffers here begin as zeros.
    unsafe { CStr::from_ptr(buffer.as_ptr()) }
        .to_string_lossy()
        .into_owned()
}
