//! IMEX channels of NVIDIA's driver: how many it was loaded for, and which have a device node.
//!
//! After the driver's README, chapter on module parameters (`NVreg_ImexChannelCount`), and what it writes to
//! `/proc/driver/nvidia/params`, which takes no lock that a GPU could hold.

use kerf_types::map::ImexChannels;

use super::{Reader, Root, majors};

/// Folder of the nodes, from `/`.
const NODES: &str = "dev/nvidia-caps-imex-channels";
const PARAMS: &str = "proc/driver/nvidia/params";
const COUNT: &str = "ImexChannelCount:";

/// Most nodes that are listed: twice what a driver has without being told.
const NODE_LIMIT: usize = 4_096;

/// The channels; `None` where the driver of their nodes is not loaded.
pub fn channels(reader: &Reader<'_>) -> Option<ImexChannels> {
    // That the table cannot be read is told by who reads it for all drivers.
    let majors = majors::majors(reader.root()).unwrap_or_default();
    majors.get(majors::NVIDIA_IMEX)?;
    let mut nodes = reader.numbered(NODES, "channel");
    nodes.retain(|channel| *channel < ImexChannels::LIMIT);
    nodes.truncate(NODE_LIMIT);
    let count = reader.text(PARAMS).and_then(|text| {
        let told = told(&text)?;
        let count = told
            .parse()
            .ok()
            .filter(|count| *count <= ImexChannels::LIMIT);
        count.or_else(|| {
            reader.odd(
                PARAMS,
                format_args!("{told:?} is no count of IMEX channels"),
            )
        })
    });
    Some(ImexChannels { count, nodes })
}

/// Whether the driver has a channel of that number, as far as it says how many there are.
pub fn has(root: &Root, channel: u32) -> bool {
    let params = root.fact(PARAMS).unwrap_or_default();
    let count = told(&params).and_then(|told| told.parse::<u32>().ok());
    channel
        < count
            .unwrap_or(ImexChannels::LIMIT)
            .min(ImexChannels::LIMIT)
}

fn told(params: &str) -> Option<&str> {
    let mut lines = params.lines();
    lines.find_map(|line| Some(line.trim().strip_prefix(COUNT)?.trim()))
}
