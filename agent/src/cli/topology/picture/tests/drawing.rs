//! A drawing can be read whatever the names are and however many ends links have.

use std::sync::Arc;

use kerf_tests::drawing::complaints;
use kerf_types::inventory::{Inventory, NumaNode};
use kerf_types::map::{Accelerator, End, Link, LinkKind, Vendor};
use kerf_types::{Bytes, HostMap, PciAddress};

use super::{at, host, picture};
use crate::cli::print::Picture;

/// The drawing, in which nothing is wrong.
fn drawn(host: &Inventory) -> String {
    let svg = picture(host, Picture::Svg, None);
    let wrong = complaints(&svg).expect("a drawing");
    assert!(wrong.is_empty(), "{}\n{svg}", wrong.join("\n"));
    svg
}

fn with_map(change: impl FnOnce(&mut HostMap)) -> Inventory {
    let mut host = host();
    let mut map = HostMap::clone(&host.map);
    change(&mut map);
    host.map = Arc::new(map);
    host
}

/// The words that a person sees, and the tips.
fn seen(svg: &str) -> (Vec<String>, Vec<String>) {
    let document = roxmltree::Document::parse(svg).expect("XML");
    let of = |name: &str| {
        let nodes = document
            .descendants()
            .filter(|node| node.has_tag_name(name));
        let texts = nodes.map(|node| {
            let pieces = node.descendants().filter(|one| one.is_text());
            pieces.filter_map(|one| one.text()).collect()
        });
        texts.collect::<Vec<String>>()
    };
    (of("text"), of("title"))
}

#[test]
fn long_names_are_cut_and_whole_in_a_tip() {
    const LONG: &str = "WWW MMMM ACCELERATOR OF A VERY LONG NAME WITH MEMORY STACKED TWELVE HIGH (ENGINEERING SAMPLE)";
    let mut host = with_map(|map| {
        map.accelerators[0].model = LONG.to_owned();
        map.accelerators[2].id = LONG.replace(' ', "-");
        map.nvme[0].model = Some(LONG.replace(' ', ""));
        map.nvme[0].name = format!("nvme{}", "0".repeat(60));
        map.cpus.model = Some(LONG.repeat(4));
        map.cpus.threads = Some(8);
        map.pci[4].host_bridge = "pci0000:15".to_owned();
    });
    host.nics[0].name = format!("rdma-{}", LONG.replace(' ', "_"));
    host.host = "node.of.a.rack.".repeat(20);
    let cpus: Vec<String> = (0..200).map(|cpu| (2 * cpu).to_string()).collect();
    host.numa_nodes[0].cpus = Some(cpus.join(","));
    let (texts, tips) = seen(&drawn(&host));
    for long in [
        LONG,
        &LONG.replace(' ', "-"),
        &LONG.replace(' ', ""),
        &LONG.replace(' ', "_"),
        &"0".repeat(60),
        &host.host,
        &cpus.join(","),
    ] {
        let is_tip = tips.iter().any(|tip| tip.contains(long));
        assert!(is_tip, "{long} in {tips:?}");
        assert!(!texts.iter().any(|text| text.contains(long)), "{texts:?}");
        let begin: String = long.chars().take(8).collect();
        let is_seen = texts.iter().any(|text| text.contains(&begin));
        assert!(is_seen, "{begin} in {texts:?}");
    }
}

#[test]
fn what_fits_has_no_tip() {
    let svg = drawn(&host());
    let (texts, tips) = seen(&svg);
    assert_eq!(tips, ["h1?[31m", "GPU0 xgmi GPU1 x2"], "{svg}");
    assert!(texts.iter().all(|text| !text.contains('…')), "{texts:?}");
}

/// `count` accelerators, each linked to the next `far` ones around and to the hubs.
fn linked(count: u32, far: u32, hubs: &[End]) -> Inventory {
    let pci = |number: u32| -> PciAddress { at(&format!("0001:{number:02x}:00.0")) };
    with_map(|map| {
        let all = (0..count).map(|number| Accelerator::at(pci(number), Vendor::Amd));
        map.accelerators = all.collect();
        map.links = Vec::new();
        let mut link = |a: u32, b: End| {
            map.links.push(Link {
                a: End::Accelerator(pci(a).to_string()),
                b,
                kind: LinkKind::NvLink,
                count: a % 3 + 1,
                gbps: None,
                ancestor: String::new(),
            });
        };
        for number in 0..count {
            for step in 1..=far {
                let other = pci((number + step) % count).to_string();
                link(number, End::Accelerator(other));
            }
            for hub in hubs {
                link(number, hub.clone());
            }
        }
    })
}

#[test]
fn lines_cross_no_words_however_many_there_are() {
    let switches: Vec<End> = (0..6)
        .map(|number| End::Switch(Some(at(&format!("0002:{number:02x}:00.0")))))
        .collect();
    let cpus = [End::Cpu(0), End::Cpu(1)];
    for count in [2, 3, 4, 5, 6, 7, 8, 12, 13, 16, 32, 72] {
        for (far, hubs) in [
            (1, &[][..]),
            ((count - 1).min(8), &[]),
            (1, &cpus),
            (0, &cpus),
            (0, &switches),
            (2, &switches),
        ] {
            let links = usize::try_from(count).expect("few")
                * (usize::try_from(far).expect("few") + hubs.len());
            let svg = drawn(&linked(count, far, hubs));
            assert_eq!(
                svg.matches("<path").count(),
                links,
                "{count} {far} {hubs:?}"
            );
        }
    }
}

#[test]
fn nodes_of_which_the_same_is_to_be_said_are_one_box() {
    let mut host = host();
    let bare = |id| NumaNode {
        id,
        cpus: Some(String::new()),
        memory: Some(Bytes(0)),
        ..NumaNode::default()
    };
    host.numa_nodes.extend((2..9).map(bare));
    // One is missing.
    host.numa_nodes.extend((10..12).map(bare));
    let (texts, _) = seen(&drawn(&host));
    let nodes: Vec<&str> = texts
        .iter()
        .filter_map(|text| text.strip_prefix("NUMA node"))
        .collect();
    assert_eq!(
        nodes,
        [
            " 0CPUs 0-3, 512GiB",
            " 1CPUs 4-7, 512GiB",
            "s 2-8no CPUs, 0B each",
            "s 10-11no CPUs, 0B each",
            " unknown"
        ]
    );
}
