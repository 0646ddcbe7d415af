//! Documents of a host that is made up: one GPU that is cut, one that is held as a whole, one job of each kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerf_api::json::Web;
use kerf_types::inventory::{Driver, Gpu, Health, Inventory, Nic, NumaNode, NvLink, NvLinkRemote};
use kerf_types::job::{JobSpec, JobState};
use kerf_types::lease::{Holder, Lease, LeaseState, Subject};
use kerf_types::map::PciFunction;
use kerf_types::peer::Attempt;
use kerf_types::profile::{Engines, Profile};
use kerf_types::{
    Bytes, CiId, ComputeInstance, ContainerRef, Fence, GiId, GpuInstance, HostId, HostMap, JobId,
    LeaseId, MigMode, PciAddress, Placement, ProfileId, SliceId, Timestamp,
};

use super::{Facts, JobsSeen, document};
use crate::fleet::FleetView;
use crate::host::view::{Lives, slices};
use crate::host::{Degraded, HostView};
use crate::launcher::{Submitter, UserIds};
use crate::store::{JobRow, Placed};

fn at(address: &str) -> PciAddress {
    address.parse().expect("an address")
}

fn place(start: u32, size: u32) -> Placement {
    Placement::try_new(start, size).expect("a place")
}

fn profile(id: u32, name: &str, places: &[(u32, u32)]) -> Profile {
    Profile {
        id: ProfileId(id),
        name: name.parse().expect("a name"),
        slices: 1,
        memory: Bytes(10 << 30),
        sm_count: 16,
        engines: Engines::default(),
        max_count: 7,
        placements: places
            .iter()
            .map(|(start, size)| place(*start, *size))
            .collect(),
        full_compute_profile: None,
        compute: Vec::new(),
    }
}

fn instance(id: u32, profile: u32, place: Placement) -> GpuInstance {
    GpuInstance {
        id: GiId(id),
        profile: ProfileId(profile),
        placement: place,
        capability_minor: None,
        compute: vec![ComputeInstance {
            id: CiId(0),
            profile: ProfileId(0),
            placement: None,
            uuid: format!("MIG-{id}").parse().expect("a UUID"),
            capability_minor: None,
        }],
    }
}

/// A GPU whose two NVLinks lead to `other`; only one is up.
fn gpu(index: u32, pci: &str, other: &str) -> Gpu {
    let link = |link| NvLink {
        link,
        active: link == 0,
        version: 4,
        remote: NvLinkRemote::Gpu(at(other)),
    };
    Gpu {
        index,
        uuid: format!("GPU-{index}").parse().expect("a UUID"),
        pci: at(pci),
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        pci_device_id: 0x2330_10de,
        memory: Bytes(80 << 30),
        numa_node: Some(0),
        nvlinks: vec![link(0), link(1)],
        mig_mode: MigMode::Disabled,
        ..crate::host::fixture::gpu(index)
    }
}

fn lease(number: u8, holder: Holder, state: LeaseState, subject: Subject) -> Lease {
    Lease {
        id: LeaseId::new(1_000, [number; 10]),
        fence: Fence::new(1, u64::from(number)),
        state,
        created: Timestamp(2_000),
        expires: (state == LeaseState::Reserved).then_some(Timestamp(62_000)),
        ..crate::host::fixture::lease(holder, vec![subject])
    }
}

fn inventory() -> Inventory {
    let mut cut = gpu(0, "0000:0d:00.0", "0000:0e:00.0");
    cut.mig_mode = MigMode::Enabled;
    cut.profiles = vec![
        profile(19, "1g.10gb", &[(0, 1), (1, 1), (6, 1)]),
        profile(9, "3g.40gb", &[(0, 4), (4, 4)]),
    ];
    cut.instances = vec![instance(2, 9, place(4, 4)), instance(7, 19, place(1, 1))];
    Inventory {
        host: "node-1".to_owned(),
        driver: Some(Driver {
            version: "590.48.01".to_owned(),
            nvml_version: "13.590.48.01".to_owned(),
            cuda_version: None,
        }),
        gpus: vec![cut, gpu(1, "0000:0e:00.0", "0000:0d:00.0")],
        amd: Vec::new(),
        numa_nodes: vec![NumaNode {
            id: 0,
            cpus: Some("0-55".to_owned()),
            memory: Some(Bytes(1 << 40)),
            distances: vec![10],
            ..Default::default()
        }],
        nics: vec![Nic {
            name: "mlx5_0".to_owned(),
            pci: Some(at("0000:0c:00.0")),
            numa_node: Some(0),
            link_layer: "InfiniBand".to_owned(),
            rate: Some(kerf_types::inventory::Rate(400_000)),
            ..Default::default()
        }],
        problems: vec!["the serial number of GPU 1".to_owned()],
        map: Arc::new(HostMap {
            // One switch with all three below it; NVLink is what the matrix shows between the GPUs.
            pci: [0x0c, 0x0d, 0x0e].map(below).into(),
            ..HostMap::default()
        }),
    }
}

fn below(bus: u8) -> PciFunction {
    let switch = "/sys/devices/pci0000:0a/0000:0a:01.0/0000:0b:00.0";
    let (port, address) = (bus - 0x0c, format!("0000:{bus:02x}:00.0"));
    let path = format!("{switch}/0000:0b:0{port}.0/{address}");
    PciFunction::at(at(&address), path)
}

fn view() -> HostView {
    let inventory = inventory();
    let secret = ContainerRef::try_new("default", "secret-project").expect("a container");
    let slice = Subject::Slice {
        slice: SliceId {
            gpu: at("0000:0d:00.0"),
            placement: place(1, 1),
            compute: None,
        },
        profile: "1g.10gb".parse().expect("a name"),
        parent: "GPU-0".parse().expect("a UUID"),
        uuid: "MIG-7".parse().expect("a UUID"),
        share: None,
    };
    let whole = Subject::Gpu {
        gpu: at("0000:0e:00.0"),
        uuid: "GPU-1".parse().expect("a UUID"),
        share: None,
    };
    let leases = vec![
        lease(1, Holder::Container(secret), LeaseState::Active, slice),
        lease(2, Holder::User { uid: 1000 }, LeaseState::Reserved, whole),
    ];
    let degraded = Degraded {
        why: "the disk is full".to_owned(),
        hint: "make room".to_owned(),
        since: Timestamp(3_000),
    };
    HostView {
        shared: BTreeMap::new(),
        sight: crate::host::Sight::default(),
        slices: slices(
            &inventory,
            &Lives::default(),
            leases.iter(),
            &Default::default(),
        ),
        inventory,
        leases,
        vgpus: Default::default(),
        whole: Default::default(),
        vgpu_gpus: Default::default(),
        vgpus_looked: None,
        degraded: BTreeMap::from([("store".to_owned(), degraded)]),
        gpu_labels: Default::default(),
        generation: 3,
        epoch: 1,
        draining: false,
        maintenance: None,
        held: std::collections::BTreeSet::new(),
        capacity: 9,
    }
}

fn row(number: u8, state: JobState) -> JobRow {
    JobRow {
        id: JobId::new(1_000, [number; 10]),
        submitter: Submitter {
            ids: UserIds {
                uid: 1_000,
                gid: 1_000,
            },
            admin: false,
        },
        spec: "{\"args\":[\"hidden-argument\"]}".to_owned(),
        spec_hash: "00".to_owned(),
        state,
        reason: "image secret-image is being pulled".to_owned(),
        exit_code: state.is_final().then_some(3),
        container: Some("secret-container".to_owned()),
        lease: None,
        submitted: Timestamp(4_000),
        started: None,
        ended: state.is_final().then_some(Timestamp(5_000)),
        restarts: 0,
        cancel_requested: false,
        is_shared: false,
        placed: None,
        explanation: None,
    }
}

fn spec() -> JobSpec {
    JobSpec {
        name: "secret-name".to_owned(),
        image: "secret-image".to_owned(),
        args: vec!["hidden-argument".to_owned()],
        env: BTreeMap::from([("TOKEN".to_owned(), "hidden-token".to_owned())]),
        accelerator: Some("1g.10gb:2".parse().expect("an ask")),
        members: 1,
        tenant: "hidden-tenant".to_owned(),
        labels: BTreeMap::from([("hidden-label".to_owned(), "x".to_owned())]),
        ..JobSpec::default()
    }
}

fn look(names: bool) -> Web {
    let spec = Arc::new(spec());
    let jobs = JobsSeen {
        shown: vec![
            (row(1, JobState::Pending), Arc::clone(&spec)),
            (row(2, JobState::Failed), spec),
        ],
        by_state: BTreeMap::from([
            (JobState::Pending, 1),
            (JobState::Running, 0),
            (JobState::Failed, 41),
        ]),
    };
    let facts = Facts {
        started: Timestamp(1_000),
        simulated: None,
        names,
    };
    let alone = FleetView::default();
    document(Timestamp(10_000), &view(), &[], &jobs, &alone, &facts)
}

fn json(web: &Web) -> String {
    serde_json::to_string_pretty(web).expect("a document")
}

#[test]
fn a_host_becomes_a_document() {
    insta::assert_snapshot!(json(&look(false)));
}

#[test]
fn names_are_told_only_where_they_may_be_and_secrets_never() {
    let (without, with) = (json(&look(false)), json(&look(true)));
    for word in [
        "secret-name",
        "secret-image",
        "secret-project",
        "is being pulled",
    ] {
        assert!(!without.contains(word), "{word} in {without}");
        assert!(with.contains(word), "{word} not in {with}");
    }
    for word in ["hidden", "TOKEN"] {
        assert!(
            !without.contains(word) && !with.contains(word),
            "{word} in {with}"
        );
    }
}

#[test]
fn a_lease_of_a_job_names_the_job() {
    let view = view();
    let mut row = row(1, JobState::Running);
    row.lease = view.leases.first().map(|lease| lease.id);
    let jobs = JobsSeen {
        shown: vec![(row, Arc::new(spec()))],
        by_state: BTreeMap::new(),
    };
    let facts = Facts {
        started: Timestamp(1_000),
        simulated: None,
        names: false,
    };
    let alone = FleetView::default();
    let web = document(Timestamp(10_000), &view, &[], &jobs, &alone, &facts);
    let job = format!("job {}", web.jobs.entries[0].id);
    assert_eq!(web.leases[0].holder, job);
    assert_eq!(web.gpus[0].slices[0].holder, Some(job));
}

#[test]
fn a_job_names_the_first_of_its_hosts_once_each_and_counts_them_all() {
    let name = |number: u8| format!("node-{}", number % 4);
    let host = |number: u8| (HostId::from_bits(number.into()), name(number));
    let mut placed = row(1, JobState::Running);
    placed.placed = Some(Placed {
        attempt: Attempt::FIRST,
        hosts: [1, 1, 2, 5, 3, 1].map(host).into(),
    });
    let jobs = JobsSeen {
        shown: vec![(placed, Arc::new(spec()))],
        by_state: BTreeMap::new(),
    };
    let job = &super::work::jobs(&jobs, false).entries[0];
    assert_eq!(job.hosts, ["node-1", "node-2", "node-1"]);
    assert_eq!(job.host_count, 4);
    let waiting = &look(false).jobs.entries[0];
    assert_eq!((waiting.hosts.len(), waiting.host_count), (0, 0));
}

#[test]
fn jobs_beyond_the_room_are_counted() {
    let jobs = look(false).jobs;
    assert_eq!(jobs.left_out, 40);
    assert_eq!(
        jobs.by_state,
        BTreeMap::from([("failed".to_owned(), 41), ("pending".to_owned(), 1)])
    );
}

#[test]
fn a_gpu_without_a_lease_tells_why_nobody_gets_it() {
    let whole = |change: &dyn Fn(&mut Gpu)| {
        let mut view = view();
        view.leases.clear();
        change(view.inventory.gpus.get_mut(1).expect("GPU 1"));
        let holders = super::work::Holders::new(&JobsSeen::default(), false);
        let gpus = super::gpu::gpus(&view, &holders);
        let whole = gpus.into_iter().nth(1).and_then(|gpu| gpu.whole);
        whole.map(|whole| (whole.state, whole.reason.unwrap_or_default()))
    };
    let state = |state: &str, why: &str| Some((state.to_owned(), why.to_owned()));
    assert_eq!(whole(&|_| ()), state("free", ""));
    assert_eq!(whole(&|gpu| gpu.mig_mode = MigMode::Enabled), None);
    let lost = Health::Lost {
        since: Timestamp(1),
    };
    assert_eq!(
        whole(&|gpu| gpu.health = lost.clone()),
        state("quarantined", "it is not well")
    );
    let process = kerf_types::inventory::GpuProcess {
        pid: 42,
        memory: None,
        gi: None,
        ci: None,
    };
    let why = "process 42 uses it without a lease";
    assert_eq!(
        whole(&|gpu| gpu.processes.push(process)),
        state("quarantined", why)
    );
}

#[test]
fn devices_below_one_switch_are_together_even_where_nvlink_hides_it() {
    let topology = look(false).topology;
    assert_eq!(topology.devices, ["GPU0", "GPU1", "NIC0"]);
    assert_eq!(topology.rows[0].links, ["X", "NV1", "PIX"]);
    assert_eq!(topology.switches, [["GPU0", "GPU1", "NIC0"]]);
}
