//! The document as programs read it.

use kerf_types::sample::{GpuSample, SliceSample};
use kerf_types::{Bytes, CiId, GiId, Timestamp};

use super::Samples;
use crate::json::show::{NOON, pretty, text};

/// A reading of which the driver tells only a part.
fn sample() -> GpuSample {
    GpuSample {
        gpu: "GPU-84596284-f72d-414b-b5b6-bf5e48d82489"
            .parse()
            .expect("a UUID"),
        taken: Timestamp(NOON),
        temperature_celsius: Some(41.0),
        memory_temperature_celsius: None,
        power_watts: Some(69.5),
        power_limit_watts: Some(700.0),
        energy_joules: None,
        sm_clock_hertz: Some(345e6),
        memory_clock_hertz: None,
        utilization_ratio: None,
        memory_utilization_ratio: None,
        memory_used: Some(Bytes(61_865_984)),
        memory_total: None,
        ecc_corrected: Some(0),
        ecc_uncorrected: None,
        pcie_replays: None,
        clock_event_reasons: Some(1),
        sm_activity_ratio: None,
        slices: vec![SliceSample {
            gi: GiId(2),
            ci: CiId(0),
            uuid: "MIG-13ebe9b4-7eaa-50c1-bc53-90d314704ca7"
                .parse()
                .expect("a UUID"),
            memory_used: None,
            memory_total: Some(Bytes(42_412_802_048)),
            sm_activity_ratio: Some(0.25),
        }],
        processes: Vec::new(),
        last_xid: None,
    }
}

#[test]
fn samples() {
    let samples = Samples {
        schema: Default::default(),
        samples: vec![super::GpuSample::new(0, &sample())],
        problems: vec![text("GPU 1: no answer within 5000 ms")],
    };
    insta::assert_snapshot!(pretty(&samples), @r#"
    {
      "schema": "kerf.v1.Samples",
      "samples": [
        {
          "index": 0,
          "gpu": "GPU-84596284-f72d-414b-b5b6-bf5e48d82489",
          "taken_at": "2026-11-24T12:00:00.000Z",
          "temperature_celsius": 41.0,
          "memory_temperature_celsius": null,
          "power_watts": 69.5,
          "power_limit_watts": 700.0,
          "energy_joules": null,
          "sm_clock_hertz": 345000000.0,
          "memory_clock_hertz": null,
          "utilization_ratio": null,
          "memory_utilization_ratio": null,
          "memory_used_bytes": 61865984,
          "memory_total_bytes": null,
          "ecc_corrected": 0,
          "ecc_uncorrected": null,
          "pcie_replays": null,
          "clock_event_reasons": 1,
          "sm_activity_ratio": null,
          "slices": [
            {
              "gi": 2,
              "ci": 0,
              "uuid": "MIG-13ebe9b4-7eaa-50c1-bc53-90d314704ca7",
              "memory_used_bytes": null,
              "memory_total_bytes": 42412802048,
              "sm_activity_ratio": 0.25
            }
          ],
          "processes": [],
          "last_xid": null
        }
      ],
      "problems": [ "GPU 1: no answer within 5000 ms" ]
    }
    "#);
}
