//! Intel's Data Center GPUs as the driver xe shows them: DRM nodes, tiles with their graphics units, hwmon.
//!
//! After `Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon`, `xe_gt_freq.c`, `xe_gt_idle.c`, `xe_gt_ccs_mode.c`
//! and `xe_hw_engine_class_sysfs.c` of Linux. Unverified: `physical_vram_size_bytes`, which Intel's level-zero reads
//! and not every kernel has; and that a release of the driver takes this GPU without being forced to.

use super::super::CreateError;
use super::super::class::Device;
use super::super::nodes::Node;
use super::Site;

/// First minor of render nodes.
const FIRST_RENDER: u32 = 128;
/// Tiles of a GPU.
const TILES: u32 = 2;
/// Compute slices of a tile, which can be dealt to as many compute engines.
const SLICES: u32 = 4;
/// Classes of engines of a tile: compute, copy, video decode and enhancement.
const ENGINES: [&str; 4] = ["bcs", "ccs", "vcs", "vecs"];

/// Writes one GPU; says its nodes.
pub fn write(site: &Site<'_>) -> Result<Vec<Node>, CreateError> {
    let (pci, major) = (site.folder(), site.majors[0]);
    let render = FIRST_RENDER + site.index;
    let mut nodes = Vec::new();
    for (name, minor) in [
        (format!("card{}", site.index), site.index),
        (format!("renderD{render}"), render),
    ] {
        let path = format!("dri/{name}");
        nodes.push((format!("dev/{path}"), major, minor, 0o666));
        let device = Device {
            class: "drm",
            name: &name,
            parent: Some(&pci),
            node: Some((major, minor, path)),
        };
        device.write(site.tree, &[])?;
    }
    for tile in 0..TILES {
        write_tile(site, &format!("{pci}/tile{tile}"), tile)?;
    }
    site.tree
        .text(format!("{pci}/vram_d3cold_threshold"), "300")?;
    write_sensors(site, &pci)?;
    Ok(nodes)
}

fn write_tile(site: &Site<'_>, folder: &str, tile: u32) -> Result<(), CreateError> {
    let memory = site.card.memory_bytes / u64::from(TILES);
    site.tree
        .attributes(folder, &[("physical_vram_size_bytes", memory.to_string())])?;
    let frequency = [
        ("min_freq", "3200".to_owned()),
        ("max_freq", "3200".to_owned()),
    ];
    site.tree
        .attributes(format!("{folder}/memory/freq0"), &frequency)?;
    // Graphics units are counted through all tiles.
    let gt = format!("{folder}/gt{tile}");
    site.tree.attributes(
        &gt,
        &[
            ("ccs_mode", "1".to_owned()),
            ("num_cslices", SLICES.to_string()),
        ],
    )?;
    let frequencies = [
        ("act_freq", "0"),
        ("cur_freq", "900"),
        ("max_freq", "1600"),
        ("min_freq", "900"),
        ("rp0_freq", "1600"),
        ("rpe_freq", "900"),
        ("rpn_freq", "900"),
    ];
    let frequencies = frequencies.map(|(name, mhz)| (name, mhz.to_owned()));
    site.tree.attributes(format!("{gt}/freq0"), &frequencies)?;
    site.tree.attributes(
        format!("{gt}/gtidle"),
        &[
            ("name", format!("gt{tile}-rc")),
            ("idle_status", "gt-c6".to_owned()),
            ("idle_residency_ms", "3600000".to_owned()),
        ],
    )?;
    for engine in ENGINES {
        site.tree.attributes(
            format!("{gt}/engines/{engine}"),
            &[
                ("job_timeout_ms", "5000".to_owned()),
                ("preempt_timeout_us", "640000".to_owned()),
                ("timeslice_duration_us", "1000".to_owned()),
            ],
        )?;
    }
    Ok(())
}

fn write_sensors(site: &Site<'_>, pci: &str) -> Result<(), CreateError> {
    let hwmon = Device {
        class: "hwmon",
        name: &format!("hwmon{}", site.index),
        parent: Some(pci),
        node: None,
    };
    let facts = [
        ("name", "xe"),
        ("energy1_input", "431260000000"),
        ("power1_max", "600000000"),
        ("power1_max_interval", "28000"),
        ("power1_rated_max", "600000000"),
        ("curr1_crit", "1150000"),
    ];
    hwmon.write(
        site.tree,
        &facts.map(|(name, value)| (name, value.to_owned())),
    )
}
