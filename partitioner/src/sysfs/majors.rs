//! Major numbers of character devices, from `/proc/devices`. NVIDIA's capability and UVM drivers get
//! theirs when they load, so no number may be built in.

use std::collections::BTreeMap;

use super::{Root, SysfsError};

/// The driver of `/dev/nvidia-caps/nvidia-cap<minor>`.
pub const NVIDIA_CAPS: &str = "nvidia-caps";

/// The driver of `/dev/nvidia-caps-imex-channels/channel<minor>`.
pub const NVIDIA_IMEX: &str = "nvidia-caps-imex-channels";

/// Majors by driver name. The first one counts where a driver has several.
pub fn majors(root: &Root) -> Result<BTreeMap<String, u32>, SysfsError> {
    let mut majors = BTreeMap::new();
    for (major, name) in character_drivers(root)? {
        majors.entry(name).or_insert(major);
    }
    Ok(majors)
}

/// Every major with its driver's name; a driver may have several.
pub fn character_drivers(root: &Root) -> Result<Vec<(u32, String)>, SysfsError> {
    Ok(root
        .read("proc/devices")?
        .map_or_else(Vec::new, |text| parse(&text)))
}

fn parse(text: &str) -> Vec<(u32, String)> {
    let character = text
        .lines()
        .skip_while(|line| line.trim() != "Character devices:")
        .skip(1);
    character
        .take_while(|line| line.trim() != "Block devices:")
        .filter_map(|line| {
            let (major, name) = line.trim().split_once(' ')?;
            Some((major.parse().ok()?, name.trim().to_owned()))
        })
        .collect()
}
