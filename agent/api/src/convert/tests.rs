//! Everything survives the way to the wire and back, and what is wrong is refused with its place.

mod lease;
mod map;
mod peer;
mod record;
mod vgpu;

use std::fmt::Debug;

use kerf_types::amd::{ComputePartition, MemoryPartition};
use kerf_types::inventory::{Architecture, GpuProcess};
use kerf_types::job::JobState;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::sample::{GpuSample, SliceSample};
use kerf_types::{
    Bytes, CiId, GiId, Gpu, Health, Inventory, MigMode, ProfileId, Step, Timestamp, VgpuTypeId,
};
use prost::Message;

use super::{
    ConvertError, Fault, GPU_LIMIT, GRID_LIMIT, NAME_LIMIT, architecture, architecture_number,
    gpu_selector, gpu_selector_text, job_state,
};
use crate::example::{cut_gpu, inventory, pci, place};
use crate::v1;
use vgpu::vgpu_uuid;

/// Sends a value over the wire and expects it back.
fn check<T, W>(value: &T)
where
    T: PartialEq + Debug + TryFrom<W, Error = ConvertError>,
    W: Message + Default + for<'a> From<&'a T>,
{
    let bytes = W::from(value).encode_to_vec();
    let message = W::decode(bytes.as_slice()).expect("just written");
    assert_eq!(&T::try_from(message).expect("it was valid"), value);
}

/// Changes the wire form of a good inventory and expects this error.
fn check_refused(change: impl FnOnce(&mut v1::Inventory), expected: &str) {
    let mut message = v1::Inventory::from(&inventory());
    change(&mut message);
    let error = Inventory::try_from(message).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

fn steps() -> [Step; 10] {
    let (gpu, profile, placement) = (pci("10000:e1:00.0"), ProfileId(9), place(4, 4));
    let (gi, ci, uuid) = (
        GiId(2),
        CiId(1),
        "MIG-x/2/1".parse().expect("an old-style UUID"),
    );
    [
        Step::SetMigMode {
            gpu,
            enabled: true,
            allow_reset: true,
        },
        Step::CreateGpuInstance {
            gpu,
            profile,
            placement,
        },
        Step::CreateComputeInstance {
            gpu,
            placement,
            profile,
            compute: Some(place(1, 2)),
        },
        Step::DestroyComputeInstance { gpu, gi, ci, uuid },
        Step::DestroyGpuInstance {
            gpu,
            gi,
            profile,
            placement,
        },
        Step::SetAmdCompute {
            gpu,
            mode: ComputePartition::Tpx,
        },
        Step::SetAmdMemory {
            gpu,
            mode: MemoryPartition::Nps8,
        },
        Step::SetSriov { gpu, enabled: true },
        Step::CreateVgpu {
            gpu,
            function: pci("10000:e1:00.4"),
            type_id: VgpuTypeId(1_145),
            uuid: vgpu_uuid(),
            placement: Some(8),
        },
        Step::DestroyVgpu {
            gpu,
            function: pci("10000:e1:00.4"),
            type_id: VgpuTypeId(1_145),
            uuid: Some(vgpu_uuid()),
        },
    ]
}

fn sample() -> GpuSample {
    GpuSample {
        gpu: cut_gpu().uuid,
        taken: Timestamp(1_795_478_400_000),
        temperature_celsius: Some(-3.5),
        memory_temperature_celsius: None,
        power_watts: Some(412.75),
        power_limit_watts: Some(700.0),
        energy_joules: Some(1e12),
        sm_clock_hertz: Some(1.98e9),
        memory_clock_hertz: None,
        utilization_ratio: Some(1.0),
        memory_utilization_ratio: Some(0.0),
        memory_used: Some(Bytes(1)),
        memory_total: Some(Bytes(2)),
        ecc_corrected: Some(3),
        ecc_uncorrected: Some(0),
        pcie_replays: None,
        clock_event_reasons: Some(1 << 63),
        sm_activity_ratio: Some(0.25),
        slices: vec![SliceSample {
            gi: GiId(7),
            ci: CiId(0),
            uuid: "MIG-1".parse().expect("a UUID"),
            memory_used: None,
            memory_total: Some(Bytes(4)),
            sm_activity_ratio: Some(0.5),
        }],
        processes: vec![GpuProcess {
            pid: 1,
            memory: None,
            gi: None,
            ci: None,
        }],
        last_xid: Some(79),
    }
}

fn layout() -> Layout {
    let slices = [("1g.10gb", 2), ("1g.10gb+me", 1)];
    let slices = slices.map(|(name, count)| (name.parse().expect("a profile"), count));
    let on = vec![
        GpuSelector::Index(0),
        GpuSelector::Uuid(cut_gpu().uuid),
        GpuSelector::Pci(pci("0000:43:00.0")),
    ];
    let off = vec![GpuSelector::Index(7)];
    Layout {
        rules: vec![
            LayoutRule {
                gpus: on,
                mig_enabled: true,
                slices: slices.into(),
                ..LayoutRule::default()
            },
            LayoutRule {
                gpus: off,
                mig_enabled: false,
                ..LayoutRule::default()
            },
        ],
    }
}

#[test]
fn everything_survives_the_wire() {
    check::<_, v1::Inventory>(&inventory());
    check::<_, v1::Inventory>(&Inventory {
        driver: None,
        gpus: Vec::new(),
        ..inventory()
    });
    check::<_, v1::GpuSample>(&sample());
    check::<_, v1::Layout>(&layout());
    for step in steps() {
        check::<_, v1::Step>(&step);
    }
    let since = Timestamp(5);
    let operation = "nvmlDeviceGetMigMode".to_owned();
    for health in [
        Health::Ok,
        Health::Lost { since },
        Health::Unresponsive { since, operation },
        Health::ResetRequired { since },
        Health::Xid { since, code: 48 },
        Health::Maintenance { since },
    ] {
        check::<_, v1::Health>(&health);
    }
}

#[test]
fn words_and_numbers_survive() {
    use MigMode::{DisablePending, Disabled, EnablePending, Enabled, Unsupported};
    for mode in [
        Unsupported,
        Disabled,
        Enabled,
        EnablePending,
        DisablePending,
    ] {
        check::<_, v1::Gpu>(&Gpu {
            mig_mode: mode,
            ..cut_gpu()
        });
    }
    for state in JobState::ALL {
        assert_eq!(job_state(state.as_str()), Ok(state));
    }
    assert!(job_state("Running").is_err());
    for number in 0..=12 {
        assert_eq!(architecture_number(architecture(number)), number);
    }
    assert_eq!(architecture(9), Architecture::Hopper);
}

#[test]
fn a_wrong_inventory_is_refused_with_its_place() {
    check_refused(|i| i.gpus[1].health = None, "gpus[1].health: missing");
    check_refused(|i| i.gpus[0].pcie = None, "gpus[0].pcie: missing");
    check_refused(
        |i| i.gpus[0].mig_mode = 0,
        "gpus[0].mig_mode: 0 is not a MIG mode",
    );
    check_refused(
        |i| i.gpus[0].mig_mode = 99,
        "gpus[0].mig_mode: 99 is not a MIG mode",
    );
    check_refused(
        |i| i.gpus[0].uuid = "x".to_owned(),
        "gpus[0].uuid: a GPU UUID expected, found \"x\": it starts with GPU-, see `kerf inventory`",
    );
    check_refused(
        |i| i.gpus[0].profiles[0].engines = None,
        "gpus[0].profiles[0].engines: missing",
    );
    check_refused(
        |i| i.gpus[0].instances[0].placement = Some(v1::Placement { start: 60, size: 5 }),
        "gpus[0].instances[0].placement: a placement expected, found \"60:5\": start:size within 64 \
         units, size at least 1",
    );
    check_refused(
        |i| i.nics[0].pci = Some("18:00".to_owned()),
        "nics[0].pci: a PCI address expected, found \"18:00\": write it as 0000:1b:00.0",
    );
}

#[test]
fn a_gpu_that_stands_there_twice_is_refused() {
    let copy = |i: &mut v1::Inventory| i.gpus[1] = i.gpus[0].clone();
    check_refused(copy, "gpus: 0 stands there twice");
    let twin = |i: &mut v1::Inventory| i.gpus[1].pci = i.gpus[0].pci.clone();
    check_refused(twin, "gpus: 0000:1b:00.0 stands there twice");
}

/// NVML counts those that are left, and the one that is gone is shown at its last index.
#[test]
fn a_gpu_that_dropped_out_may_have_the_index_of_another() {
    let mut inventory = inventory();
    inventory.gpus[0].health = Health::Lost {
        since: Timestamp(1),
    };
    inventory.gpus[1].index = inventory.gpus[0].index;
    let read = Inventory::try_from(v1::Inventory::from(&inventory)).expect("one of them counts");
    assert_eq!(read.gpus[0].index, read.gpus[1].index);
}

#[test]
fn what_is_too_large_is_refused() {
    let many = |i: &mut v1::Inventory| i.gpus = vec![v1::Gpu::default(); GPU_LIMIT + 1];
    check_refused(many, "gpus: 257 entries, at most 256 are allowed");
    let many = |i: &mut v1::Inventory| {
        i.gpus[0].instances = vec![v1::GpuInstance::default(); GRID_LIMIT + 1];
    };
    check_refused(
        many,
        "gpus[0].instances: 65 entries, at most 64 are allowed",
    );
    let long = |i: &mut v1::Inventory| i.host = "x".repeat(NAME_LIMIT + 1);
    check_refused(long, "host: 257 bytes, at most 256 are allowed");
    let long = |i: &mut v1::Inventory| i.problems[0] = "x".repeat(8_193);
    check_refused(long, "problems[0]: 8193 bytes, at most 8192 are allowed");
}

#[test]
fn a_wrong_step_is_refused() {
    let error = Step::try_from(v1::Step::default()).expect_err("no kind");
    assert_eq!(error, ConvertError::new("kind", Fault::Missing));
    let step = v1::step::CreateGpuInstance {
        gpu: "0000:1b:00.0".to_owned(),
        ..Default::default()
    };
    let kind = Some(v1::step::Kind::CreateGpuInstance(step));
    let error = Step::try_from(v1::Step { kind }).expect_err("no placement");
    assert_eq!(error.to_string(), "create_gpu_instance.placement: missing");
}

#[test]
fn a_reading_that_no_sensor_gives_is_refused() {
    let mut message = v1::GpuSample::from(&sample());
    message.power_watts = Some(f64::NAN);
    let error = GpuSample::try_from(message).expect_err("not a number");
    assert_eq!(
        error.to_string(),
        "power_watts: NaN is not a finite number of at least 0"
    );
    let mut message = v1::GpuSample::from(&sample());
    message.slices[0].sm_activity_ratio = Some(1.5);
    let error = GpuSample::try_from(message).expect_err("too much");
    assert_eq!(
        error.to_string(),
        "slices[0].sm_activity_ratio: 1.5 is not a share from 0 to 1"
    );
}

#[test]
fn names_of_gpus_survive() {
    for text in ["all", "0", "4294967295", "GPU-5d4c", "0000:1b:00.0"] {
        let selector = gpu_selector(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(gpu_selector_text(&selector), text);
    }
    for text in ["", "ALL", "-1", "4294967296", "GPU-", "gpu0", "0x1"] {
        assert!(gpu_selector(text).is_err(), "{text} was accepted");
    }
}

fn check_layout_refused(change: impl FnOnce(&mut v1::Layout), expected: &str) {
    let mut message = v1::Layout::from(&layout());
    change(&mut message);
    let error = Layout::try_from(message).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_layout_that_contradicts_itself_is_refused() {
    check_layout_refused(|l| l.rules[0].gpus.clear(), "rules[0].gpus: missing");
    check_layout_refused(
        |l| l.rules[0].gpus[1] = "all".to_owned(),
        "rules[0].gpus: all stands alone",
    );
    check_layout_refused(
        |l| l.rules[1].gpus = vec!["all".to_owned()],
        "rules: a rule for all GPUs stands alone",
    );
    check_layout_refused(
        |l| l.rules[1].gpus = vec!["0".to_owned()],
        "rules: 0 stands there twice",
    );
    check_layout_refused(
        |l| l.rules[0].mig_enabled = false,
        "rules[0].slices: a GPU with MIG off has no slices",
    );
    check_layout_refused(
        |l| *l.rules[0].slices.entry("1g.10gb".to_owned()).or_default() = 65,
        "rules[0].slices.1g.10gb: 65 is not a number of slices from 0 to 64",
    );
    check_layout_refused(
        |l| *l.rules[0].slices.entry("01g.10gb".to_owned()).or_default() = 1,
        "rules[0].slices: 1g.10gb stands there twice",
    );
}

#[test]
fn wrong_amd_gpus_are_refused() {
    let wrong = |change: fn(&mut v1::AmdGpu), expected| {
        check_refused(|inventory| change(&mut inventory.amd[0]), expected);
    };
    wrong(
        |gpu| gpu.compute = Some("XPX".to_owned()),
        "amd[0].compute: a compute partition mode expected, found \"XPX\": spx, dpx, tpx, qpx or cpx",
    );
    wrong(
        |gpu| gpu.memory_modes.push("NPS3".to_owned()),
        "amd[0].memory_modes[2]: a memory partition mode expected, found \"NPS3\": nps1, nps2, nps4 or nps8",
    );
    wrong(
        |gpu| gpu.partitions[1].render_minor = 128,
        "amd[0].partitions: 128 stands there twice",
    );
    wrong(|gpu| gpu.health = None, "amd[0].health: missing");
    check_refused(
        |inventory| inventory.amd.push(inventory.amd[0].clone()),
        "amd: 0 stands there twice",
    );
}
