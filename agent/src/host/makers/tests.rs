//! What there is, which of it is taken, and that nobody has a thing twice.

mod others;
mod vgpus;

use std::fs;

use kerf_types::amd::AmdPartition;
use kerf_types::ask::Constraints;
use kerf_types::inventory::Health;
use kerf_types::lease::Holder;
use kerf_types::map::{Accelerator, Vendor};
use kerf_types::topology::LinkClass;
use kerf_types::{AmdGpu, Ask, Inventory, LeasedDevice, Timestamp};

use super::offer::{Offer, env, offers};
use super::pick::{Candidate, Short, Wish, pick};
use crate::host::bench::Bench;
use crate::host::{Host, HostError, fixture, moved, policy};

/// GPU `index` in so many partitions, of which the first has render node 128 + 8 * `index`.
fn amd(index: u32, partitions: u32) -> AmdGpu {
    let part = |number: u32| AmdPartition {
        kfd_node: number,
        gpu_id: index * 100 + number,
        render_minor: 128 + 8 * index + number,
        xccs: 1,
        memory: None,
    };
    AmdGpu {
        unique_id: Some(format!("f00dcafe0000000{index}")),
        partitions: (0..partitions).map(part).collect(),
        ..fixture::amd(index)
    }
}

/// A host of GPUs in so many partitions each; the first two are on node 0, the next two on node 1.
fn host(partitions: &[u32]) -> Inventory {
    let mut inventory = fixture::inventory(Vec::new());
    let numbers = (0..).zip(partitions);
    inventory.amd = numbers.map(|(index, count)| amd(index, *count)).collect();
    let map = std::sync::Arc::make_mut(&mut inventory.map);
    for gpu in &inventory.amd {
        let mut accelerator = Accelerator::at(gpu.pci, Vendor::Amd);
        accelerator.nodes = vec!["/dev/dri/card1".to_owned(), "/dev/kfd".to_owned()];
        accelerator.numa_node = Some(gpu.index / 2);
        map.accelerators.push(accelerator);
    }
    inventory
}

fn names(devices: &[LeasedDevice]) -> Vec<&str> {
    devices.iter().map(|device| device.name.as_str()).collect()
}

/// What an ask gets where those of these names are not free, or why nothing.
fn picked(inventory: &Inventory, ask: &str, taken: &[&str]) -> Result<Vec<String>, Short> {
    let ask: Ask = ask.parse().expect("an ask");
    let wish = Wish::of(&ask).expect("for devices");
    let offers = offers(inventory, Vec::new());
    let own = offers.iter().filter(|offer| offer.device.kind == wish.kind);
    let candidates = own.map(|offer| Candidate {
        offer,
        closed: taken
            .contains(&offer.device.name.as_str())
            .then(|| "leased to somebody".to_owned()),
        nic: (offer.device.pci == inventory.amd.first().map(|gpu| gpu.pci))
            .then_some(LinkClass::Pix),
    });
    let candidates: Vec<Candidate<'_>> = candidates.collect();
    let devices = pick(wish, &candidates)?;
    Ok(names(&devices).into_iter().map(str::to_owned).collect())
}

#[test]
fn a_gpu_has_its_nodes_and_a_partition_its_own_alone() {
    let inventory = host(&[1, 3]);
    let offers = offers(&inventory, Vec::new());
    let table: Vec<String> = offers
        .iter()
        .map(|offer| {
            let nodes: Vec<&str> = offer.all_nodes().collect();
            format!("{}: {}", offer.device, nodes.join(" "))
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    amd-gpu 0000:20:00.0: /dev/kfd /dev/dri/card1 /dev/dri/renderD128
    amd-gpu 0000:21:00.0: /dev/kfd /dev/dri/card1 /dev/dri/renderD136 /dev/dri/renderD137 /dev/dri/renderD138
    amd-partition 0000:21:00.0-renderD136: /dev/kfd /dev/dri/renderD136
    amd-partition 0000:21:00.0-renderD137: /dev/kfd /dev/dri/renderD137
    amd-partition 0000:21:00.0-renderD138: /dev/kfd /dev/dri/renderD138
    ");
}

#[test]
fn rocr_is_told_names_that_fit_once() {
    let of = |inventory: &Inventory| {
        let all = offers(inventory, Vec::new());
        let gpus: Vec<Offer> = all
            .into_iter()
            .filter(|offer| offer.index.is_some())
            .collect();
        env(&gpus)
    };
    assert_eq!(
        of(&host(&[1, 1])),
        ["ROCR_VISIBLE_DEVICES=GPU-F00DCAFE00000000,GPU-F00DCAFE00000001"]
    );
    // The partitions of the second have one id, and ROCr takes none of those that a name fits twice.
    assert_eq!(of(&host(&[1, 2])), [""; 0]);
    let mut silent = host(&[1]);
    silent.amd[0].unique_id = None;
    assert_eq!(of(&silent), [""; 0]);
    silent.amd[0].unique_id = Some("not hexadecimal".to_owned());
    assert_eq!(of(&silent), [""; 0]);
    assert_eq!(of(&host(&[])), [""; 0]);
}

#[test]
fn one_node_comes_first_and_whole_boards_stay_whole() {
    let table = [
        // As many as there are on one node, from the node that has the fewest left over.
        (vec![1, 1, 1], "amd-gpu", vec!["0000:22:00.0"]),
        (
            vec![1, 1, 1],
            "amd-gpu:2",
            vec!["0000:20:00.0", "0000:21:00.0"],
        ),
        (
            vec![1, 1, 1],
            "amd-gpu:3",
            vec!["0000:20:00.0", "0000:21:00.0", "0000:22:00.0"],
        ),
        // One that is not cut, before one whose parts others may want.
        (vec![8, 1], "amd-gpu", vec!["0000:21:00.0"]),
        (vec![1, 1, 1], "amd-gpu,avoid=2", vec!["0000:20:00.0"]),
        (
            vec![1, 1, 1],
            "amd-gpu:2,include=0000:22:00.0,avoid=0",
            vec!["0000:21:00.0", "0000:22:00.0"],
        ),
        (vec![1, 1, 1], "amd-gpu,nic=pix", vec!["0000:20:00.0"]),
    ];
    for (partitions, ask, expected) in table {
        let picked = picked(&host(&partitions), ask, &[]).expect("room");
        assert_eq!(picked, expected, "{ask}");
    }
    // Parts of the board that has fewer left.
    let taken = ["0000:21:00.0-renderD136"];
    let parts = picked(&host(&[2, 2]), "amd-partition", &taken);
    assert_eq!(parts, Ok(vec!["0000:21:00.0-renderD137".to_owned()]));
}

#[test]
fn a_refusal_says_whether_waiting_helps() {
    let never = |partitions: &[u32], ask| match picked(&host(partitions), ask, &[]) {
        Err(Short::Never(why)) => why,
        other => panic!("{ask}: {other:?}"),
    };
    assert!(never(&[], "amd-gpu").contains("no amd-gpu"));
    assert!(never(&[1], "amd-gpu:2").contains("this host has 1 amd-gpu"));
    assert!(never(&[1], "amd-partition").contains("layout"));
    assert!(never(&[1], "amd-gpu,same=switch").contains("same=numa"));
    assert!(never(&[1], "amd-gpu,include=7").contains("amd-gpu 7"));
    assert!(never(&[2], "amd-partition,include=0").contains("a part of one"));
    let now = |ask, taken: &[&str]| match picked(&host(&[1, 1, 1, 1]), ask, taken) {
        Err(Short::Now(why)) => why,
        other => panic!("{ask}: {other:?}"),
    };
    assert_eq!(
        now("amd-gpu:4", &["0000:20:00.0", "0000:22:00.0"]),
        "2 of 4 amd-gpu may serve it now; 0000:20:00.0, 0000:22:00.0: leased to somebody"
    );
    assert!(now("amd-gpu:3,same=numa", &[]).contains("it must hold same=numa"));
    assert!(now("amd-gpu:2,nic=pix", &[]).contains("1 of 4 amd-gpu"));
    assert!(now("amd-gpu,include=0,include=1", &[]).contains("4 of 4"));
}

/// An owner of such a host, whose nodes are plain files: a test need not be root's.
fn bench(partitions: &[u32]) -> Bench {
    let mut bench = Bench::new();
    bench.host.inventory = host(partitions);
    fs::create_dir_all(bench.folder().join("dev/dri")).expect("a folder");
    for offer in offers(&bench.host.inventory, Vec::new()) {
        for node in offer.all_nodes() {
            let path = bench.folder().join(node.trim_start_matches('/'));
            fs::write(path, "").expect("a file");
        }
    }
    bench
}

/// A lease on one of these devices, as if it had been made before.
fn leased(bench: &mut Bench, number: usize) -> LeasedDevice {
    let device = offers(&bench.host.inventory, Vec::new())
        .get(number)
        .expect("an offer")
        .device
        .clone();
    let id = bench.lease(Holder::User { uid: 7 }, Vec::new());
    let row = bench.host.leases.get_mut(&id).expect("the lease");
    row.lease.devices = vec![device.clone()];
    device
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_leased_is_given_to_nobody_else() {
    let mut bench = bench(&[2, 1]);
    let part = leased(&mut bench, 1);
    assert_eq!(part.name.as_str(), "0000:20:00.0-renderD128");
    let taken = bench.host.named_device(part.name.as_str()).await;
    assert!(matches!(taken, Err(HostError::Busy { .. })), "{taken:?}");
    // The board is not free either, and the sibling is.
    let board = bench.host.named_device("0000:20:00.0").await;
    let error = board.expect_err("a part of it is leased").to_string();
    assert!(error.contains("leased by user 7"), "{error}");
    let sibling = bench.host.named_device("0000:20:00.0-renderD129").await;
    assert!(sibling.is_ok(), "{sibling:?}");
    let ask = "amd-gpu:2".parse().expect("an ask");
    let error = bench
        .host
        .pick_devices(&ask)
        .await
        .expect_err("one is in use");
    assert!(matches!(error, HostError::NoRoom { .. }), "{error}");
    assert!(bench.host.could_ever_have(&ask).is_ok());
    // The planner leaves its modes alone, and the table of leases refuses what a wrong choice would give twice.
    assert!(
        bench
            .host
            .usage()
            .gpus
            .contains_key(&part.pci.expect("an address"))
    );
    let row = bench.host.leases.values().next().expect("one");
    let board = offers(&bench.host.inventory, Vec::new())[0].device.clone();
    assert!(moved::conflicts(
        &row.lease,
        &[],
        std::slice::from_ref(&board)
    ));
    let unknown = bench.host.named_device("0000:99:00.0").await;
    assert!(matches!(unknown, Err(HostError::NotFound { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_has_open_is_not_given_and_not_clean() {
    let mut bench = bench(&[2]);
    let part = leased(&mut bench, 1);
    let lease = bench
        .host
        .leases
        .values()
        .next()
        .expect("one")
        .lease
        .clone();
    bench.host.clean_devices(&lease).await.expect("nobody");
    let open = fs::File::open(bench.folder().join("dev/dri/renderD128")).expect("a file");
    let busy = bench.host.clean_devices(&lease).await;
    let error = busy.expect_err("this test has it open").to_string();
    let own = format!("process {}", std::process::id());
    assert!(
        error.contains(&own) && error.contains(part.name.as_str()),
        "{error}"
    );
    bench.host.leases.clear();
    // No worker answers in this test, which is no word of the GPUs.
    bench.host.inventory = host(&[2]);
    let ask = "amd-partition:2".parse().expect("an ask");
    let error = bench
        .host
        .pick_devices(&ask)
        .await
        .expect_err("one is in use");
    assert!(error.to_string().contains(&own), "{error}");
    drop(open);
    bench.host.clean_devices(&lease).await.expect("nobody");
    bench.host.inventory = host(&[2]);
    assert_eq!(bench.host.pick_devices(&ask).await.expect("both").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_or_exchanged_board_serves_no_lease() {
    let mut bench = bench(&[1]);
    let device = leased(&mut bench, 0);
    assert!(Host::offer_of(&bench.host.offers(), &device).is_ok());
    let other = LeasedDevice {
        board: Some("another".to_owned()),
        ..device.clone()
    };
    assert!(Host::offer_of(&bench.host.offers(), &other).is_err());
    let unknown = LeasedDevice {
        board: None,
        ..device.clone()
    };
    assert!(Host::offer_of(&bench.host.offers(), &unknown).is_ok());
    let since = Timestamp(1);
    bench.host.inventory.amd[0].health = Health::Lost { since };
    assert!(Host::offer_of(&bench.host.offers(), &device).is_err());
    bench.host.leases.clear();
    let named = bench.host.named_device(device.name.as_str()).await;
    assert!(named.expect_err("lost").to_string().contains("not well"));
    bench.host.inventory.amd[0].health = Health::Ok;
    assert!(bench.host.named_device(device.name.as_str()).await.is_ok());
    fs::remove_file(bench.folder().join("dev/dri/renderD128")).expect("gone");
    let named = bench.host.named_device(device.name.as_str()).await;
    let error = named.expect_err("no node").to_string();
    assert!(
        error.contains("this host has no /dev/dri/renderD128"),
        "{error}"
    );
}

#[test]
fn a_pattern_covers_the_kind_that_it_names() {
    let asks = [(
        "ns".to_owned(),
        vec!["amd-gpu:2".to_owned(), "device=0000:*".to_owned()],
    )];
    let asks: policy::Asks = asks.into();
    let table = [
        ("amd-gpu", true),
        ("amd-gpu:2", true),
        ("amd-gpu:2,same=numa", true),
        ("amd-gpu:3", false),
        ("amd-partition", false),
        ("gpu", false),
        ("amd-gpu,include=0", false),
        ("device=0000:20:00.0", true),
    ];
    for (ask, may) in table {
        assert_eq!(policy::may_ask(&asks, "ns", ask), may, "{ask}");
    }
    let of = |only: Constraints| Ask::Devices {
        kind: kerf_types::DeviceKind::AmdGpu,
        count: 2,
        only: Box::new(only),
    };
    assert_eq!(of(Constraints::default()).to_string(), "amd-gpu:2");
}
