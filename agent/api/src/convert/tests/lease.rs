//! Leases on the wire.

use kerf_types::lease::{Holder, InitProcess, Lease, LeaseState, Subject};
use kerf_types::{
    ContainerRef, DeviceKind, Fence, LeasedDevice, Share, SharingMode, SliceId, Timestamp,
};

use crate::example::{cut_gpu, place};
use crate::v1;

const SECOND: Share = Share {
    mode: SharingMode::Mps,
    index: 1,
    of: 4,
};

#[test]
fn a_lease_is_shown_whole() {
    let gpu = cut_gpu();
    let container = ContainerRef::try_new("default", "web-1").expect("a container");
    let lease = Lease {
        id: "0192f0a4-5c1e-7000-8000-00000000002a"
            .parse()
            .expect("an id"),
        fence: Fence::new(1, 42),
        subjects: vec![
            slice(),
            Subject::Gpu {
                gpu: gpu.pci,
                uuid: gpu.uuid,
                share: Some(SECOND),
            },
        ],
        devices: vec![board()],
        holder: Holder::Container(container.clone()),
        state: LeaseState::Active,
        container: Some(container),
        init: Some(InitProcess {
            pid: 77,
            start_ticks: 1,
            boot_id: "b".to_owned(),
        }),
        on_demand: true,
        attached: true,
        imex: None,
        isolated: None,
        nearest_nics: vec!["mlx5_0".to_owned()],
        nearest_nvme: vec!["nvme0".to_owned()],
        created: Timestamp(1),
        expires: None,
    };
    let message = v1::Lease::from(&lease);
    let name = "kerf.dev/lease=0192f0a4-5c1e-7000-8000-00000000002a";
    assert_eq!(message.cdi_name, name);
    assert_eq!(
        (message.fence, message.init_pid),
        ((1 << 48) + 42, Some(77))
    );
    told_of_shares(&message);
    let ids: Vec<_> = message
        .subjects
        .into_iter()
        .filter_map(|subject| subject.subject)
        .collect();
    let [
        v1::lease_subject::Subject::Slice(slice),
        v1::lease_subject::Subject::Gpu(gpu),
        v1::lease_subject::Subject::Device(device),
    ] = &ids[..]
    else {
        panic!("a slice, a GPU and a device expected, found {ids:?}");
    };
    assert_eq!(device.kind, "amd-gpu");
    assert_eq!(device.pci.as_deref(), Some("0000:c1:00.0"));
    assert_eq!(
        (slice.id.as_str(), gpu.pci.as_str()),
        ("0000:1b:00.0-6-1", "0000:1b:00.0")
    );
}

/// A slice of the example's GPU, as a whole.
fn slice() -> Subject {
    let gpu = cut_gpu();
    let id = SliceId {
        gpu: gpu.pci,
        placement: place(6, 1),
        compute: None,
    };
    Subject::Slice {
        slice: id,
        profile: "1g.10gb".parse().expect("a profile"),
        parent: gpu.uuid,
        uuid: "MIG-1".parse().expect("a UUID"),
        share: None,
    }
}

/// A device of another maker.
fn board() -> LeasedDevice {
    LeasedDevice {
        kind: DeviceKind::AmdGpu,
        name: "0000:c1:00.0".parse().expect("a name"),
        pci: "0000:c1:00.0".parse().ok(),
        board: None,
    }
}

/// The slice is had alone, the GPU is shared; and what was nearest is told.
fn told_of_shares(message: &v1::Lease) {
    assert_eq!(message.holder, "container default/web-1");
    assert!(message.attached);
    let shares = message.subjects.iter();
    let shares = shares.map(|subject| {
        let share = subject.share.as_ref().map(|share| (share.index, share.of));
        (subject.isolation.as_str(), share)
    });
    let shares: Vec<_> = shares.collect();
    assert_eq!(
        shares,
        [("hardware", None), ("mps", Some((1, 4))), ("device", None)]
    );
    let nearest = [&message.nearest_nics, &message.nearest_nvme];
    assert_eq!(nearest, [&["mlx5_0"], &["nvme0"]]);
}
