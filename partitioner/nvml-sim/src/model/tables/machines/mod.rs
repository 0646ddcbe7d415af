//! The machines that `kerf sim create` knows. Owns the list and the parts that machines share.

mod ampere;
mod blackwell;
mod cdna;
mod hopper;

use super::super::spec::{MachineSpec, NicSpec, Part, Root};
use Part::{Gpu, Nic, NvSwitch, Switch};

/// Two GPUs, each with a NIC on its own switch, both switches behind a larger one: GPU and its NIC
/// are one switch apart (PIX), the two GPUs several (PXB).
const PAIR: Part = Switch(&[Switch(&[Gpu, Nic]), Switch(&[Gpu, Nic])]);

/// Four GPUs on root ports of their own, two to a socket, and a NIC to each socket.
const FOUR_CARDS: &[Root] = &[
    root(0x17, 0, &[Gpu]),
    root(0x3d, 0, &[Gpu, Nic]),
    root(0x97, 1, &[Gpu]),
    root(0xbd, 1, &[Gpu, Nic]),
];

/// Four NVSwitches behind a switch.
const NVSWITCHES: Part = Switch(&[NvSwitch, NvSwitch, NvSwitch, NvSwitch]);

const CONNECTX_7: NicSpec = NicSpec {
    device: 0x1021,
    infiniband: true,
    gbps: 400,
};

const CONNECTX_8: NicSpec = NicSpec {
    device: 0x1023,
    gbps: 800,
    ..CONNECTX_7
};

const CONNECTX_6: NicSpec = NicSpec {
    device: 0x101b,
    infiniband: true,
    gbps: 200,
};

/// The same card on Ethernet.
const ETHERNET_100: NicSpec = NicSpec {
    infiniband: false,
    gbps: 100,
    ..CONNECTX_6
};

/// Root ports of AMD's and Intel's processors, (device, vendor).
const EPYC_9004: (u16, u16) = (0x14a5, 0x1022);
const EPYC_7003: (u16, u16) = (0x1483, 0x1022);
const XEON_6: (u16, u16) = (0x352a, 0x8086);
const XEON_2: (u16, u16) = (0x2030, 0x8086);

const fn root(bus: u8, node: u32, ports: &'static [Part]) -> Root {
    Root { bus, node, ports }
}

/// Every machine, in the order in which `machines()` lists them.
pub static MACHINES: [MachineSpec; 17] = [
    hopper::H100X8,
    hopper::H100X1,
    ampere::A100X8,
    ampere::A100X1,
    ampere::A30X4,
    ampere::A100_40X8,
    ampere::A100_80X8,
    hopper::H100NVL_94X4,
    hopper::H200X8,
    hopper::GH200X1,
    hopper::GH200_144X1,
    blackwell::B200X8,
    blackwell::GB200X4,
    blackwell::B300X8,
    blackwell::GB300X4,
    blackwell::RTXPRO6000X4,
    cdna::MI300X8,
];

/// The machine of that name.
#[must_use]
pub fn machine(name: &str) -> Option<&'static MachineSpec> {
    MACHINES.iter().find(|spec| spec.name == name)
}
