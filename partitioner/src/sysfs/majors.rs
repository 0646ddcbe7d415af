//! Major numbers of character devices, from `/proc/devices`. NVIDIA's capability and UVM drivers get
//! theirs when they load, so no number may be built in.

use std::collections::BTreeMap;

use super::{Root, SysfsError};

/// The driver of `/dev/nvidia-caps/nvidia-cap<minor>`.
pub const NVIDIA_CAPS: &str = "nvidia-caps";

/// Majors by driver name. The first one counts where a driver has several.
pub fn majors(root: &Root) -> Result<BTreeMap<String, u32>, SysfsError> {
    Ok(root
        .read("proc/devices")?
        .map_or_else(BTreeMap::new, |text| parse(&text)))
}

fn parse(text: &str) -> BTreeMap<String, u32> {
    let mut majors = BTreeMap::new();
    let character = text
        .lines()
        .skip_while(|line| line.trim() != "Character devices:")
        .skip(1);
    for line in character.take_while(|line| line.trim() != "Block devices:") {
        if let Some((major, name)) = line.trim().split_once(' ')
            && let Ok(major) = major.parse()
        {
            majors.entry(name.trim().to_owned()).or_insert(major);
        }
    }
    majors
}
