//! `kerf sim kernel`: what is done to the kernel of a machine whose GPUs have no library.
//!
//! The plain files under the machine's root are for reading. Where that tree is not mounted, a value is given to one
//! of them here: the simulated kernel takes or refuses it as a real one does.

use std::path::PathBuf;
use std::str::FromStr;

use kerf_types::{Bytes, ParseError};
use nvidia_ml::kernel::state::{Access, Fault, FaultKind};
use nvidia_ml::kernel::{ControlError, Errno, Kernel};

use super::SimError;

/// `kerf sim kernel`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Give a value to a file under /sys, as `echo VALUE > FILE` does on a real machine
    Write {
        /// The machine's folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The file, such as /sys/class/drm/card0/device/current_compute_partition
        #[arg(value_name = "FILE")]
        file: String,
        /// The value
        #[arg(value_name = "VALUE")]
        value: String,
    },
    /// Unload the driver and load it anew: memory modes that were asked for take hold
    Reload {
        /// The machine's folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Let a process open KFD and hold memory of a GPU, or close it
    Client(ClientArgs),
    /// Let a virtual machine open a vGPU, or end it
    Vm(VmArgs),
    /// Let vGPUs of several sizes be on a GPU, as nvidia-smi vgpu -shm does
    Mix {
        /// The machine's folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// The GPU's index
        #[arg(long, value_name = "N")]
        gpu: u32,
        /// Whether they may
        #[arg(value_name = "on|off", value_parser = on_or_off, action = clap::ArgAction::Set)]
        allowed: bool,
    },
    /// Let something go wrong with a file, or mend everything
    Fault(FaultArgs),
}

/// `kerf sim kernel vm`
#[derive(Debug, clap::Args)]
pub struct VmArgs {
    /// The machine's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Its process; it ends with that, if it runs
    #[arg(long, value_name = "PID")]
    pid: u32,
    /// The vGPU: its function's PCI address or its UUID
    #[arg(long, value_name = "NAME", required_unless_present = "clear")]
    vgpu: Option<String>,
    /// What the virtual machine is called
    #[arg(long, value_name = "NAME", default_value = "guest")]
    name: String,
    /// Error number with which taking the vGPU away is refused meanwhile; 16, 1 and 5 were seen
    #[arg(long, value_name = "ERRNO", default_value_t = 16)]
    errno: u16,
    /// End it
    #[arg(long, conflicts_with = "vgpu")]
    clear: bool,
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_owned()),
    }
}

/// `kerf sim kernel client`
#[derive(Debug, clap::Args)]
pub struct ClientArgs {
    /// The machine's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The process; it closes KFD when it ends, if it runs
    #[arg(long, value_name = "PID")]
    pid: u32,
    /// Index of the AMD GPU
    #[arg(long, value_name = "N", required_unless_present = "clear")]
    gpu: Option<u32>,
    /// Memory that it holds: 512MiB, 4GiB
    #[arg(long, value_name = "BYTES", default_value = "1GiB")]
    memory: Bytes,
    /// Let it close KFD
    #[arg(long, conflicts_with = "gpu")]
    clear: bool,
}

/// `kerf sim kernel fault`
#[derive(Debug, clap::Args)]
pub struct FaultArgs {
    /// The machine's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The file under /sys
    #[arg(value_name = "FILE", required_unless_present = "clear")]
    file: Option<String>,
    /// fail=ERRNO, fail-done=ERRNO (refused and carried out nevertheless), ignore, delay=LOOKS or hang
    #[arg(value_name = "FAULT", required_unless_present = "clear")]
    fault: Option<KernelFault>,
    /// It befalls reading instead of writing
    #[arg(long)]
    read: bool,
    /// How often it happens; for ever where it is not said
    #[arg(long, value_name = "N")]
    times: Option<u32>,
    /// Mend everything
    #[arg(long, conflicts_with_all = ["file", "fault"])]
    clear: bool,
}

/// What goes wrong, as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelFault(FaultKind);

impl FromStr for KernelFault {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let hint = "fail=5, fail-done=5, ignore, delay=3 or hang";
        let error = || ParseError::new("a fault", text, hint);
        let (word, number) = match text.split_once('=') {
            Some((word, number)) => (word, Some(number.parse::<u16>().map_err(|_| error())?)),
            None => (text, None),
        };
        let errno = |number: u16| Errno::from_number(number.into());
        Ok(Self(match (word, number) {
            ("fail", Some(number)) => FaultKind::Fail(errno(number)),
            ("fail-done", Some(number)) => FaultKind::FailDone(errno(number)),
            ("delay", Some(looks)) => FaultKind::Delay(looks.into()),
            ("ignore", None) => FaultKind::Ignore,
            ("hang", None) => FaultKind::Hang,
            _ => return Err(error()),
        }))
    }
}

/// Does it. It says nothing: what follows is seen on the machine.
pub fn run(verb: &Verb) -> Result<(), SimError> {
    match verb {
        Verb::Write { dir, file, value } => {
            let answer = open(dir)?.write(file, value.as_bytes());
            answer.map_err(|errno| SimError::Refused {
                file: file.clone(),
                value: value.clone(),
                source: std::io::Error::from_raw_os_error(errno.number()),
            })
        }
        Verb::Reload { dir } => open(dir)?.reload_driver().map_err(on(dir)),
        Verb::Client(args) => client(args),
        Verb::Vm(args) => vm(args),
        Verb::Mix { dir, gpu, allowed } => open(dir)?
            .set_heterogeneous(*gpu, *allowed)
            .map_err(on(dir)),
        Verb::Fault(args) => fault(args),
    }
}

fn client(args: &ClientArgs) -> Result<(), SimError> {
    let kernel = open(&args.dir)?;
    let done = match args.gpu {
        Some(gpu) => kernel.open_kfd(args.pid, gpu, args.memory.0),
        None => kernel.close_kfd(args.pid).map(drop),
    };
    done.map_err(on(&args.dir))
}

fn vm(args: &VmArgs) -> Result<(), SimError> {
    let kernel = open(&args.dir)?;
    let errno = Errno::from_number(args.errno.into());
    let done = match &args.vgpu {
        Some(vgpu) => kernel.attach_vm(vgpu, args.pid, &args.name, errno),
        None => kernel.detach_vm(args.pid).map(drop),
    };
    done.map_err(on(&args.dir))
}

fn fault(args: &FaultArgs) -> Result<(), SimError> {
    let kernel = open(&args.dir)?;
    let done = match (&args.file, args.fault) {
        (Some(path), Some(KernelFault(kind))) => kernel.set_fault(Fault {
            path: path.clone(),
            on: if args.read {
                Access::Read
            } else {
                Access::Write
            },
            kind,
            times: args.times,
        }),
        // Without --clear both are required.
        _ => kernel.clear_faults(),
    };
    done.map_err(on(&args.dir))
}

fn open(dir: &std::path::Path) -> Result<Kernel, SimError> {
    Kernel::open(dir).map_err(|source| SimError::Store {
        dir: dir.to_owned(),
        source,
    })
}

fn on(dir: &std::path::Path) -> impl FnOnce(ControlError) -> SimError {
    let dir = dir.to_owned();
    |source| SimError::Kernel { dir, source }
}

#[cfg(test)]
mod tests;
