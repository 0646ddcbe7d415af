//! `kerf sim fault`: a GPU falls off the bus, hangs or reports an error; or the whole driver, or one of the
//! vendor's tools, hangs or goes wrong.

use std::path::PathBuf;
use std::str::FromStr;

use kerf_types::ParseError;
use nvidia_ml::control::{self, FaultRequest};
use nvidia_ml::model::fabric::FabricFault;
use nvidia_ml::model::tool::Tool;

use super::driver::DriverFault;
use super::tool::Trouble;
use super::{SimError, on};

/// `kerf sim fault`
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("broken").required(true))]
pub struct Args {
    /// The machine's folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The GPU's index
    #[arg(long, value_name = "N", requires = "fault", group = "broken")]
    gpu: Option<u32>,
    /// lost, gone, hang, reset-required, xid=CODE, ecc-corrected=COUNT, ecc-uncorrected=COUNT,
    /// fabric=HOW (not-started, in-progress, failed, degraded, route-unhealthy, no-partition), or clear
    #[arg(value_name = "FAULT", requires = "gpu")]
    fault: Option<GpuFault>,
    /// GPU instance that an XID is about
    #[arg(long, value_name = "GI", requires = "fault")]
    gi: Option<u32>,
    /// What befalls the whole driver: hang, old-driver (lacks newer functions), slow-walk (finding
    /// slices by index takes seconds under load), delay=MICROS (each call), FUNCTION=WHAT, or clear.
    /// WHAT is CODE (the NVML function answers with it), late:CODE (works and answers with it),
    /// forget (answers success and changes nothing), elsewhere (an instance lies at another place
    /// than asked for), each with ,TIMES or for ever; or delay:MICROS
    #[arg(long, value_name = "FAULT", conflicts_with = "fault", group = "broken")]
    driver: Option<DriverFault>,
    /// What befalls nvidia-cuda-mps-control: COMMAND=HOW, or clear. COMMAND is a command of the
    /// daemon, start or version; HOW is refuse, ignore (says that it was done), garble, each with
    /// ,TIMES or for ever, hang, or for a start die:MILLIS
    #[arg(long, value_name = "FAULT", value_parser = of_mps, conflicts_with = "fault", group = "broken")]
    mps: Option<Trouble>,
    /// What befalls nvidia-smi: the same, with set-timeslice, list or compute-mode as COMMAND
    #[arg(long, value_name = "FAULT", value_parser = of_smi, conflicts_with = "fault", group = "broken")]
    smi: Option<Trouble>,
}

fn of_mps(text: &str) -> Result<Trouble, ParseError> {
    Trouble::read(Tool::MpsControl, text)
}

fn of_smi(text: &str) -> Result<Trouble, ParseError> {
    Trouble::read(Tool::Smi, text)
}

/// What befalls a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GpuFault {
    Lost,
    Gone,
    Hang,
    ResetRequired,
    Xid(u64),
    EccCorrected(u64),
    EccUncorrected(u64),
    Fabric(FabricFault),
    Clear,
}

impl FromStr for GpuFault {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            let hint = "lost, gone, hang, reset-required, xid=79, ecc-corrected=1, ecc-uncorrected=1, fabric=not-started or clear";
            ParseError::new("a fault", text, hint)
        };
        if let Some(how) = text.strip_prefix("fabric=") {
            let mut words = FabricFault::WORDS.into_iter();
            let (_, how) = words.find(|(word, _)| *word == how).ok_or_else(error)?;
            return Ok(Self::Fabric(how));
        }
        let (word, number) = match text.split_once('=') {
            Some((word, number)) => (word, Some(number.parse::<u64>().map_err(|_| error())?)),
            None => (text, None),
        };
        match (word, number) {
            ("lost", None) => Ok(Self::Lost),
            ("gone", None) => Ok(Self::Gone),
            ("hang", None) => Ok(Self::Hang),
            ("reset-required", None) => Ok(Self::ResetRequired),
            ("clear", None) => Ok(Self::Clear),
            ("xid", Some(code)) => Ok(Self::Xid(code)),
            ("ecc-corrected", Some(count)) => Ok(Self::EccCorrected(count)),
            ("ecc-uncorrected", Some(count)) => Ok(Self::EccUncorrected(count)),
            _ => Err(error()),
        }
    }
}

/// Breaks or mends something. It says nothing: what follows is seen on the machine.
pub fn run(args: &Args) -> Result<(), SimError> {
    control::fault(&args.dir, request(args)).map_err(on(&args.dir))
}

fn request(args: &Args) -> FaultRequest {
    if let Some(trouble) = &args.mps {
        return trouble.of(Tool::MpsControl);
    }
    if let Some(trouble) = &args.smi {
        return trouble.of(Tool::Smi);
    }
    match (args.gpu, args.fault, &args.driver) {
        (Some(gpu), Some(fault), _) => gpu_fault(gpu, fault, args.gi),
        (_, _, Some(DriverFault(request))) => request.clone(),
        // The groups of the arguments leave nothing else.
        (_, _, None) => FaultRequest::DriverClear,
    }
}

fn gpu_fault(gpu: u32, fault: GpuFault, gi: Option<u32>) -> FaultRequest {
    match fault {
        GpuFault::Lost => FaultRequest::Lost { gpu },
        GpuFault::Gone => FaultRequest::Gone { gpu },
        GpuFault::ResetRequired => FaultRequest::ResetRequired { gpu },
        GpuFault::Hang => FaultRequest::Hang { gpu },
        GpuFault::Xid(number) => FaultRequest::Xid { gpu, number, gi },
        GpuFault::EccCorrected(count) => FaultRequest::EccCorrected { gpu, count },
        GpuFault::EccUncorrected(count) => FaultRequest::EccUncorrected { gpu, count },
        GpuFault::Fabric(how) => FaultRequest::Fabric { gpu, how },
        GpuFault::Clear => FaultRequest::Clear { gpu },
    }
}
