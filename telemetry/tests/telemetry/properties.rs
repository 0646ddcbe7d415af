//! What holds for every page, whatever the caller gives: hosts are taken at random from few ids, so
//! that the same GPU, slice and lease come twice.

use std::collections::BTreeSet;

use kerf_telemetry::families::{self, Kind};
use kerf_telemetry::{Format, Snapshot};
use kerf_types::{CiId, GiId, Health, LeaseId, Timestamp};
use proptest::prelude::*;

use crate::text::{blocks, page};
use crate::world;

fn snapshots() -> impl Strategy<Value = Snapshot> {
    let readings = (any::<bool>(), any::<bool>());
    let gpus = proptest::collection::vec((0_u32..3, 0_u8..6, readings), 0..5);
    let compute = proptest::option::of(0_u32..2);
    let slices = proptest::collection::vec((0_u32..4, 0_u32..3, compute, 0_u64..2), 0..12);
    let leases = proptest::collection::vec((0_u8..3, 0_u32..2), 0..6);
    let text = "[a\\\\\"\n{}=, #é]{0,8}";
    (gpus, slices, leases, text, any::<bool>()).prop_map(|(gpus, slices, leases, text, allow)| {
        let mut snapshot = world::host(0, 0);
        let whole = world::host(4, 3);
        snapshot.allow_names = allow;
        snapshot.host.hostname = text.clone();
        for (index, health, (sampled, fresh)) in gpus {
            let mut gpu = whole.gpus[index as usize].clone();
            gpu.name = text.clone();
            gpu.health = health_number(health);
            gpu.sample = gpu.sample.filter(|_| sampled);
            gpu.fresh = fresh;
            snapshot.gpus.push(gpu);
        }
        for (gpu, gi, ci, generation) in slices {
            let mut slice = whole.slices[gpu as usize * 3].clone();
            (slice.gi, slice.ci, slice.generation) = (GiId(7 + gi), ci.map(CiId), generation);
            slice.uuid = slice.uuid.filter(|_| ci.is_some());
            snapshot.slices.push(slice);
        }
        for (id, device) in leases {
            let mut lease = whole.leases[device as usize].clone();
            lease.id = LeaseId::new(1, [id; 10]);
            lease.devices.push(lease.devices[0].clone());
            lease.image = Some(text.clone());
            snapshot.leases.push(lease);
        }
        snapshot
    })
}

fn health_number(number: u8) -> Health {
    let since = Timestamp(1);
    match number {
        0 => Health::Ok,
        1 => Health::Lost { since },
        2 => Health::Xid { since, code: 48 },
        3 => Health::ResetRequired { since },
        4 => Health::Maintenance { since },
        _ => Health::Unresponsive {
            since,
            operation: "sample".to_owned(),
        },
    }
}

proptest! {
    #[test]
    fn every_page_is_sound(snapshot in snapshots()) {
        for format in [Format::Classic, Format::OpenMetrics] {
            check(&page(&snapshot, format), format);
        }
    }
}

fn check(page: &str, format: Format) {
    let mut all = BTreeSet::new();
    for (name, block) in blocks(page) {
        let shown = |family: &&families::Family| match format {
            Format::Classic => family.name == name,
            Format::OpenMetrics => family.openmetrics_name() == name,
        };
        let family = families::all().find(shown).expect("a declared family");
        assert_eq!(block.help, family.help);
        assert_eq!(block.kind, kind(family.kind, format), "{name}");
        let unit = family.unit.filter(|_| format == Format::OpenMetrics);
        assert_eq!(block.unit.as_deref(), unit, "{name}");
        assert!(!block.series.is_empty(), "{name} has comments alone");
        for series in block.series {
            for label in label_names(&series) {
                let declared = family.labels.iter().chain(family.named_labels);
                let known = declared.chain(&["le"]).any(|known| *known == label);
                assert!(known, "{label} in {series}");
            }
            assert!(all.insert(series.clone()), "twice: {series}");
        }
    }
}

fn kind(kind: Kind, format: Format) -> &'static str {
    match (kind, format) {
        (Kind::Info, Format::Classic) => "gauge",
        (kind, _) => kind.as_str(),
    }
}

/// Names before each `="`, outside of quotes.
fn label_names(series: &str) -> Vec<String> {
    let inside = series.split_once('{').map_or("", |(_, labels)| labels);
    let (mut names, mut name) = (Vec::new(), String::new());
    let (mut quoted, mut escaped) = (false, false);
    for letter in inside.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '=' if !quoted => names.push(std::mem::take(&mut name)),
            ',' | '}' if !quoted => {}
            _ if !quoted => name.push(letter),
            _ => {}
        }
    }
    names
}
