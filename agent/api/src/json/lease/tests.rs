//! Leases as people and programs see them.

use super::{Lease, Leases};
use crate::json::show::{NOON, message, pretty, text};
use crate::v1;

fn lease_message() -> v1::Lease {
    use v1::lease_subject::{LeasedDevice, LeasedGpu, LeasedSlice, Subject};
    let slice = LeasedSlice {
        id: text("0000:1b:00.0-6-1"),
        profile: text("1g.10gb"),
        parent_uuid: text("GPU-1"),
        uuid: text("MIG-7"),
    };
    let gpu = LeasedGpu {
        pci: text("0000:43:00.0"),
        uuid: text("GPU-2"),
    };
    let device = LeasedDevice {
        kind: text("amd-partition"),
        name: text("0000:c1:00.0-renderD129"),
        pci: Some(text("0000:c1:00.0")),
    };
    let share = v1::Share {
        mode: text("mps"),
        index: 1,
        of: 4,
    };
    let subjects = [
        (Subject::Slice(slice), None, "hardware"),
        (Subject::Gpu(gpu), Some(share), "mps"),
        (Subject::Device(device), None, "compute"),
    ];
    v1::Lease {
        id: text("0192f0a4-5c1e-7000-8000-00000000002a"),
        fence: (3 << 48) + 42,
        state: text("active"),
        holder: text("container default/web-1"),
        container: Some(text("default/web-1")),
        subjects: subjects
            .map(|(subject, share, isolation)| v1::LeaseSubject {
                subject: Some(subject),
                share,
                isolation: text(isolation),
            })
            .into(),
        on_demand: true,
        attached: false,
        created_ms: NOON,
        expires_ms: None,
        init_pid: Some(4_242),
        cdi_name: text("kerf.dev/lease=0192f0a4-5c1e-7000-8000-00000000002a"),
        nearest_nics: vec![text("mlx5_0"), text("mlx5_1")],
        nearest_nvme: Vec::new(),
        imex_channel: None,
        isolated: None,
        cpus: None,
        mems: None,
    }
}

#[test]
fn leases() {
    let response = v1::ListLeasesResponse {
        leases: vec![lease_message()],
    };
    insta::assert_snapshot!(pretty(&message::<Leases, _>(&response)), @r#"
    {
      "schema": "kerf.v1.Leases",
      "leases": [
        {
          "id": "0192f0a4-5c1e-7000-8000-00000000002a",
          "state": "active",
          "holder": "container default/web-1",
          "container": "default/web-1",
          "init_pid": 4242,
          "subjects": [
            {
              "kind": "slice",
              "id": "0000:1b:00.0-6-1",
              "profile": "1g.10gb",
              "uuid": "MIG-7",
              "gpu_uuid": "GPU-1",
              "isolation": "hardware"
            },
            {
              "kind": "gpu",
              "pci": "0000:43:00.0",
              "uuid": "GPU-2",
              "share": { "mode": "mps", "index": 1, "of": 4 },
              "isolation": "mps"
            },
            {
              "kind": "device",
              "device": "amd-partition",
              "name": "0000:c1:00.0-renderD129",
              "pci": "0000:c1:00.0",
              "isolation": "compute"
            }
          ],
          "on_demand": true,
          "created_at": "2026-11-24T12:00:00.000Z",
          "expires_at": null,
          "fence": { "epoch": 3, "counter": 42 },
          "cdi_name": "kerf.dev/lease=0192f0a4-5c1e-7000-8000-00000000002a",
          "nearest_nics": [ "mlx5_0", "mlx5_1" ],
          "nearest_nvme": []
        }
      ]
    }
    "#);
    let mut wrong = response;
    wrong.leases[0].subjects[1].subject = None;
    let error = Leases::try_from(&wrong).expect_err("no subject");
    assert_eq!(error.to_string(), "leases[0].subjects[1].subject: missing");
}

#[test]
fn lease() {
    let mut lease = lease_message();
    lease.subjects.clear();
    lease.expires_ms = Some(NOON + 60_000);
    insta::assert_snapshot!(pretty(&message::<Lease, _>(&lease)), @r#"
    {
      "schema": "kerf.v1.Lease",
      "id": "0192f0a4-5c1e-7000-8000-00000000002a",
      "state": "active",
      "holder": "container default/web-1",
      "container": "default/web-1",
      "init_pid": 4242,
      "subjects": [],
      "on_demand": true,
      "created_at": "2026-11-24T12:00:00.000Z",
      "expires_at": "2026-11-24T12:01:00.000Z",
      "fence": { "epoch": 3, "counter": 42 },
      "cdi_name": "kerf.dev/lease=0192f0a4-5c1e-7000-8000-00000000002a",
      "nearest_nics": [ "mlx5_0", "mlx5_1" ],
      "nearest_nvme": []
    }
    "#);
}
