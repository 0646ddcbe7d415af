//! The machines that `kerf sim create` knows. Owns the list and the parts that machines share.

mod ampere;
mod blackwell;
mod cdna;
mod hopper;
mod others;

use super::super::spec::{DriveSpec, MachineSpec, NicKind, NicSpec, Part, Root};
use Part::{Drive, Gpu, Nic, NvSwitch, Switch};

/// Two GPUs, each with a NIC on its own switch, both switches behind a larger one: GPU and its NIC
/// are one switch apart (PIX), the two GPUs several (PXB).
const PAIR: Part = Switch(&[Switch(&[Gpu, Nic]), Switch(&[Gpu, Nic])]);

/// Four GPUs on root ports of their own, two to a socket, and a NIC to each socket.
const FOUR_CARDS: &[Root] = &[
    root(0x17, 0, &[Gpu]),
    root(0x3d, 0, &[Gpu, Nic]),
    root(0x5d, 0, TWO_DRIVES),
    root(0x97, 1, &[Gpu]),
    root(0xbd, 1, &[Gpu, Nic]),
    root(0xdd, 1, TWO_DRIVES),
];

/// Four NVSwitches behind a switch.
const NVSWITCHES: Part = Switch(&[NvSwitch, NvSwitch, NvSwitch, NvSwitch]);

/// A socket's NVMe drives, each on a root port of its own, as the bays of a server's front are wired.
const DRIVES: &[Part] = &[Drive, Drive, Drive, Drive];
/// The same of a smaller server.
const TWO_DRIVES: &[Part] = &[Drive, Drive];

/// A drive of the kind that such servers are sold with.
const DATA_CENTRE_DRIVE: DriveSpec = DriveSpec {
    vendor: 0x144d,
    device: 0xa80a,
    model: "SAMSUNG MZQL23T8HCLS-00A07",
    bytes: 3_840_755_982_336,
    generation: 4,
};

const CONNECTX_7: NicSpec = NicSpec {
    vendor: 0x15b3,
    device: 0x1021,
    driver: "mlx5_core",
    kind: NicKind::InfiniBand,
    gbps: 400,
    generation: 5,
};

const CONNECTX_8: NicSpec = NicSpec {
    device: 0x1023,
    gbps: 800,
    ..CONNECTX_7
};

const CONNECTX_6: NicSpec = NicSpec {
    device: 0x101b,
    gbps: 200,
    generation: 4,
    ..CONNECTX_7
};

/// The same card on Ethernet.
const ETHERNET_100: NicSpec = NicSpec {
    kind: NicKind::Ethernet,
    gbps: 100,
    ..CONNECTX_6
};

/// Root ports of AMD's and Intel's processors, (device, vendor).
const EPYC_9004: (u16, u16) = (0x14a5, 0x1022);
const EPYC_7003: (u16, u16) = (0x1483, 0x1022);
const XEON_6: (u16, u16) = (0x352a, 0x8086);
const XEON_2: (u16, u16) = (0x2030, 0x8086);

const fn root(bus: u8, node: u32, ports: &'static [Part]) -> Root {
    Root {
        domain: 0,
        bus,
        first_device: 1,
        node,
        ports,
    }
}

/// A root complex that is a PCI domain of its own, as every one of a Grace processor is.
const fn segment(domain: u16, node: u32, ports: &'static [Part]) -> Root {
    Root {
        domain,
        bus: 0,
        first_device: 0,
        node,
        ports,
    }
}

/// The root bus of a virtual machine, whose first devices are the hypervisor's own.
const fn guest(bus: u8, node: u32, ports: &'static [Part]) -> Root {
    Root {
        first_device: 3,
        ..root(bus, node, ports)
    }
}

/// Every machine, in the order in which `machines()` lists them.
pub static MACHINES: [MachineSpec; 25] = [
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
    cdna::MI250X4,
    others::GAUDI3X8,
    others::GAUDI2X8_OLD,
    others::TRN2X16,
    others::TPU_V5E_8,
    others::ALVEO_U55CX2,
    others::D5005X2,
    others::MAX1550X4,
];

/// The machine of that name.
#[must_use]
pub fn machine(name: &str) -> Option<&'static MachineSpec> {
    MACHINES.iter().find(|spec| spec.name == name)
}
