//! Which vGPUs are offered, and through which nodes.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use kerf_types::inventory::Health;
use kerf_types::lease::{Holder, Lease};
use kerf_types::map::PciFunction;
use kerf_types::vgpu::VgpuFramework;
use kerf_types::{
    Gpu, LeasedDevice, PciAddress, Timestamp, Vgpu, VgpuFunction, VgpuGpu, VgpuTypeId,
};

use crate::host::bench::Bench;
use crate::host::vgpu::Vgpus;
use crate::host::{Host, HostError, fixture, policy};
use crate::store::{VgpuRow, VgpuState};

const GPU: &str = "0000:0f:00.0";
const FUNCTION: &str = "0000:0f:00.4";
const UUIDS: [&str; 2] = [
    "0b1c2d3e-0000-4000-8000-0000000000aa",
    "0b1c2d3e-0000-4000-8000-0000000000bb",
];

fn row(fence: u64, uuid: Option<&str>) -> VgpuRow {
    VgpuRow {
        fence,
        state: VgpuState::Made,
        gpu: GPU.to_owned(),
        function: FUNCTION.to_owned(),
        uuid: uuid.map(str::to_owned),
        type_id: 1_201,
        type_name: "NVIDIA H200X-70C".to_owned(),
        gpu_instance: None,
        placement: None,
        uid: 0,
        for_containers: true,
        boot_id: "b".to_owned(),
        created_ms: 5,
    }
}

fn address(text: &str) -> PciAddress {
    text.parse().expect("an address")
}

/// An owner whose GPU carries these vGPUs, of which kerf has these records; a function is alone in group 17.
fn bench(rows: Vec<VgpuRow>, uuids: &[Option<&str>]) -> Bench {
    let mut bench = Bench::new();
    let vgpu = |uuid: &Option<&str>| Vgpu {
        uuid: uuid.map(|uuid| uuid.parse().expect("a UUID")),
        type_id: VgpuTypeId(1_201),
        gpu_instance: None,
        placement: None,
        user: None,
    };
    let gpu = VgpuGpu {
        pci: address(GPU),
        framework: Some(VgpuFramework::Vfio),
        sriov: None,
        types: Vec::new(),
        functions: vec![VgpuFunction {
            pci: address(FUNCTION),
            creatable: None,
            vgpus: Some(uuids.iter().map(vgpu).collect()),
        }],
        problems: Vec::new(),
    };
    bench.host.vgpus = Vgpus::with(rows, gpu);
    let gpu = Gpu {
        pci: address(GPU),
        ..fixture::gpu(3)
    };
    bench.host.inventory = fixture::inventory(vec![gpu]);
    in_group(&mut bench, FUNCTION, 0x03_0200);
    bench
}

/// Puts a function of this class into group 17.
fn in_group(bench: &mut Bench, function: &str, class: u32) {
    let map = Arc::make_mut(&mut bench.host.inventory.map);
    map.pci.push(PciFunction {
        class: Some(class),
        iommu_group: Some(17),
        ..PciFunction::at(address(function), String::new())
    });
    map.pci.sort_by_key(|one| one.address);
}

/// Makes a device's folder and nodes, as files.
fn show(bench: &Bench, device: &str, group: &str, nodes: &[&str]) {
    let folder = bench.folder().join(device);
    fs::create_dir_all(folder.join("vfio-dev/vfio3")).expect("a folder");
    symlink(format!("../{group}"), folder.join("iommu_group")).expect("a link");
    let vfio = bench.folder().join("dev/vfio");
    fs::create_dir_all(vfio.join("devices")).expect("a folder");
    for node in nodes {
        fs::write(vfio.join(node), "").expect("a file");
    }
}

/// An owner with one vGPU on the function, of this record, which its group opens.
fn one(row: VgpuRow) -> Bench {
    let bench = bench(vec![row], &[None]);
    let device = format!("sys/bus/pci/devices/{FUNCTION}");
    show(&bench, &device, "17", &["17"]);
    bench
}

/// Gives somebody a lease on that vGPU, as if it were this one.
async fn leased(bench: &mut Bench, change: impl FnOnce(&mut LeasedDevice)) -> Lease {
    let mut device = bench.host.named_device(FUNCTION).await.expect("free");
    change(&mut device);
    let id = bench.lease(Holder::User { uid: 7 }, Vec::new());
    let row = bench.host.leases.get_mut(&id).expect("the lease");
    row.lease.devices = vec![device];
    row.lease.clone()
}

/// Name, nodes, and what is against it, of each.
fn offered(bench: &Bench) -> Vec<(String, Vec<String>, Option<String>)> {
    let all = bench.host.offers().into_iter();
    let one = |offer: crate::host::makers::offer::Offer| {
        let nodes = offer.all_nodes().map(str::to_owned).collect();
        (offer.device.name.to_string(), nodes, offer.sick)
    };
    all.map(one).collect()
}

#[test]
fn a_function_is_opened_by_what_the_kernel_has() {
    let device = format!("sys/bus/pci/devices/{FUNCTION}");
    let table: [(&[&str], &[&str]); 3] = [
        (&["17"], &["/dev/vfio/vfio", "/dev/vfio/17"]),
        // Without groups.
        (
            &["devices/vfio3"],
            &["/dev/iommu", "/dev/vfio/devices/vfio3"],
        ),
        (
            &["17", "devices/vfio3"],
            &[
                "/dev/vfio/vfio",
                "/dev/iommu",
                "/dev/vfio/17",
                "/dev/vfio/devices/vfio3",
            ],
        ),
    ];
    for (nodes, expected) in table {
        let bench = bench(vec![row(7, None)], &[None]);
        show(&bench, &device, "17", nodes);
        let expected = expected.iter().map(|node| (*node).to_owned()).collect();
        assert_eq!(offered(&bench), [(FUNCTION.to_owned(), expected, None)]);
    }
}

#[test]
fn what_cannot_be_given_says_why() {
    let device = format!("sys/bus/pci/devices/{FUNCTION}");
    let against = |bench: &Bench| offered(bench).remove(0).2.unwrap_or_default();
    let mut bench = bench(vec![row(7, None)], &[None]);
    assert!(against(&bench).contains("no VFIO node"));
    show(&bench, &device, "17", &["17"]);
    in_group(&mut bench, "0000:0e:00.0", 0x06_0400);
    assert_eq!(against(&bench), "", "bridges may be in it");
    in_group(&mut bench, "0000:0f:00.5", 0x03_0200);
    assert!(against(&bench).contains("0000:0f:00.5 is in its IOMMU group"));
    Arc::make_mut(&mut bench.host.inventory.map).pci.clear();
    assert!(against(&bench).contains("not seen yet"));
    bench.host.inventory.gpus[0].health = Health::Lost {
        since: Timestamp(1),
    };
    assert!(against(&bench).contains("does not answer"));
    let unmaking = VgpuRow {
        state: VgpuState::Unmaking,
        ..row(7, None)
    };
    let bench = super::vgpus::bench(vec![unmaking], &[None]);
    assert!(against(&bench).contains("being made or taken away"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mediated_devices_of_one_function_are_leased_apart_and_strangers_are_not() {
    let records = vec![row(7, Some(UUIDS[0])), row(8, Some(UUIDS[1]))];
    let stranger = "0b1c2d3e-0000-4000-8000-0000000000cc";
    let mut bench = bench(records, &[Some(UUIDS[0]), Some(UUIDS[1]), Some(stranger)]);
    for (uuid, group) in UUIDS.iter().zip(["21", "22"]) {
        let device = format!("sys/bus/mdev/devices/{uuid}");
        show(&bench, &device, group, &[group]);
    }
    let expected = UUIDS.iter().zip(["21", "22"]).map(|(uuid, group)| {
        let nodes = ["vfio", group].map(|name| format!("/dev/vfio/{name}"));
        ((*uuid).to_owned(), nodes.to_vec(), None)
    });
    assert_eq!(offered(&bench), expected.collect::<Vec<_>>());
    let one = bench.host.named_device(UUIDS[0]).await.expect("free");
    let other = bench.host.named_device(UUIDS[1]).await.expect("free");
    assert!(one.conflicts(&one) && !one.conflicts(&other));
}

/// A lease is of one vGPU, not of a place: what was made there since is another one's.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_of_the_record_that_it_was_made_of() {
    let mut bench = bench(vec![row(9, None)], &[None]);
    let device = format!("sys/bus/pci/devices/{FUNCTION}");
    show(&bench, &device, "17", &["17"]);
    let device = bench.host.named_device(FUNCTION).await.expect("free");
    assert_eq!(device.board.as_deref(), Some("9"));
    assert!(Host::offer_of(&bench.host.offers(), &device).is_ok());
    let earlier = LeasedDevice {
        board: Some("7".to_owned()),
        ..device
    };
    assert!(Host::offer_of(&bench.host.offers(), &earlier).is_err());
}

#[test]
fn a_pattern_may_bind_the_type() {
    let of =
        |pattern: &str| -> policy::Asks { [("ns".to_owned(), vec![pattern.to_owned()])].into() };
    let table = [
        ("vgpu", "vgpu,type=L40S-4Q", true),
        ("vgpu,type=*-4Q", "vgpu,type=L40S-4Q", true),
        ("vgpu,type=*-4Q", "vgpu,type=L40S-8Q", false),
        ("vgpu,type=*-4Q", "vgpu", false),
        ("vgpu:2,type=*-4Q", "vgpu:2,type=L40S-4Q", true),
        ("gpu", "vgpu", false),
    ];
    for (pattern, ask, may) in table {
        assert_eq!(
            policy::may_ask(&of(pattern), "ns", ask),
            may,
            "{pattern} {ask}"
        );
    }
}

#[test]
fn what_is_not_for_containers_is_not_offered() {
    let own = VgpuRow {
        for_containers: false,
        ..row(7, None)
    };
    let bench = one(own);
    assert!(offered(&bench).is_empty());
}

async fn picked(bench: &mut Bench, ask: &str) -> Result<Vec<LeasedDevice>, HostError> {
    let ask = ask.parse().expect("an ask");
    bench.host.pick_devices(&ask).await
}

/// A vGPU is avoided with its GPU, by every name of that.
#[tokio::test(flavor = "multi_thread")]
async fn a_vgpu_is_avoided_by_its_gpu_and_named_by_its_own_name() {
    let mut bench = one(row(7, None));
    let uuid = bench.host.inventory.gpus[0].uuid.to_string();
    for name in ["3", GPU, FUNCTION, &uuid] {
        let error = picked(&mut bench, &format!("vgpu,avoid={name}"))
            .await
            .expect_err(name);
        assert!(matches!(error, HostError::NoRoom { .. }), "{error}");
    }
    for name in ["0", "0000:10:00.0"] {
        let devices = picked(&mut bench, &format!("vgpu,avoid={name}"))
            .await
            .expect(name);
        assert_eq!(devices[0].name.as_str(), FUNCTION);
    }
    let error = picked(&mut bench, &format!("vgpu,include={FUNCTION}"))
        .await
        .expect_err("a part");
    assert!(error.to_string().contains("device=NAME"), "{error}");
}

/// A GPU that has not answered since the start says nothing of its vGPUs.
#[tokio::test(flavor = "multi_thread")]
async fn a_vgpu_that_nobody_sees_is_not_clean_while_its_record_stands() {
    let mut bench = one(row(7, None));
    let lease = leased(&mut bench, |_| {}).await;
    let seen = std::mem::take(&mut bench.host.vgpus);
    bench.host.vgpus = seen.unseen();
    let busy = bench.host.clean_devices(&lease).await;
    let error = busy.expect_err("not known").to_string();
    assert!(error.contains("not known to be free"), "{error}");
    // The record goes with a look that does not find it, and then nobody has it.
    bench.host.vgpus = Vgpus::default();
    bench.host.clean_devices(&lease).await.expect("gone");
}

/// Its container may open what has the numbers of its group by now.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_lease_outlives_its_vgpu_no_other_is_given() {
    let mut bench = one(row(9, None));
    let earlier = |device: &mut LeasedDevice| {
        device.name = "0000:0f:00.5".parse().expect("a name");
        device.pci = None;
        device.board = Some("7".to_owned());
    };
    leased(&mut bench, earlier).await;
    let error = bench
        .host
        .named_device(FUNCTION)
        .await
        .expect_err("not now");
    assert!(
        error.to_string().contains("whose own vGPU is gone"),
        "{error}"
    );
}
