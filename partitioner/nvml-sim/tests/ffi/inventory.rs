//! What describes a machine, through nvml-wrapper's safe API, which is what kerf itself calls.

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::InitFlags;
use nvml_wrapper::enum_wrappers::device::{Brand, TopologyLevel};
use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::NvmlError;

use crate::common::{World, get, string, zero};
use nvml_wrapper_sys::bindings::*;

fn wrapper(world: &World) -> Nvml {
    Nvml::builder()
        .lib_path(world.machine.library.as_os_str())
        .init()
        .expect("nvmlInit")
}

#[test]
fn a_gpu_is_who_the_capture_says() {
    let world = World::new("h100x8");
    let nvml = wrapper(&world);
    assert_eq!(nvml.device_count().expect("a count"), 8);
    assert_eq!(nvml.sys_driver_version().expect("a version"), "590.48.01");
    assert_eq!(nvml.sys_cuda_driver_version().expect("a version"), 13_010);
    let gpu = nvml.device_by_index(0).expect("a GPU");
    assert_eq!(gpu.name().expect("a name"), "NVIDIA H100 80GB HBM3");
    assert_eq!(gpu.brand().expect("a brand"), Brand::Nvidia);
    assert_eq!(
        gpu.architecture().expect("an architecture"),
        DeviceArchitecture::Hopper
    );
    let capability = gpu.cuda_compute_capability().expect("a capability");
    assert_eq!((capability.major, capability.minor), (9, 0));
    let pci = gpu.pci_info().expect("an address");
    assert_eq!(pci.bus_id, "00000000:0D:00.0");
    assert_eq!(
        (pci.pci_device_id, pci.pci_sub_system_id),
        (0x2330_10DE, Some(0x16C1_10DE))
    );
    assert_eq!(gpu.vbios_version().expect("a version"), "96.00.A5.00.01");
    assert_eq!(
        gpu.board_part_number().expect("a number"),
        "692-2G520-0200-000"
    );
    assert_eq!(
        gpu.info_rom_image_version().expect("a version"),
        "G520.0200.00.05"
    );
    assert_eq!(gpu.minor_number().expect("a number"), 0);
    assert_eq!(
        (gpu.max_pcie_link_gen().ok(), gpu.max_pcie_link_width().ok()),
        (Some(5), Some(16))
    );
    assert_eq!(gpu.num_cores().expect("a count"), 16_896);
    let bar1 = gpu.bar1_memory_info().expect("BAR1");
    assert_eq!(bar1.total >> 20, 131_072);
    assert!(matches!(gpu.fan_speed(0), Err(NvmlError::NotSupported)));
    assert!(
        gpu.mig_mode()
            .is_ok_and(|mode| mode.current == 0 && mode.pending == 0)
    );
}

#[test]
fn a_gpu_is_found_by_every_name() {
    let world = World::new("a100x8");
    let (nvml, raw) = (wrapper(&world), world.nvml());
    for index in 0..8 {
        let gpu = nvml.device_by_index(index).expect("a GPU");
        let uuid = gpu.uuid().expect("a UUID");
        assert!(uuid.starts_with("GPU-") && uuid.len() == 40, "{uuid}");
        let found = [
            nvml.device_by_uuid(uuid),
            nvml.device_by_pci_bus_id(gpu.pci_info().expect("an address").bus_id),
        ];
        for found in found {
            assert_eq!(
                found.expect("the same GPU").index().expect("an index"),
                index
            );
        }
        let serial = std::ffi::CString::new(gpu.serial().expect("a number")).expect("no NUL");
        let null = std::ptr::null_mut();
        let found = get!(raw, nvmlDeviceGetHandleBySerial, null, serial.as_ptr());
        assert_eq!(found, raw.gpu(index));
    }
    assert!(matches!(
        nvml.device_by_index(8),
        Err(NvmlError::InvalidArg)
    ));
    assert!(matches!(
        nvml.device_by_uuid("GPU-0"),
        Err(NvmlError::NotFound)
    ));
    assert!(matches!(
        nvml.device_by_pci_bus_id("0000:ff:00.0"),
        Err(NvmlError::NotFound)
    ));
    assert!(matches!(
        nvml.device_by_pci_bus_id("what"),
        Err(NvmlError::InvalidArg)
    ));
}

#[test]
fn topology_agrees_with_the_tree_in_sysfs() {
    let world = World::new("h100x8");
    let nvml = wrapper(&world);
    let gpu = |index| nvml.device_by_index(index).expect("a GPU");
    let level = |a, b| gpu(a).topology_common_ancestor(gpu(b)).expect("a level");
    assert_eq!(level(0, 1), TopologyLevel::Multiple);
    assert_eq!(level(0, 2), TopologyLevel::Node);
    assert_eq!(level(0, 7), TopologyLevel::System);
    let near = gpu(0)
        .topology_nearest_gpus(TopologyLevel::Multiple)
        .expect("neighbours");
    let near: Vec<u32> = near
        .iter()
        .map(|gpu| gpu.index().expect("an index"))
        .collect();
    assert_eq!(near, [1]);
    for index in [0, 7] {
        let address = gpu(index)
            .pci_info()
            .expect("an address")
            .bus_id
            .to_lowercase();
        let device = world
            .machine
            .sysroot
            .join("sys/bus/pci/devices")
            .join(&address[4..]);
        let list = std::fs::read_to_string(device.join("local_cpulist")).expect("sysfs");
        let words = gpu(index).cpu_affinity(4).expect("a set");
        let first = words.iter().position(|word| *word != 0).expect("a CPU");
        let first = first * 64 + usize::try_from(words[first].trailing_zeros()).expect("small");
        assert!(list.starts_with(&format!("{first}-")), "{list}");
        let count: u32 = words.iter().map(|word| word.count_ones()).sum();
        assert_eq!(count, 96);
    }
}

#[test]
fn nvlinks_lead_to_the_nvswitches_in_sysfs() {
    let world = World::new("h100x8");
    let nvml = wrapper(&world);
    let gpu = nvml.device_by_index(2).expect("a GPU");
    let mut ends = std::collections::BTreeSet::new();
    for link in 0..18 {
        let link = gpu.link_wrapper_for(link);
        assert!(link.is_active().expect("a state"));
        assert_eq!(link.version().expect("a version"), 6);
        let end = link.remote_pci_info().expect("an end");
        assert_eq!(end.pci_device_id, 0x22a3_10de);
        let folder = world.machine.sysroot.join("sys/bus/pci/devices");
        let class = folder.join(&end.bus_id.to_lowercase()[4..]).join("class");
        assert_eq!(std::fs::read_to_string(class).expect("sysfs"), "0x068000\n");
        ends.insert(end.bus_id);
    }
    assert_eq!(ends.len(), 4);
    assert!(matches!(
        gpu.link_wrapper_for(18).is_active(),
        Err(NvmlError::InvalidArg)
    ));
    let raw = world.nvml();
    let device = raw.gpu(2).expect("a GPU");
    assert_eq!(
        get!(raw, nvmlDeviceGetNvLinkRemoteDeviceType, 9, device, 0),
        Ok(2)
    );
    raw.set_mig(device, true).expect("idle");
    assert!(matches!(
        gpu.link_wrapper_for(0).is_active(),
        Err(NvmlError::NotSupported)
    ));
    let status = get!(
        raw,
        nvmlDeviceGetP2PStatus,
        9,
        device,
        raw.gpu(0).expect("a GPU"),
        2
    );
    assert_eq!(status, Ok(5), "MIG takes P2P away");
    let others = (raw.gpu(0).expect("a GPU"), raw.gpu(7).expect("a GPU"));
    assert_eq!(
        get!(raw, nvmlDeviceGetP2PStatus, 9, others.0, others.1, 2),
        Ok(0)
    );
}

#[test]
fn the_fabric_is_complete_where_there_are_switches() {
    let (eight, one) = (World::new("h100x8"), World::new("h100x1"));
    for (world, state) in [(&eight, 3), (&one, 0)] {
        let nvml = world.nvml();
        let device = nvml.gpu(0).expect("a GPU");
        let mut info: nvmlGpuFabricInfo_v3_t = zero();
        info.version = u32::try_from(size_of_val(&info)).expect("small") | 3 << 24;
        let info = get!(nvml, nvmlDeviceGetGpuFabricInfoV, info, device).expect("Hopper");
        assert_eq!((info.state, info.status, info.cliqueId), (state, 0, 0));
        info_version_is_checked(&nvml, device);
    }
}

fn info_version_is_checked(nvml: &crate::common::Nvml, device: nvmlDevice_t) {
    let wrong: nvmlGpuFabricInfo_v3_t = zero();
    assert_eq!(
        get!(nvml, nvmlDeviceGetGpuFabricInfoV, wrong, device).err(),
        Some(25)
    );
    let wrong: nvmlMemory_v2_t = zero();
    assert_eq!(
        get!(nvml, nvmlDeviceGetMemoryInfo_v2, wrong, device).err(),
        Some(25)
    );
}

#[test]
fn a_buffer_that_is_too_small_is_refused_and_not_overrun() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let device = nvml.gpu(0).expect("a GPU");
    let mut buffer = [7; 96];
    // SAFETY: the buffer is longer than the length given.
    let code = unsafe { nvml.0.nvmlDeviceGetName(device, buffer.as_mut_ptr(), 21) };
    assert_eq!((code, buffer[0]), (7, 7));
    // SAFETY: the buffer is longer than the length given.
    let code = unsafe { nvml.0.nvmlDeviceGetName(device, buffer.as_mut_ptr(), 22) };
    assert_eq!(
        (code, string(&buffer).as_str(), buffer[22]),
        (0, "NVIDIA H100 80GB HBM3", 7)
    );
    // SAFETY: null is refused.
    let code = unsafe { nvml.0.nvmlDeviceGetName(device, std::ptr::null_mut(), 22) };
    assert_eq!(code, 2);
}

#[test]
fn what_the_products_lack_is_not_supported_and_not_absent() {
    let world = World::new("h100x1");
    let nvml = world.nvml();
    let device = nvml.gpu(0).expect("a GPU");
    assert_eq!(get!(nvml, nvmlDeviceGetNumaNodeId, 0, device), Err(3));
    assert_eq!(get!(nvml, nvmlDeviceGetDisplayMode, 0, device), Err(26));
    let flags = Nvml::builder()
        .lib_path(world.machine.library.as_os_str())
        .flags(InitFlags::NO_GPUS)
        .init();
    let by_wrapper = flags.expect("nvmlInitWithFlags");
    let gpu = by_wrapper.device_by_index(0).expect("a GPU");
    assert!(matches!(gpu.active_vgpus(), Err(NvmlError::NotSupported)));
}
