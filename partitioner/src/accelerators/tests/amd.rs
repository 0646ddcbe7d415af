//! amdgpu and KFD.

use kerf_types::Bytes;
use kerf_types::map::{AcceleratorHealth, CapabilityKey as Key, DeviceClass, Vendor};

use super::{World, kernel, lines, published, said, with_virtuals};

const NODES: &str = "sys/class/kfd/kfd/topology/nodes";
const FIRST: &str = "0000:11:00.0";
const SECOND: &str = "0000:2f:00.0";

/// A node as `node_show` writes it.
fn node(world: &mut World, number: u32, facts: &[(&str, u64)]) {
    let lines: String = facts
        .iter()
        .map(|(name, value)| format!("{name} {value}\n"))
        .collect();
    let folder = format!("{NODES}/{number}");
    world.file(&format!("{folder}/properties"), &lines);
    world.file(&format!("{folder}/gpu_id"), &format!("{}\n", number * 1000));
}

fn processor(world: &mut World, number: u32) {
    node(
        world,
        number,
        &[("cpu_cores_count", 192), ("simd_count", 0)],
    );
}

/// A GPU of 304 compute units in 8 XCCs, or a part of it, at a bus number.
fn gpu(world: &mut World, number: u32, bus: u64, minor: u64, (xccs, part): (u64, u64)) {
    let facts = [
        ("cpu_cores_count", 0),
        ("simd_count", xccs * 38 * 4),
        ("simd_per_cu", 4),
        ("gfx_target_version", 90_402),
        ("location_id", bus << 8 | part << 28),
        ("domain", 0),
        ("drm_render_minor", minor),
        ("hive_id", 0x77),
        ("num_xcc", xccs),
    ];
    node(world, number, &facts);
    let bank = format!(
        "heap_type 1\nsize_in_bytes {}\nflags 0\nwidth 8192\n",
        xccs << 34
    );
    world.file(&format!("{NODES}/{number}/mem_banks/0/properties"), &bank);
}

/// A link as `iolink_show` writes it.
fn link(world: &mut World, (from, to): (u32, u32), number: u32, facts: (u32, u32, u32, u32, u32)) {
    let (kind, weight, least, most, flags) = facts;
    let text = format!(
        "type {kind}\nversion_major 0\nversion_minor 0\nnode_from {from}\nnode_to {to}\n\
         weight {weight}\nmin_latency 0\nmax_latency 0\nmin_bandwidth {least}\n\
         max_bandwidth {most}\nrecommended_transfer_size 0\nflags {flags}\n"
    );
    world.file(
        &format!("{NODES}/{from}/io_links/{number}/properties"),
        &text,
    );
}

/// Two MI300X that are linked, and two sockets.
pub fn sample() -> World {
    let mut world = World::new();
    world.file("sys/class/kfd/kfd/topology/generation_id", "2\n");
    world.file("sys/devices/system/node/online", "0-1\n");
    world.file("sys/devices/system/node/has_cpu", "0-1\n");
    world.file("sys/module/amdgpu/version", "6.12.12\n");
    world.file("sys/kernel/mm/memory_peers/amdkfd/version", "1.0\n");
    for (at, serial) in [(FIRST, "692352000001"), (SECOND, "692352000002")] {
        let function = world.function(at, 0x120000, (0x1002, 0x74a1), Some("amdgpu"));
        with_virtuals(function, 8);
        let folder = format!("sys/devices/pci0000:00/{at}");
        for (name, content) in [
            ("product_name", "AMD Instinct MI300X OAM\n"),
            ("serial_number", serial),
            ("unique_id", "c3b5e6b2d7a10001\n"),
            ("mem_info_vram_total", "206141652992\n"),
            ("mem_info_vram_used", "298491904\n"),
            ("gpu_busy_percent", "12\n"),
            ("current_compute_partition", "SPX\n"),
            ("available_compute_partition", "SPX, DPX, QPX, CPX\n"),
            ("available_memory_partition", "NPS1, NPS4\n"),
        ] {
            world.file(&format!("{folder}/{name}"), content);
        }
    }
    processor(&mut world, 0);
    processor(&mut world, 1);
    gpu(&mut world, 2, 0x11, 128, (8, 0));
    gpu(&mut world, 3, 0x2f, 136, (8, 0));
    for (from, to) in [(2, 3), (3, 2)] {
        link(&mut world, (from, from - 2), 0, (2, 20, 31_504, 63_008, 1));
        link(&mut world, (from, to), 1, (11, 15, 64_000, 64_000, 1));
    }
    world.device(DeviceClass::Drm, "card1", FIRST);
    world.device(DeviceClass::Drm, "renderD128", FIRST);
    world
}

#[test]
fn an_mi300x_tells_everything() {
    let world = sample();
    let (found, oddities) = world.find_with_oddities();
    assert!(oddities.is_empty(), "{oddities:?}");
    let [one, other] = found.accelerators.as_slice() else {
        panic!("{} accelerators", found.accelerators.len());
    };
    assert_eq!((one.id.as_str(), other.id.as_str()), (FIRST, SECOND));
    assert_eq!(one.vendor, Some(Vendor::Amd));
    assert_eq!(one.model, "AMD Instinct MI300X OAM");
    assert_eq!(one.architecture.as_deref(), Some("gfx942"));
    assert_eq!(one.memory, Some(Bytes(206_141_652_992)));
    assert_eq!(one.serial.as_deref(), Some("692352000001"));
    assert_eq!(one.unique_id.as_deref(), Some("c3b5e6b2d7a10001"));
    assert_eq!(one.driver.as_deref(), Some("amdgpu 6.12.12"));
    assert_eq!(
        one.nodes,
        ["/dev/dri/card1", "/dev/dri/renderD128", "/dev/kfd"]
    );
    assert_eq!(one.health, AcceleratorHealth::Ok);
    // For these amdgpu asks the GPU's firmware, which may hang: they are told by who asks each GPU by itself.
    assert_eq!((one.memory_used, one.utilisation_percent), (None, None));
    assert_eq!(said(one, Key::ComputeUnits), kernel("304"));
    assert_eq!(said(one, Key::Chiplets), kernel("8"));
    assert_eq!(
        said(one, Key::PartitionModes),
        kernel("cpx dpx qpx spx sriov")
    );
    assert_eq!(said(one, Key::PartitionMemoryModes), kernel("nps1 nps4"));
    assert_eq!(said(one, Key::PartitionMax), kernel("8"));
    assert_eq!(said(one, Key::PcieAtomics), kernel("true"));
    assert_eq!(said(one, Key::HostCoherent), kernel("false"));
    assert_eq!(said(one, Key::PeerDma), kernel("true"));
    assert_eq!(said(one, Key::MemoryBandwidth), published("5300"));
    assert_eq!(
        said(one, Key::Formats),
        published("bf16 fp16 fp32 fp64 fp8 int8 tf32")
    );
    assert_eq!(lines(&found), [format!("{FIRST} - {SECOND} xgmi x1 64")]);
}

/// MI250: what is the most by what is the least; a peer two hops away is no link, and one without bandwidth is one.
#[test]
fn links_are_counted_by_their_bandwidth() {
    for (facts, expected) in [
        ((11, 15, 50_000, 200_000, 1), Some("x4 200")),
        ((11, 15, 50_000, 50_000, 1), Some("x1 50")),
        ((11, 15, 0, 0, 1), Some("x1 -")),
        ((11, 30, 0, 0, 1), None),
        ((11, 41, 0, 0, 1), Some("x1 -")),
        ((2, 40, 16_000, 32_000, 1), None),
        ((11, 15, 1, u32::MAX, 1), Some("x64 4294967")),
    ] {
        let mut world = World::new();
        world.function(FIRST, 0x038000, (0x1002, 0x7408), Some("amdgpu"));
        world.function(SECOND, 0x038000, (0x1002, 0x7408), Some("amdgpu"));
        gpu(&mut world, 1, 0x11, 128, (1, 0));
        gpu(&mut world, 2, 0x2f, 129, (1, 0));
        link(&mut world, (1, 2), 0, facts);
        let expected: Vec<String> = expected
            .map(|tail| format!("{FIRST} - {SECOND} xgmi {tail}"))
            .into_iter()
            .collect();
        assert_eq!(lines(&world.find()), expected, "{facts:?}");
    }
}

/// A node that says nothing takes its links with it, which somebody must hear of.
#[test]
fn a_node_without_facts_is_odd() {
    for text in ["", "junk"] {
        let mut world = World::new();
        world.function(FIRST, 0x038000, (0x1002, 0x7408), Some("amdgpu"));
        gpu(&mut world, 1, 0x11, 128, (1, 0));
        world.file(&format!("{NODES}/2/properties"), text);
        let (_, oddities) = world.find_with_oddities();
        let paths: Vec<&str> = oddities.iter().map(|odd| odd.path.as_str()).collect();
        assert_eq!(paths, [format!("/{NODES}/2/properties")], "{text:?}");
    }
}

/// In CPX each XCC is a node; together they are the GPU, and links between them are none of the host's.
#[test]
fn partitions_are_summed_up() {
    let mut world = World::new();
    world.function(FIRST, 0x120000, (0x1002, 0x74a1), Some("amdgpu"));
    world.function(SECOND, 0x120000, (0x1002, 0x74a1), Some("amdgpu"));
    for part in 0..8_u32 {
        gpu(
            &mut world,
            1 + part,
            0x11,
            u64::from(128 + part),
            (1, u64::from(part)),
        );
        link(&mut world, (1 + part, 9), 0, (11, 41, 0, 0, 1));
        link(
            &mut world,
            (1 + part, 1 + (part + 1) % 8),
            1,
            (11, 13, 819_200, 819_200, 1),
        );
    }
    gpu(&mut world, 9, 0x2f, 136, (8, 0));
    let found = world.find();
    let one = found.accelerators.first().expect("a GPU");
    assert_eq!(said(one, Key::ComputeUnits), kernel("304"));
    assert_eq!(said(one, Key::Chiplets), kernel("8"));
    assert_eq!(
        one.memory,
        Some(Bytes(8 << 34)),
        "banks count where amdgpu is silent"
    );
    assert_eq!(one.nodes.len(), 9, "{:?}", one.nodes);
    assert_eq!(lines(&found), [format!("{FIRST} - {SECOND} xgmi x1 -")]);
}

/// MI300A: the way to the processor is Infinity Fabric, and that is the processor of its NUMA node.
#[test]
fn an_apu_is_linked_to_its_processor() {
    let mut world = World::new();
    world.file("sys/devices/system/node/online", "0-3,8\n");
    world.file("sys/devices/system/node/has_cpu", "3,8\n");
    world.function(FIRST, 0x120000, (0x1002, 0x74a0), Some("amdgpu"));
    processor(&mut world, 0);
    processor(&mut world, 1);
    gpu(&mut world, 2, 0x11, 128, (6, 0));
    link(&mut world, (2, 1), 0, (11, 13, 819_200, 819_200, 1));
    let found = world.find();
    let one = found.accelerators.first().expect("a GPU");
    assert_eq!(one.model, "AMD Instinct MI300A");
    assert_eq!(said(one, Key::HostCoherent), kernel("true"));
    assert_eq!(lines(&found), [format!("{FIRST} - node8 xgmi x1 819")]);
    // Where KFD has more processors than the kernel has nodes, nobody knows which is which.
    world.file("sys/devices/system/node/online", "0-7\n");
    world.file("sys/devices/system/node/has_cpu", "0-7\n");
    assert!(lines(&world.find()).is_empty());
}

#[test]
fn atomics_are_off_where_both_widths_are() {
    for (flags, expected) in [
        (1, "true"),
        (1 | 1 << 2, "true"),
        (1 | 1 << 2 | 1 << 3, "false"),
    ] {
        let mut world = World::new();
        world.function(FIRST, 0x120000, (0x1002, 0x74a1), Some("amdgpu"));
        processor(&mut world, 0);
        gpu(&mut world, 1, 0x11, 128, (8, 0));
        link(&mut world, (1, 0), 0, (2, 20, 1, 1, flags));
        assert_eq!(said(&world.only(), Key::PcieAtomics), kernel(expected));
    }
}

#[test]
fn targets_are_written_as_their_maker_does() {
    for (version, target) in [
        (90_010, "gfx90a"),
        (90_402, "gfx942"),
        (90_500, "gfx950"),
        (110_000, "gfx1100"),
        (120_001, "gfx1201"),
    ] {
        let mut world = World::new();
        world.function(FIRST, 0x030000, (0x1002, 0x1234), Some("amdgpu"));
        node(
            &mut world,
            0,
            &[
                ("simd_count", 4),
                ("gfx_target_version", version),
                ("location_id", 0x1100),
            ],
        );
        assert_eq!(world.only().architecture.as_deref(), Some(target));
    }
}

/// A display of AMD's that amdgpu does not serve, its sound, and a bridge are no accelerators; a processing
/// accelerator without a driver is one of which nothing more is known.
#[test]
fn what_amdgpu_does_not_serve() {
    let mut world = World::new();
    world.function("0000:01:00.0", 0x030000, (0x1002, 0x6779), Some("radeon"));
    world.function(
        "0000:01:00.1",
        0x040300,
        (0x1002, 0xaa98),
        Some("snd_hda_intel"),
    );
    world.function("0000:02:00.0", 0x060400, (0x1022, 0x1234), None);
    world.function(FIRST, 0x120000, (0x1002, 0x74a1), None);
    let one = world.only();
    assert_eq!(one.model, "AMD Instinct MI300X");
    assert_eq!((one.memory, one.memory_used), (None, None));
    assert_eq!(one.health, AcceleratorHealth::Unknown);
    assert_eq!(one.driver, None);
    assert_eq!(said(&one, Key::MemorySize), published("192"));
}
