//! NVLinks: which a GPU has, and which are up.

use std::collections::BTreeMap;

use super::super::kerf::elements;
use super::super::parse::links::GpuLinks;
use super::super::reading::Told;
use super::{Gpu, NOTHING, Row, number};

/// Links of one GPU. nvidia-smi does not show them while MIG is on.
pub fn gpu(gpu: &Gpu<'_>, told: &Told<Vec<GpuLinks>>) -> Row {
    let (of, field) = (gpu.name(), "nvlinks up");
    let ours: BTreeMap<u64, bool> = elements(gpu.gpu, "nvlinks")
        .iter()
        .filter_map(|link| Some((number(link, "/link")?, link.get("active")?.as_bool()?)))
        .collect();
    let shown = shown(&ours);
    let links = match told {
        Told::Yes(links) => links,
        Told::No(why) => return Row::not_compared(&of, field, &shown, why),
    };
    let theirs = links
        .iter()
        .find(|links| u64::from(links.index) == gpu.index);
    match theirs.map(|links| &links.up) {
        Some(None) => Row::not_compared(&of, field, &shown, "nvidia-smi does not ask in MIG mode"),
        // A GPU without NVLink may have no line.
        None => Row::of(&of, field, &shown, NOTHING, ours.is_empty()),
        Some(Some(up)) => {
            let theirs = up
                .iter()
                .map(|(link, up)| (u64::from(*link), *up))
                .collect();
            Row::of(&of, field, &shown, &self::shown(&theirs), ours == theirs)
        }
    }
}

/// `18 of 18`, and the numbers of those that are down.
fn shown(links: &BTreeMap<u64, bool>) -> String {
    if links.is_empty() {
        return NOTHING.to_owned();
    }
    let down = links.iter().filter(|(_, up)| !**up);
    let down: Vec<String> = down.map(|(link, _)| link.to_string()).collect();
    let count = format!("{} of {}", links.len() - down.len(), links.len());
    if down.is_empty() || down.len() == links.len() {
        count
    } else {
        format!("{count}, down: {}", down.join(" "))
    }
}
