//! What a worker keeps of a GPU between requests: what no step can change, and nothing else.

use kerf_types::{Gpu, Step};
use nvidia_ml::fuse::Fuse;

use crate::world::{Asks, Code, World, create, fill, mig};

/// Questions about what no step can change.
const LASTING: [&str; 5] = [
    "nvmlDeviceGetGpuInstanceProfileInfoV",
    "nvmlDeviceGetGpuInstancePossiblePlacements_v2",
    "nvmlGpuInstanceGetComputeInstanceProfileInfo",
    "nvmlGpuInstanceGetComputeInstancePossiblePlacements",
    "nvmlDeviceGetNvLinkState",
];

/// What is asked of the driver meanwhile.
fn asked<T>(fuse: &Fuse, doing: impl FnOnce() -> T) -> (T, Vec<String>) {
    let before = usize::try_from(fuse.calls().expect("the fuse")).expect("a count");
    let done = doing();
    let names = fuse.names().expect("the fuse");
    (done, names.into_iter().skip(before).collect())
}

fn destroys(gpu: &Gpu, start: u8) -> [Step; 2] {
    let mut instances = gpu.instances.iter();
    let instance = instances.find(|one| one.placement.start == start);
    let instance = instance.expect("an instance");
    let compute = &instance.compute[0];
    let compute = Step::DestroyComputeInstance {
        gpu: gpu.pci,
        gi: instance.id,
        ci: compute.id,
        uuid: compute.uuid.clone(),
    };
    let whole = Step::DestroyGpuInstance {
        gpu: gpu.pci,
        gi: instance.id,
        profile: instance.profile,
        placement: instance.placement,
    };
    [compute, whole]
}

#[test]
fn a_step_asks_for_instances_alone_and_tells_what_a_look_tells() {
    let world = World::new("h100x1");
    let fuse = Fuse::lay(&world.info.dir).expect("a fuse");
    let mut worker = world.worker();
    let pci = worker.gpu(0).pci;
    worker.step(&mig(pci, true));
    worker.step(&create(pci, 9, 0, 4));
    worker.step(&fill(pci, 0, 4, 2));
    let made = [create(pci, 9, 4, 4), fill(pci, 4, 4, 2)];
    let two = made.map(|step| {
        let (told, asked) = asked(&fuse, || worker.step(&step));
        let lasting = asked.iter().find(|name| LASTING.contains(&name.as_str()));
        assert_eq!(lasting, None, "{step}");
        assert!(asked.iter().any(|name| name == "nvmlDeviceGetGpuInstances"));
        assert_eq!(told, worker.gpu(0), "{step}");
        told
    });
    for start in [4, 0] {
        for step in destroys(&two[1], start) {
            let told = worker.step(&step);
            assert_eq!(told, worker.gpu(0), "{step}");
        }
    }
}

#[test]
fn what_others_do_between_two_steps_is_seen() {
    let world = World::new("h100x1");
    let (mut ours, mut other) = (world.worker(), world.worker());
    let pci = ours.gpu(0).pci;
    ours.step(&mig(pci, true));
    other.step(&create(pci, 9, 0, 4));
    let theirs = other.step(&fill(pci, 0, 4, 2));
    let told = ours.step(&create(pci, 19, 6, 1));
    assert_eq!(told, other.gpu(0));
    assert_eq!(told.instances[0], theirs.instances[0]);
    let [compute, whole] = destroys(&theirs, 0);
    other.step(&compute);
    assert_eq!(ours.step(&whole), other.gpu(0));
}

#[test]
fn after_a_change_of_mode_or_a_refusal_everything_is_asked_anew() {
    let world = World::new("h100x1");
    let fuse = Fuse::lay(&world.info.dir).expect("a fuse");
    let (mut ours, mut other) = (world.worker(), world.worker());
    let pci = ours.gpu(0).pci;
    ours.step(&mig(pci, true));
    other.step(&mig(pci, false));
    assert_eq!(ours.refused(&create(pci, 9, 0, 4)).0, Code::Conflict);
    other.step(&mig(pci, true));
    let is_anew = |asked: &[String]| {
        LASTING[..2]
            .iter()
            .all(|name| asked.iter().any(|one| one == name))
    };
    let (told, anew) = asked(&fuse, || ours.step(&create(pci, 9, 0, 4)));
    assert!(is_anew(&anew), "{anew:?}");
    assert_eq!(told, other.gpu(0));
    assert_eq!(ours.refused(&create(pci, 14, 0, 2)).0, Code::NoRoom);
    let (_, anew) = asked(&fuse, || ours.step(&create(pci, 9, 4, 4)));
    assert!(is_anew(&anew), "{anew:?}");
}
