//! Inventory, topology, profiles and slices.

use kerf_api::json::{Inventory, Profiles, Slices, Topology};
use kerf_api::v1;

use super::PLAIN;
use crate::cli::{inventory, profiles, slices, topology};

/// A host with a cut GPU, a whole one and one that is lost.
fn host() -> kerf_types::Inventory {
    let message = v1::Inventory {
        host: "node-1".to_owned(),
        driver: Some(v1::Driver {
            version: "590.48.01".to_owned(),
            nvml_version: "13.590.48.01".to_owned(),
            cuda_version: Some("13.1".to_owned()),
        }),
        gpus: vec![
            v1::Gpu {
                mig_mode: v1::MigMode::Enabled.into(),
                ..gpu(0)
            },
            gpu(1),
            v1::Gpu {
                health: Some(lost()),
                memory_bytes: 0,
                numa_node: None,
                ..gpu(2)
            },
        ],
        numa_nodes: vec![v1::NumaNode {
            id: 0,
            cpus: Some("0-55".to_owned()),
            memory_bytes: Some(512 << 30),
            distances: vec![10],
            ..Default::default()
        }],
        nics: vec![v1::Nic {
            name: "mlx5_0".to_owned(),
            pci: Some("0000:18:00.0".to_owned()),
            numa_node: Some(0),
            link_layer: "InfiniBand".to_owned(),
            rate_mbps: Some(400_000),
            ..Default::default()
        }],
        problems: vec!["gpu 2 does not answer".to_owned()],
        amd: Vec::new(),
        map: Default::default(),
    };
    message.try_into().expect("a right inventory")
}

fn gpu(index: u32) -> v1::Gpu {
    v1::Gpu {
        index,
        uuid: format!("GPU-0000-{index}"),
        pci: format!("0000:1{index}:00.0"),
        minor: index,
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        architecture: 9,
        compute_capability_major: 9,
        memory_bytes: 80 << 30,
        numa_node: Some(0),
        pcie: Some(v1::PcieLink::default()),
        mig_mode: v1::MigMode::Disabled.into(),
        profiles: vec![
            profile(19, "1g.10gb", 7, 1, &[0, 1, 2]),
            profile(9, "3g.40gb", 2, 4, &[0, 4]),
        ],
        health: Some(v1::Health {
            state: Some(v1::health::State::Ok(v1::health::Ok {})),
        }),
        ..v1::Gpu::default()
    }
}

fn lost() -> v1::Health {
    let lost = v1::health::Lost {
        since_ms: 1_795_608_000_000,
    };
    v1::Health {
        state: Some(v1::health::State::Lost(lost)),
    }
}

fn profile(id: u32, name: &str, max_count: u32, size: u32, starts: &[u32]) -> v1::Profile {
    let place = |start: &u32| v1::Placement {
        start: *start,
        size,
    };
    v1::Profile {
        id,
        name: name.to_owned(),
        slices: 1,
        memory_bytes: 9_984 << 20,
        sm_count: 16,
        engines: Some(v1::Engines {
            copy: 1,
            decoder: 1,
            encoder: 0,
            jpeg: 1,
            ofa: 0,
        }),
        max_count,
        placements: starts.iter().map(place).collect(),
        full_compute_profile: Some(0),
        compute: Vec::new(),
    }
}

#[test]
fn an_inventory_names_what_is_wrong() {
    insta::assert_snapshot!(inventory::render(&Inventory::from(&host()), PLAIN), @"
    node-1  driver 590.48.01, NVML 13.590.48.01, CUDA 13.1
    PROBLEM: gpu 2 does not answer

    GPU  PCI           NAME                   MEMORY  NUMA  MIG       NVLINKS  PROCESSES  HEALTH                               UUID
      0  0000:10:00.0  NVIDIA H100 80GB HBM3   80GiB     0  0 slices        0          0  ok                                   GPU-0000-0
      1  0000:11:00.0  NVIDIA H100 80GB HBM3   80GiB     0  off             0          0  ok                                   GPU-0000-1
      2  0000:12:00.0  NVIDIA H100 80GB HBM3       -     -  off             0          0  lost since 2026-11-25T12:00:00.000Z  GPU-0000-2

    NODE  CPUS  MEMORY  DISTANCES
       0  0-55  512GiB  10

    NIC     KIND  PCI           NUMA  LINK            RATE  NETDEVS
    mlx5_0  rdma  0000:18:00.0     0  InfiniBand  400 Gb/s  -
    ");
    let empty = kerf_types::Inventory {
        gpus: Vec::new(),
        driver: None,
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: Vec::new(),
        ..host()
    };
    insta::assert_snapshot!(inventory::render(&Inventory::from(&empty), PLAIN), @"
    node-1  no driver answers
    no GPUs
    ");
}

#[test]
fn amd_gpus_have_a_table_of_their_own() {
    let amd = |index, memory_mode: &str, pending: Option<&str>| v1::AmdGpu {
        index,
        pci: format!("0000:0{index}:00.0"),
        name: "AMD Instinct MI300X OAM".to_owned(),
        memory_bytes: 192 << 30,
        numa_node: Some(0),
        compute: Some("CPX".to_owned()),
        memory_mode: Some(memory_mode.to_owned()),
        pending_memory: pending.map(str::to_owned),
        processes: vec![4_242],
        health: gpu(0).health,
        ..v1::AmdGpu::default()
    };
    let message = v1::Inventory {
        host: "node-2".to_owned(),
        amd: vec![amd(0, "NPS1", Some("NPS4")), amd(1, "NPS1", None)],
        ..v1::Inventory::default()
    };
    let inventory: kerf_types::Inventory = message.try_into().expect("a right inventory");
    insta::assert_snapshot!(inventory::render(&Inventory::from(&inventory), PLAIN), @"
    node-2  driver amdgpu

    AMD  PCI           NAME                     MEMORY  NUMA  COMPUTE  MEMORY MODE                PARTITIONS  PROCESSES  HEALTH
      0  0000:00:00.0  AMD Instinct MI300X OAM  192GiB     0  CPX      NPS1, NPS4 after a reload           0          1  ok
      1  0000:01:00.0  AMD Instinct MI300X OAM  192GiB     0  CPX      NPS1                                0          1  ok
    ");
}

#[test]
fn gpus_that_are_alike_share_a_table_of_profiles() {
    let mut host = host();
    if let Some(last) = host.gpus.last_mut() {
        last.profiles.clear();
        last.mig_mode = kerf_types::MigMode::Unsupported;
    }
    insta::assert_snapshot!(profiles::render(&Profiles::from(&host), PLAIN), @"
    NVIDIA H100 80GB HBM3  GPU 0-1
      PROFILE  ID  MAX   MEMORY  SM  CE DEC ENC JPG OFA  PLACEMENTS
      1g.10gb  19    7  9.75GiB  16   1   1   0   1   0  {0,1,2}:1
      3g.40gb   9    2  9.75GiB  16   1   1   0   1   0  {0,4}:4

    NVIDIA H100 80GB HBM3  GPU 2
      cannot be cut
    ");
}

#[test]
fn a_topology_has_its_legends() {
    let row = |device: &str, pci: &str, links: [&str; 2]| v1::TopologyRow {
        device: device.to_owned(),
        links: links.map(str::to_owned).into(),
        cpu_affinity: Some("0-55".to_owned()),
        numa_node: Some(0),
        pci: pci.to_owned(),
        memory_node: (device == "GPU0").then_some(8),
    };
    let message = v1::Topology {
        header: ["GPU0", "NIC0"].map(str::to_owned).into(),
        rows: vec![
            row("GPU0", "0000:10:00.0", ["X", "PIX"]),
            row("NIC0", "0000:18:00.0", ["PIX", "X"]),
        ],
    };
    let topology = Topology::try_from(&message).expect("a right matrix");
    let nics = Inventory::from(&host()).nics;
    insta::assert_snapshot!(topology::render(&topology, &nics, PLAIN), @"
          GPU0  NIC0  CPU Affinity  NUMA Affinity  GPU NUMA ID  PCI
    GPU0  X     PIX   0-55          0              8            0000:10:00.0
    NIC0  PIX   X     0-55          0              N/A          0000:18:00.0

    Legend:
      X     =  Self
      SYS   =  Connection traversing PCIe as well as the SMP interconnect between NUMA nodes (e.g., QPI/UPI)
      NODE  =  Connection traversing PCIe as well as the interconnect between PCIe Host Bridges within a NUMA node
      PHB   =  Connection traversing PCIe as well as a PCIe Host Bridge (typically the CPU)
      PXB   =  Connection traversing multiple PCIe bridges (without traversing the PCIe Host Bridge)
      PIX   =  Connection traversing at most a single PCIe bridge
      NV#   =  Connection traversing a bonded set of # NVLinks

    NIC Legend:
      NIC0  =  mlx5_0
    ");
}

#[test]
fn parts_are_drawn_in_their_instance() {
    let part = |start: u32, size: u32, state: &str| v1::Slice {
        id: format!("0000:10:00.0-4-4-c{start}-{size}"),
        gpu_pci: "0000:10:00.0".to_owned(),
        profile: format!("{size}c.3g.40gb"),
        placement: Some(v1::Placement { start: 4, size: 4 }),
        compute: Some(v1::Placement { start, size }),
        ci: Some(start),
        uuid: Some(format!("MIG-{start}")),
        state: state.to_owned(),
        ..v1::Slice::default()
    };
    let message = v1::ListSlicesResponse {
        shared: Vec::new(),
        slices: vec![part(2, 1, "free"), part(0, 1, "leased")],
    };
    let all = Slices::try_from(&message).expect("right slices");
    let grids = Profiles::from(&host());
    insta::assert_snapshot!(slices::render(&all, &grids, PLAIN), @"
    GPU 0  0000:10:00.0  NVIDIA H100 80GB HBM3  │··│··│··│··│███··│·░░░░│
      PROFILE           AT  STATE   ISOLATION  HOLDER  MEMORY  SM  GI  CI  UUID   ID
      1c.3g.40gb  4:4 c0:1  leased             -           0B   0   0   0  MIG-0  0000:10:00.0-4-4-c0-1
      1c.3g.40gb  4:4 c2:1  free               -           0B   0   0   2  MIG-2  0000:10:00.0-4-4-c2-1

    GPU 1-2: not cut
    ");
}

#[test]
fn slices_are_drawn_on_their_grid() {
    let slice = |profile: &str, start, size, state: &str| v1::Slice {
        id: format!("0000:10:00.0-{start}-{size}"),
        gpu_uuid: "GPU-0000-0".to_owned(),
        gpu_pci: "0000:10:00.0".to_owned(),
        profile: profile.to_owned(),
        placement: Some(v1::Placement { start, size }),
        gi: start + 7,
        ci: Some(0),
        uuid: Some(format!("MIG-{start}")),
        memory_bytes: 9_984 << 20,
        sm_count: 16,
        state: state.to_owned(),
        cdi_name: format!("kerf.dev/slice=0000:10:00.0-{start}-{size}"),
        ..v1::Slice::default()
    };
    let held = v1::Slice {
        holder: Some("container default/c1".to_owned()),
        ..slice("3g.40gb", 4, 4, "leased")
    };
    let sick = v1::Slice {
        reason: Some("its process does not end".to_owned()),
        ..slice("1g.10gb", 1, 1, "quarantined")
    };
    let message = v1::ListSlicesResponse {
        shared: Vec::new(),
        slices: vec![held, sick, slice("1g.10gb", 0, 1, "free")],
    };
    let all = Slices::try_from(&message).expect("right slices");
    let grids = Profiles::from(&host());
    insta::assert_snapshot!(slices::render(&all, &grids, PLAIN), @"
    GPU 0  0000:10:00.0  NVIDIA H100 80GB HBM3  │░░│××│··│··│███████████│
      PROFILE   AT  STATE                                   ISOLATION  HOLDER                 MEMORY  SM  GI  CI  UUID   ID
      1g.10gb  0:1  free                                               -                     9.75GiB  16   7   0  MIG-0  0000:10:00.0-0-1
      1g.10gb  1:1  quarantined (its process does not end)             -                     9.75GiB  16   8   0  MIG-1  0000:10:00.0-1-1
      3g.40gb  4:4  leased                                             container default/c1  9.75GiB  16  11   0  MIG-4  0000:10:00.0-4-4

    GPU 1-2: not cut
    ");
    let none = Slices::try_from(&v1::ListSlicesResponse::default()).expect("no slices");
    insta::assert_snapshot!(slices::render(&none, &grids, PLAIN), @"
    GPU 0  0000:10:00.0  NVIDIA H100 80GB HBM3  │··│··│··│··│··│··│··│··│
      no slices

    GPU 1-2: not cut
    ");
}
