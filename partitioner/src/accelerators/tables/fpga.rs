//! FPGA cards by PCI device ids.

use kerf_types::map::{CapabilityKey as Key, Vendor};

use super::{Fact, count, word};

/// A board.
pub struct Board {
    /// PCI vendor id.
    pub vendor: u16,
    /// Device ids of its functions: for management and for users, as XRT's `xocl/devices.h` and the kernel's
    /// `drivers/fpga/dfl-pci.c` list them.
    pub devices: &'static [u16],
    /// Its name.
    pub name: &'static str,
    /// What its chips are.
    pub architecture: Option<&'static str>,
    /// What it has.
    pub facts: &'static [Fact],
}

const XILINX: u16 = 0x10ee;
const INTEL: u16 = 0x8086;
const SILICOM: u16 = 0x1c2c;
const AMAZON: u16 = 0x1d0f;

const ULTRASCALE: Option<&str> = Some("ultrascale+");
const VERSAL: Option<&str> = Some("versal");

const HBM2: Fact = word(Key::MemoryKind, "hbm2");
const DDR4: Fact = word(Key::MemoryKind, "ddr4");

const fn size(gibibytes: u64) -> Fact {
    count(Key::MemorySize, gibibytes)
}
const fn speed(gigabytes: u64) -> Fact {
    count(Key::MemoryBandwidth, gigabytes)
}

const fn alveo(
    devices: &'static [u16],
    name: &'static str,
    architecture: Option<&'static str>,
    facts: &'static [Fact],
) -> Board {
    Board {
        vendor: XILINX,
        devices,
        name,
        architecture,
        facts,
    }
}

const fn dfl(
    vendor: u16,
    devices: &'static [u16],
    name: &'static str,
    architecture: Option<&'static str>,
) -> Board {
    Board {
        vendor,
        devices,
        name,
        architecture,
        facts: &[],
    }
}

/// Memory after the data sheets of the cards (DS962, DS963, DS965, DS978), which are those of U200, U250, U280, U50 and
/// U55C; of the other cards none was found.
#[rustfmt::skip]
pub const BOARDS: &[Board] = &[
    alveo(&[0x5000, 0x5001], "Alveo U200", ULTRASCALE, &[DDR4, size(64), speed(77)]),
    alveo(&[0x5004, 0x5005], "Alveo U250", ULTRASCALE, &[DDR4, size(64), speed(77)]),
    alveo(&[0x5008, 0x5009, 0x500c, 0x500d], "Alveo U280", ULTRASCALE, &[HBM2, size(8), speed(460)]),
    alveo(&[0x5020, 0x5021], "Alveo U50", ULTRASCALE, &[HBM2, size(8)]),
    alveo(&[0x5060, 0x5061], "Alveo U50LV", ULTRASCALE, &[HBM2.unverified(), size(8).unverified()]),
    alveo(&[0x506c, 0x506d], "Alveo U50C", ULTRASCALE, &[HBM2.unverified()]),
    alveo(&[0x5058, 0x5059], "Alveo U55N", ULTRASCALE, &[HBM2.unverified()]),
    alveo(&[0x505c, 0x505d], "Alveo U55C", ULTRASCALE, &[HBM2, size(16), speed(460)]),
    alveo(&[0x5050, 0x5051], "Alveo U25", ULTRASCALE, &[DDR4.unverified()]),
    alveo(&[0x504e, 0x504f], "Alveo U26Z", ULTRASCALE, &[]),
    alveo(&[0x503c, 0x503d, 0x513c, 0x513d], "Alveo U30", ULTRASCALE, &[DDR4.unverified()]),
    alveo(&[0x5074, 0x5075, 0x5086], "Alveo X3522PV", ULTRASCALE, &[]),
    alveo(&[0x5044, 0x5045, 0x5048, 0x5049], "VCK5000", VERSAL, &[DDR4.unverified()]),
    alveo(&[0x5078, 0x5079], "Alveo V65", VERSAL, &[]),
    alveo(&[0x5094, 0x5095], "Alveo V70", VERSAL, &[]),
    alveo(&[0x6098, 0x6099], "VCK190", VERSAL, &[]),
    dfl(INTEL, &[0xbcbd, 0xbcbf], "Intel FPGA (integrated, 5.x)", Some("arria10")),
    dfl(INTEL, &[0xbcc0, 0xbcc1], "Intel FPGA (integrated, 6.x)", Some("arria10")),
    dfl(INTEL, &[0x09c4, 0x09c5], "Intel FPGA PAC Arria 10 GX", Some("arria10")),
    dfl(INTEL, &[0x0b2b, 0x0b2c], "Intel FPGA PAC D5005", Some("stratix10")),
    dfl(INTEL, &[0x0b30], "Intel FPGA PAC N3000", Some("arria10")),
    dfl(INTEL, &[0xbcce, 0xbccf], "Intel FPGA (Device Feature List)", None),
    dfl(SILICOM, &[0x1000], "Silicom PAC N5010", Some("stratix10")),
    dfl(SILICOM, &[0x1001], "Silicom PAC N5011", Some("stratix10")),
    dfl(AMAZON, &[0x1042, 0xf010, 0xf011], "AWS F1 FPGA", ULTRASCALE),
];

/// The board that a function is a part of.
pub fn board(vendor: u16, device: u16) -> Option<&'static Board> {
    let is_it = |board: &&Board| board.vendor == vendor && board.devices.contains(&device);
    BOARDS.iter().find(is_it)
}

/// Who makes boards of a PCI vendor id.
pub fn maker(vendor: u16) -> Vendor {
    match vendor {
        XILINX => Vendor::Amd,
        INTEL => Vendor::Intel,
        AMAZON => Vendor::Aws,
        other => Vendor::Other(other),
    }
}
