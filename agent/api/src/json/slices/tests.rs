//! Slices and shared devices as documents.

use super::*;
use crate::example::place;
use crate::json::show::{message, pretty, text};

fn slice() -> v1::Slice {
    v1::Slice {
        id: text("0000:1b:00.0-6-1"),
        gpu_index: 0,
        gpu_uuid: text("GPU-1"),
        gpu_pci: text("0000:1b:00.0"),
        profile: text("1g.10gb"),
        placement: Some((&place(6, 1)).into()),
        gi: 7,
        ci: Some(0),
        uuid: Some(text("MIG-7")),
        memory_bytes: 10_468_982_784,
        sm_count: 16,
        state: text("leased"),
        lease: Some(text("0192f0a4-5c1e-7000-8000-00000000002a")),
        holder: Some(text("container default/web-1")),
        cdi_name: text("kerf.dev/slice=0000:1b:00.0-6-1"),
        reason: None,
        compute: None,
        isolation: text("hardware"),
    }
}

fn shared_gpu() -> v1::SharedGpu {
    let taken = v1::TakenShare {
        index: 1,
        lease: text("0192f0a4-5c1e-7000-8000-00000000002b"),
        holder: text("container default/web-2"),
    };
    let device = v1::SharedDevice {
        slice: String::new(),
        uuid: text("GPU-2"),
        state: text("ready"),
        daemon_pid: Some(77),
        taken: vec![taken],
        clients: Some(v1::MpsClients { pids: vec![81, 82] }),
        server: text("ACTIVE"),
    };
    let mps = v1::sharing::Mps {
        clients: 4,
        threads: None,
        memory_bytes: Some(18 << 30),
    };
    v1::SharedGpu {
        index: 1,
        pci: text("0000:43:00.0"),
        uuid: text("GPU-2"),
        sharing: Some(v1::Sharing {
            mode: Some(v1::sharing::Mode::Mps(mps)),
        }),
        devices: vec![device],
    }
}

#[test]
fn slices() {
    let mut response = v1::ListSlicesResponse {
        slices: vec![slice()],
        shared: vec![shared_gpu()],
    };
    insta::assert_snapshot!(pretty(&message::<Slices, _>(&response)), @r#"
    {
      "schema": "kerf.v1.Slices",
      "slices": [
        {
          "id": "0000:1b:00.0-6-1",
          "gpu_index": 0,
          "gpu_uuid": "GPU-1",
          "gpu_pci": "0000:1b:00.0",
          "profile": "1g.10gb",
          "placement": { "start": 6, "size": 1 },
          "gi": 7,
          "ci": 0,
          "uuid": "MIG-7",
          "memory_bytes": 10468982784,
          "sm_count": 16,
          "isolation": "hardware",
          "state": "leased",
          "reason": null,
          "lease": "0192f0a4-5c1e-7000-8000-00000000002a",
          "holder": "container default/web-1",
          "cdi_name": "kerf.dev/slice=0000:1b:00.0-6-1"
        }
      ],
      "shared": [
        {
          "index": 1,
          "pci": "0000:43:00.0",
          "uuid": "GPU-2",
          "sharing": { "mps": { "clients": 4, "memory": "18GiB" } },
          "isolation": "mps",
          "devices": [
            {
              "slice": null,
              "uuid": "GPU-2",
              "state": "ready",
              "daemon_pid": 77,
              "clients": [ 81, 82 ],
              "server": "ACTIVE",
              "taken": [
                {
                  "index": 1,
                  "lease": "0192f0a4-5c1e-7000-8000-00000000002b",
                  "holder": "container default/web-2"
                }
              ]
            }
          ]
        }
      ]
    }
    "#);
    response.slices[0].placement = None;
    let error = Slices::try_from(&response).expect_err("no place");
    assert_eq!(error.to_string(), "slices[0].placement: missing");
}
