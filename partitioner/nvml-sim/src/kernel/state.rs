//! What a machine's kernel remembers. Owns the serialised form and the faults; the rules of each vendor's
//! driver are in its own module.

use serde::{Deserialize, Serialize};

use super::amd::Amd;
use super::errno::Errno;
use super::tree::View;
use super::vgpu::Vgpu;

/// The number of the state's format; another number is refused, not guessed at.
pub const FORMAT: u32 = 1;

/// The state of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Format number of this document.
    pub format: u32,
    /// Faults that were set, in the order in which they are looked through.
    pub faults: Vec<Fault>,
    /// The AMD GPUs, where the machine has some.
    pub amd: Option<Amd>,
    /// The GPUs that carry vGPUs, where the machine's driver offers any. A state that was written before there
    /// were any has none.
    #[serde(default)]
    pub vgpu: Option<Vgpu>,
}

/// Something that goes wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The file, without links, below `/` and without the leading one.
    pub path: String,
    /// When.
    pub on: Access,
    /// What happens.
    pub kind: FaultKind,
    /// How often it still happens; for ever where it is not said.
    pub times: Option<u32>,
}

/// What somebody does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Reads or lists it.
    Read,
    /// Writes it.
    Write,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// It is refused.
    Fail(Errno),
    /// A write is refused, and carried out nevertheless.
    FailDone(Errno),
    /// A write is answered with success and does nothing.
    Ignore,
    /// What follows from a write shows only after that many further looks.
    Delay(u32),
    /// It does not return until the fault is lifted.
    Hang,
}

impl Default for State {
    fn default() -> Self {
        Self {
            format: FORMAT,
            faults: Vec::new(),
            amd: None,
            vgpu: None,
        }
    }
}

impl State {
    /// Everything that it shows.
    #[must_use]
    pub fn view(&self) -> View {
        let mut view = View::default();
        if let Some(amd) = &self.amd {
            amd.show(&mut view);
        }
        if let Some(vgpu) = &self.vgpu {
            vgpu.show(&mut view);
        }
        view
    }

    /// The fault that befalls an access, which is counted.
    pub fn fault(&mut self, path: &str, on: Access) -> Option<FaultKind> {
        let mut found = self.faults.iter_mut();
        let fault = found.find(|fault| fault.on == on && fault.path == path)?;
        let kind = fault.kind;
        if let Some(times) = &mut fault.times {
            *times = times.saturating_sub(1);
        }
        self.faults.retain(|fault| fault.times != Some(0));
        Some(kind)
    }

    /// Whether a fault waits for that access.
    #[must_use]
    pub fn has_fault(&self, path: &str, on: Access) -> bool {
        let mut faults = self.faults.iter();
        faults.any(|fault| fault.on == on && fault.path == path)
    }

    /// Whether that access does not return.
    #[must_use]
    pub fn hangs(&self, path: &str, on: Access) -> bool {
        let mut faults = self.faults.iter();
        let found = faults.find(|fault| fault.on == on && fault.path == path);
        found.is_some_and(|fault| fault.kind == FaultKind::Hang)
    }

    /// A look at what the kernel shows: what was put off by [`FaultKind::Delay`] comes nearer.
    pub fn look(&mut self) {
        if let Some(amd) = &mut self.amd {
            amd.look();
        }
        if let Some(vgpu) = &mut self.vgpu {
            vgpu.look();
        }
    }

    /// Whether something that was put off has yet to show.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.amd.as_ref().is_some_and(Amd::waits) || self.vgpu.as_ref().is_some_and(Vgpu::waits)
    }

    /// Gives a value to the file at this path, which has no links.
    ///
    /// # Errors
    /// As the kernel refuses it.
    pub fn write(&mut self, path: &str, value: &[u8], delay: u32) -> Result<(), Errno> {
        if let Some(amd) = &mut self.amd
            && let Some(answer) = amd.write(path, value, delay)
        {
            return answer;
        }
        let vgpu = self.vgpu.as_mut();
        vgpu.and_then(|vgpu| vgpu.write(path, value, delay))
            .unwrap_or(Err(Errno::EACCES))
    }
}
