//! `kerf lease show`: everything about one lease.

use kerf_api::json::{Lease, LeaseEntry};

use super::super::style::Style;
use super::super::table::row;
use super::{head, push_names};

/// One lease with everything that is known of it; what it does not have has no line.
pub fn render_whole(lease: &Lease, style: Style) -> String {
    let entry = &lease.lease;
    let mut table = head(entry);
    let fence = format!("{}.{}", entry.fence.epoch, entry.fence.counter);
    for (name, value) in optional(entry) {
        if let Some(value) = value {
            table.push(row![name, value]);
        }
    }
    table.push(row!["fence", fence]);
    push_names(&mut table, entry);
    table.render(style, "")
}

fn optional(entry: &LeaseEntry) -> [(&'static str, Option<String>); 10] {
    let list = |names: &Vec<String>| (!names.is_empty()).then(|| names.join(", "));
    let others = entry.isolated.map(|isolated| match isolated {
        true => "out of its reach",
        false => "not out of its reach: the kernel does not keep it from them",
    });
    [
        ("container", entry.container.clone()),
        ("process", entry.init_pid.map(|pid| pid.to_string())),
        ("others", others.map(str::to_owned)),
        (
            "cut",
            entry
                .on_demand
                .then(|| "for it, and goes with it".to_owned()),
        ),
        ("since", Some(entry.created_at.clone())),
        ("expires", entry.expires_at.clone()),
        ("processors", entry.cpus.clone()),
        ("memory nodes", entry.mems.clone()),
        ("interfaces", list(&entry.nearest_nics)),
        ("disks", list(&entry.nearest_nvme)),
    ]
}
