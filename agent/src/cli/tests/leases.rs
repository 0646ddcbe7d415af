//! Golden texts of leases: one, many, none.

use kerf_api::json::{DeviceAttachment, Lease, Leases};
use kerf_api::v1;
use kerf_api::v1::lease_subject::{LeasedGpu, LeasedSlice, Subject};

use super::PLAIN;
use crate::cli::{device, lease};

fn slice() -> v1::Lease {
    let subject = Subject::Slice(LeasedSlice {
        id: "0000:10:00.0-0-1".to_owned(),
        profile: "1g.10gb".to_owned(),
        parent_uuid: "GPU-1".to_owned(),
        uuid: "MIG-1".to_owned(),
    });
    v1::Lease {
        id: "01938f5c-0000-7000-8000-000000000001".to_owned(),
        fence: (1 << 48) + 5,
        state: "reserved".to_owned(),
        holder: "user 1000".to_owned(),
        subjects: vec![v1::LeaseSubject {
            share: None,
            isolation: "hardware".to_owned(),
            subject: Some(subject),
        }],
        created_ms: 1_795_608_000_000,
        expires_ms: Some(1_795_608_060_000),
        cdi_name: "kerf.dev/lease=01938f5c-0000-7000-8000-000000000001".to_owned(),
        ..v1::Lease::default()
    }
}

fn gpus() -> v1::Lease {
    let gpu = |pci: &str| v1::LeaseSubject {
        share: None,
        isolation: "device".to_owned(),
        subject: Some(Subject::Gpu(LeasedGpu {
            pci: pci.to_owned(),
            uuid: "GPU-2".to_owned(),
        })),
    };
    v1::Lease {
        id: "01938f5c-0000-7000-8000-000000000002".to_owned(),
        state: "active".to_owned(),
        holder: "container default/c1".to_owned(),
        container: Some("default/c1".to_owned()),
        subjects: vec![gpu("0000:11:00.0"), gpu("0000:12:00.0")],
        on_demand: true,
        attached: true,
        init_pid: Some(4_242),
        expires_ms: None,
        ..slice()
    }
}

#[test]
fn a_list_says_who_has_what() {
    let message = v1::ListLeasesResponse {
        leases: vec![slice(), gpus()],
    };
    let leases = Leases::try_from(&message).expect("right leases");
    insta::assert_snapshot!(lease::render(&leases, PLAIN), @"
    ID                                    STATE     HOLDER                CONTAINER  GIVES                               ISOLATION  CUT      PID  EXPIRES
    01938f5c-0000-7000-8000-000000000001  reserved  user 1000             -          1g.10gb 0000:10:00.0-0-1            hardware   -          -  2026-11-25T12:01:00.000Z
    01938f5c-0000-7000-8000-000000000002  attached  container default/c1  -          gpu 0000:11:00.0, gpu 0000:12:00.0  device     for it  4242  -
    ");
    let none = Leases::try_from(&v1::ListLeasesResponse::default()).expect("no leases");
    insta::assert_snapshot!(lease::render(&none, PLAIN), @"no leases");
}

#[test]
fn a_new_lease_says_how_a_container_gets_it() {
    let lease = Lease::try_from(&slice()).expect("a right lease");
    insta::assert_snapshot!(lease::render_one(&lease, PLAIN), @"
    lease       01938f5c-0000-7000-8000-000000000001
    state       reserved
    gives       1g.10gb 0000:10:00.0-0-1
    isolation   hardware
    holder      user 1000
    expires     2026-11-25T12:01:00.000Z
    annotation  kerf.dev/lease=01938f5c-0000-7000-8000-000000000001
    CDI name    kerf.dev/lease=01938f5c-0000-7000-8000-000000000001
    ");
    insta::assert_snapshot!(lease::render_released(&lease, PLAIN), @"01938f5c-0000-7000-8000-000000000001 is released: 1g.10gb 0000:10:00.0-0-1");
}

#[test]
fn an_attached_lease_says_what_the_container_has_and_what_it_has_not() {
    let document = |wanted: v1::AttachDeviceResponse| DeviceAttachment::try_from(&wanted);
    let attached = document(v1::AttachDeviceResponse {
        lease: Some(gpus()),
        env: vec!["NVIDIA_VISIBLE_DEVICES=GPU-2".to_owned()],
        nodes: vec!["/dev/nvidia1".to_owned(), "/dev/nvidiactl".to_owned()],
        notes: vec!["start a process with the variables".to_owned()],
    });
    let attached = attached.expect("a right answer");
    insta::assert_snapshot!(device::render_attached(&attached, PLAIN), @"
    lease      01938f5c-0000-7000-8000-000000000002
    gives      gpu 0000:11:00.0, gpu 0000:12:00.0
    container  default/c1
    process    4242
    node       /dev/nvidia1
    node       /dev/nvidiactl
    set        NVIDIA_VISIBLE_DEVICES=GPU-2
    note       start a process with the variables
    ");
    assert!(document(v1::AttachDeviceResponse::default()).is_err());
    let state = |state: &str| {
        let lease = v1::Lease {
            state: state.to_owned(),
            ..slice()
        };
        Lease::try_from(&lease).expect("a right lease")
    };
    insta::assert_snapshot!(device::render_detached(&state("released"), PLAIN), @"01938f5c-0000-7000-8000-000000000001 is detached and released: 1g.10gb 0000:10:00.0-0-1");
    insta::assert_snapshot!(device::render_detached(&state("releasing"), PLAIN), @"01938f5c-0000-7000-8000-000000000001 is detached and releasing: nobody gets it before it is clean: 1g.10gb 0000:10:00.0-0-1");
}
