//! Alveo cards as the drivers of XRT show them: xclmgmt the first function, xocl the second.
//!
//! Attributes after `mgmtpf/mgmt-sysfs.c`, `userpf/xocl_sysfs.c`, `subdev/feature_rom.c` and `subdev/fmgr.c` of XRT:
//! `mgmt_pf` and `user_pf` are empty and tell by being there; the manager's state is "unknown" until something is
//! loaded; a card that has nothing loaded has an empty `xclbinuuid`. Subdevices are named by kind and instance, which
//! readers match with a pattern. UUIDs and versions are made up.

use super::super::CreateError;
use super::super::class::Device;
use super::super::nodes::Node;
use super::Site;

/// First minor of render nodes.
const FIRST_RENDER: u32 = 128;
/// The shell that is flashed.
const SHELL: &str = "xilinx_u55c_gen3x16_xdma_base_3";

/// Writes both functions of one card; says its nodes.
pub fn write(site: &Site<'_>) -> Result<Vec<Node>, CreateError> {
    let user = site.folder();
    // Both are on one bus, and the management function is the first.
    let management = format!("{}.0", user.trim_end_matches(".1"));
    let [drm, mgmt] = site.majors;
    write_management(site, &management, mgmt)?;
    write_user(site, &user)?;
    let render = FIRST_RENDER + site.index;
    let mut nodes = vec![(
        format!("dev/xclmgmt{}", instance(site)),
        mgmt,
        site.index,
        0o600,
    )];
    for (name, minor) in [
        (format!("card{}", site.index), site.index),
        (format!("renderD{render}"), render),
    ] {
        let path = format!("dri/{name}");
        nodes.push((format!("dev/{path}"), drm, minor, 0o666));
        let device = Device {
            class: "drm",
            name: &name,
            parent: Some(&user),
            node: Some((drm, minor, path)),
        };
        device.write(site.tree, &[])?;
    }
    Ok(nodes)
}

/// XRT's number of a management function: its address (`XOCL_DEV_ID`). That of the user function is the next one.
fn instance(site: &Site<'_>) -> u32 {
    u32::from(site.function.bdf.bus) << 8 | u32::from(site.function.bdf.device) << 3
}

fn uuid(site: &Site<'_>, nth: u64) -> String {
    format!("{:016x}{:016x}", site.draw(nth), site.draw(nth + 1))
}

fn write_management(site: &Site<'_>, folder: &str, major: u32) -> Result<(), CreateError> {
    let logic = uuid(site, 1);
    site.tree.attributes(
        folder,
        &[
            ("board_name", "u55c".to_owned()),
            ("dev_offline", "0".to_owned()),
            ("error", "\n".to_owned()),
            ("flash_type", "spi".to_owned()),
            ("instance", instance(site).to_string()),
            ("interface_uuids", uuid(site, 3)),
            ("link_speed", site.card.pcie_generation.to_string()),
            ("link_speed_max", site.card.pcie_generation.to_string()),
            ("link_width", "16".to_owned()),
            ("link_width_max", "16".to_owned()),
            ("logic_uuids", logic),
            ("mfg", "0".to_owned()),
            ("mgmt_pf", String::new()),
            ("mig_calibration", "0".to_owned()),
            ("ready", "1".to_owned()),
            ("recovery", "0".to_owned()),
            ("slot", site.function.bdf.device.to_string()),
            ("userbar", "0".to_owned()),
            ("xpr", "0".to_owned()),
        ],
    )?;
    write_rom(site, &format!("{folder}/rom.m.{}", instance(site)))?;
    let device = Device {
        class: "xrt_mgmt",
        name: &format!("xclmgmt{}", instance(site)),
        parent: Some(folder),
        node: Some((major, site.index, format!("xclmgmt{}", instance(site)))),
    };
    device.write(site.tree, &[])?;
    let manager = format!("{folder}/fmgr.m.{}", instance(site));
    let fpga = Device {
        class: "fpga_manager",
        name: &format!("fpga{}", site.index),
        parent: Some(&manager),
        node: None,
    };
    fpga.write(
        site.tree,
        &[
            ("name", "Xilinx PCIe FPGA Manager".to_owned()),
            ("state", "unknown".to_owned()),
        ],
    )
}

fn write_user(site: &Site<'_>, folder: &str) -> Result<(), CreateError> {
    let contexts = "outstanding execs:\t0\ntotal execs:\t\t0\ncontexts:\t\t0\nclient pid:\n";
    site.tree.attributes(
        folder,
        &[
            ("board_name", "u55c".to_owned()),
            ("dev_offline", "0".to_owned()),
            ("kdsstat", contexts.to_owned()),
            ("link_speed", site.card.pcie_generation.to_string()),
            ("link_speed_max", site.card.pcie_generation.to_string()),
            ("link_width", "16".to_owned()),
            ("link_width_max", "16".to_owned()),
            ("mig_calibration", "0x0".to_owned()),
            ("ready", "0x1".to_owned()),
            ("user_pf", String::new()),
            ("userbar", "0".to_owned()),
            ("xclbinuuid", String::new()),
        ],
    )?;
    write_rom(site, &format!("{folder}/rom.u.{}", instance(site) + 1))
}

/// The feature ROM: what shell the card has, and its memory.
fn write_rom(site: &Site<'_>, folder: &str) -> Result<(), CreateError> {
    site.tree.attributes(
        folder,
        &[
            ("VBNV", SHELL.to_owned()),
            ("FPGA", "xcu55c-fsvh2892-2L-e".to_owned()),
            ("ddr_bank_count_max", "0".to_owned()),
            ("ddr_bank_size", "0".to_owned()),
            ("timestamp", "0".to_owned()),
            ("uuid", uuid(site, 1)),
        ],
    )
}
