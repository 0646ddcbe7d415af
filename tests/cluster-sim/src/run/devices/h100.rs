//! The GPUs of the simulated hosts: an H100 as its driver describes it, cut to six profiles.

use kerf_types::inventory::{Architecture, NvLink, NvLinkRemote, PcieLink};
use kerf_types::{
    Bytes, DeviceMinor, Engines, Gpu, Health, MigMode, PciAddress, Placement, Profile, ProfileId,
};

/// One profile: id, name, starts, size, maximum count, memory in GiB, decoders, full compute profile.
type Row = (u32, &'static str, &'static [u32], u32, u32, u64, u32, u32);

const ROWS: [Row; 6] = [
    (0, "7g.80gb", &[0], 8, 1, 80, 7, 4),
    (5, "4g.40gb", &[0], 4, 1, 40, 4, 3),
    (9, "3g.40gb", &[0, 4], 4, 2, 40, 3, 2),
    (14, "2g.20gb", &[0, 2, 4], 2, 3, 20, 2, 1),
    (15, "1g.20gb", &[0, 2, 4, 6], 2, 4, 20, 1, 7),
    (19, "1g.10gb", &[0, 1, 2, 3, 4, 5, 6], 1, 7, 10, 1, 0),
];

/// Units of its grid.
pub const UNITS: u8 = 8;

/// Its profiles.
pub fn profiles() -> Vec<Profile> {
    ROWS.iter().map(profile).collect()
}

fn profile(row: &Row) -> Profile {
    let (id, name, starts, size, max_count, memory, decoder, full) = *row;
    let place = |start: &u32| Placement::try_new(*start, size).expect("it is within the grid");
    Profile {
        id: ProfileId(id),
        name: name.parse().expect("it is a name"),
        slices: u32::from(name.as_bytes()[0] - b'0'),
        memory: Bytes(memory << 30),
        sm_count: 16,
        engines: Engines {
            copy: 1,
            decoder,
            ..Engines::default()
        },
        max_count,
        placements: starts.iter().map(place).collect(),
        full_compute_profile: Some(ProfileId(full)),
        compute: Vec::new(),
    }
}

/// GPU number `index` of a host, in MIG mode and with nothing on it.
pub fn gpu(index: u8) -> Gpu {
    let number = u32::from(index);
    Gpu {
        index: number,
        uuid: format!("GPU-{number}").parse().expect("it is a UUID"),
        pci: PciAddress {
            domain: 0,
            bus: 0x10 + index,
            device: 0,
            function: 0,
        },
        minor: DeviceMinor(number),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        pci_device_id: 0x2330_10de,
        pci_subsystem_id: 0,
        serial: None,
        architecture: Architecture::Hopper,
        compute_capability: (9, 0),
        memory: Bytes(80 << 30),
        numa_node: Some(number / 4),
        pcie: PcieLink::default(),
        nvlinks: vec![NvLink {
            link: 0,
            active: true,
            version: 4,
            remote: NvLinkRemote::Switch(None),
        }],
        fabric: None,
        c2c: Vec::new(),
        mig_mode: MigMode::Enabled,
        profiles: profiles(),
        instances: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}
