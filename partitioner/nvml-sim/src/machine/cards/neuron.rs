//! Trainium2 devices as AWS's driver neuron shows them.
//!
//! After the Neuron Sysfs User Guide, in the layout of drivers before 2.31, and `neuron_cdev.c` of the driver: devices
//! are virtual, and nothing below `/sys` leads from one to its PCI function; `core_count` has no line end. Who is wired
//! to whom is fixed in `v3/neuron_dhal_v3.c` (`trn2_32xl_neigbor_ids`): a torus of four by four. Unverified: that
//! devices are numbered in the order of their addresses.

use super::super::CreateError;
use super::super::class::Device;
use super::super::nodes::Node;
use super::Site;

/// Cores of one device.
const CORES: u32 = 8;

/// The four neighbours of each device, in the driver's order.
const NEIGHBOURS: [[u32; 4]; 16] = [
    [12, 1, 3, 4],
    [0, 13, 5, 2],
    [14, 3, 1, 6],
    [2, 15, 7, 0],
    [8, 5, 7, 0],
    [4, 9, 1, 6],
    [10, 7, 5, 2],
    [6, 11, 3, 4],
    [4, 9, 11, 12],
    [8, 5, 13, 10],
    [6, 11, 9, 14],
    [10, 7, 15, 8],
    [0, 13, 15, 8],
    [12, 1, 9, 14],
    [2, 15, 13, 10],
    [14, 3, 11, 12],
];

/// Kinds of memory on the host, and on the device for each core.
const HOST_MEMORY: [&str; 8] = [
    "application_memory",
    "constants",
    "dma_buffers",
    "dma_rings",
    "driver_memory",
    "notifications",
    "tensors",
    "uncategorized",
];
const DEVICE_MEMORY: [&str; 11] = [
    "collectives",
    "constants",
    "dma_rings",
    "driver_memory",
    "model_code",
    "model_shared_scratchpad",
    "nonshared_scratchpad",
    "notifications",
    "runtime_memory",
    "tensors",
    "uncategorized",
];
/// What calls returned, counted.
const STATUS: [&str; 14] = [
    "exec_bad_input",
    "failure",
    "generic_error",
    "hw_error",
    "infer_completed_with_error",
    "infer_completed_with_num_error",
    "infer_failed_to_queue",
    "invalid_error",
    "oob_error",
    "resource_error",
    "resource_nc_error",
    "success",
    "timeout",
    "unsupported_neff_version",
];
const OTHER: [&str; 6] = [
    "flop_count",
    "inference_count",
    "model_load_count",
    "nc_time_in_use",
    "reset_fail_count",
    "reset_req_count",
];

/// Writes one device; says its node.
pub fn write(site: &Site<'_>) -> Result<Vec<Node>, CreateError> {
    let (tree, index, major) = (site.tree, site.index, site.majors[0]);
    let name = format!("neuron{index}");
    let device = Device {
        class: "neuron_device",
        name: &name,
        parent: None,
        node: Some((major, index, name.clone())),
    };
    let neighbours = NEIGHBOURS.get(crate::model::machine::place(index));
    let neighbours = neighbours.filter(|_| site.count == 16);
    let neighbours =
        neighbours.map_or_else(String::new, |ids| ids.map(|id| id.to_string()).join(", "));
    device.write(
        tree,
        &[
            ("connected_devices", format!("{neighbours}\n")),
            ("reset", "0".to_owned()),
        ],
    )?;
    let folder = device.folder();
    tree.bytes(format!("{folder}/core_count"), CORES.to_string().as_bytes())?;
    tree.attributes(
        format!("{folder}/info"),
        &[
            ("notify_delay", "-1".to_owned()),
            ("serial_number", format!("{:016x}", site.draw(1))),
        ],
    )?;
    tree.attributes(
        format!("{folder}/info/architecture"),
        &[
            ("arch_type", "v3".to_owned()),
            ("device_name", "Trainium2".to_owned()),
            ("instance_type", "Trn2".to_owned()),
        ],
    )?;
    write_device_stats(site, &folder)?;
    for core in 0..CORES {
        write_core(site, &format!("{folder}/neuron_core{core}"))?;
    }
    Ok(vec![(format!("dev/{name}"), major, index, 0o666)])
}

fn write_device_stats(site: &Site<'_>, folder: &str) -> Result<(), CreateError> {
    let ecc = [
        "mem_ecc_uncorrected",
        "mem_ecc_repairable_uncorrected",
        "sram_ecc_uncorrected",
    ];
    site.tree.attributes(
        format!("{folder}/stats/hardware"),
        &ecc.map(|name| (name, "0".to_owned())),
    )?;
    site.tree.attributes(
        format!("{folder}/stats/power"),
        &[(
            "utilization",
            "POWER_STATUS_NO_DATA,0,0.00,0.00,0.00".to_owned(),
        )],
    )?;
    let host = format!("{folder}/stats/memory_usage/host_mem");
    counter(site, &host, true)?;
    HOST_MEMORY
        .iter()
        .try_for_each(|kind| counter(site, &format!("{host}/{kind}"), true))
}

fn write_core(site: &Site<'_>, core: &str) -> Result<(), CreateError> {
    let stats = format!("{core}/stats");
    site.tree.attributes(
        format!("{core}/info/architecture"),
        &[("arch_type", "NCv3".to_owned())],
    )?;
    for status in STATUS {
        counter(site, &format!("{stats}/status/{status}"), false)?;
    }
    let memory = format!("{stats}/memory_usage");
    counter(site, &format!("{memory}/host_mem"), true)?;
    counter(site, &format!("{memory}/device_mem"), true)?;
    for kind in DEVICE_MEMORY {
        counter(site, &format!("{memory}/device_mem/{kind}"), true)?;
    }
    let other = OTHER.map(|name| (name, "0".to_owned()));
    site.tree.attributes(format!("{stats}/other_info"), &other)
}

/// A counter is a folder: what there was in all, and what there is; of memory also the most.
fn counter(site: &Site<'_>, folder: &str, peak: bool) -> Result<(), CreateError> {
    let values: &[&str] = if peak {
        &["total", "present", "peak"]
    } else {
        &["total", "present"]
    };
    let values: Vec<_> = values.iter().map(|name| (*name, "0".to_owned())).collect();
    site.tree.attributes(folder, &values)
}
