//! What may be asked, and in which words.

use std::path::PathBuf;

use kerf_types::ask::{GpuRef, NicWithin, Same};

use super::weights::{Given, given, given_whole};

/// `kerf topology pick`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many accelerators
    #[arg(short = 'n', long, value_name = "K", value_parser = count, allow_negative_numbers = true)]
    pub(super) count: usize,
    /// Those that are free, by number (in the order of the file, or of their addresses), or by PCI address or
    /// UUID, which stay where one of them falls off the bus; separated by commas; all by default
    #[arg(long, value_name = "GPU", value_delimiter = ',', value_parser = gpu)]
    pub(super) free: Option<Vec<GpuRef>>,
    /// Those that must be among them
    #[arg(long, value_name = "GPU", value_delimiter = ',', value_parser = gpu)]
    pub(super) include: Vec<GpuRef>,
    /// Those that must not be among them, whether free or not
    #[arg(long, value_name = "GPU", value_delimiter = ',', value_parser = gpu)]
    pub(super) avoid: Vec<GpuRef>,
    /// What they must have in common: numa, or switch for a PCIe switch
    #[arg(long, value_name = "WHAT")]
    pub(super) same: Option<Same>,
    /// Only accelerators with a network interface at this level or nearer: pix, pxb, phb or node
    #[arg(long, value_name = "LEVEL")]
    pub(super) nic: Option<NicWithin>,
    /// A machine as NCCL or RCCL writes it down (NCCL_TOPO_DUMP_FILE); - for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "sysroot")]
    #[arg(conflicts_with_all = ["sysroot", "nvml"])]
    pub(super) nccl_xml: Option<PathBuf>,
    /// The machine under this folder as /
    #[arg(long, value_name = "DIR", requires = "nvml")]
    pub(super) sysroot: Option<PathBuf>,
    /// Its driver library: a path, auto, or none
    #[arg(long, value_name = "LIB", requires = "sysroot")]
    pub(super) nvml: Option<PathBuf>,
    /// Bandwidth in GB/s of a link or a level (board: functions of one card), in place of link=20, board=13, pix=12, pxb=11, phb=10, node=9, sys=8
    #[arg(long, value_name = "WORD=N", value_delimiter = ',', value_parser = given)]
    pub(super) gbps: Vec<Given>,
    /// Score of a link or a level, of network interfaces too, in place of link=100, board=60, pix=50, pxb=40, phb=30,
    /// node=20, sys=10
    #[arg(long, value_name = "WORD=N", value_delimiter = ',', value_parser = given_whole)]
    pub(super) score: Vec<Given>,
}

/// Reads how many; that none is asked for is said where it is picked.
fn count(text: &str) -> Result<usize, String> {
    let number = text.parse();
    number.map_err(|_| format!("{text:?} is not in range: write a whole number, 1 or more"))
}

/// Reads a name of a list; what stands between two commas is all that is seen of it here.
fn gpu(text: &str) -> Result<GpuRef, String> {
    let usual = "write numbers with commas between them (0,1,2), PCI addresses (0000:1b:00.0), or UUIDs (GPU-...)";
    text.parse().map_err(|_| match text {
        "" => format!("nothing stands between two commas; {usual}"),
        _ => format!("{text:?} names no accelerator; {usual}"),
    })
}
