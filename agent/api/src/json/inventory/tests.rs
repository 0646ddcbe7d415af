//! The inventory as a document.

use kerf_types::inventory::{Architecture, Gpu, Health, Inventory};
use kerf_types::{MigMode, Timestamp};

use crate::example::{amd_gpu, cut_gpu, inventory, lost_gpu};
use crate::json::show::pretty;

#[test]
fn a_gpu_is_shown_with_its_links() {
    let gpu = Gpu {
        profiles: Vec::new(),
        instances: Vec::new(),
        ..cut_gpu()
    };
    insta::assert_snapshot!(pretty(&super::Gpu::from(&gpu)), @r#"
    {
      "index": 0,
      "uuid": "GPU-5d4c3b2a-0000-4000-8000-000000000001",
      "pci": "0000:1b:00.0",
      "minor": 0,
      "name": "NVIDIA H100 80GB HBM3",
      "pci_vendor_id": "10de",
      "pci_device_id": "2330",
      "pci_subsystem_vendor_id": "10de",
      "pci_subsystem_device_id": "16c1",
      "serial": "1654422013371",
      "architecture": "hopper",
      "compute_capability": "9.0",
      "features": [ "bf16", "fp8" ],
      "memory_bytes": 85520809984,
      "numa_node": 0,
      "pcie": {
        "max_generation": 5,
        "max_width": 16,
        "current_generation": 1,
        "current_width": 16
      },
      "nvlinks": [
        {
          "link": 0,
          "active": true,
          "version": 4,
          "remote": { "kind": "switch", "pci": "0000:07:00.0" }
        },
        {
          "link": 1,
          "active": true,
          "version": 4,
          "remote": { "kind": "gpu", "pci": "0000:43:00.0" }
        },
        { "link": 2, "active": false, "version": 4, "remote": { "kind": "unknown" } }
      ],
      "fabric": {
        "state": "completed",
        "status": 0,
        "cluster": "6b657266-2773-206f-776e-207261636b21",
        "clique": 3,
        "health": {
          "mask": 425,
          "degraded_bandwidth": true,
          "route_recovery": false,
          "route_unhealthy": false,
          "access_timeout_recovery": false,
          "configuration": "right",
          "summary": "limited-capacity"
        },
        "complaints": [ "its bandwidth is degraded" ]
      },
      "c2c": [ { "link": 0, "active": true, "mbps": 44712 } ],
      "mig_mode": "enabled",
      "profiles": [],
      "instances": [],
      "processes": [ { "pid": 4242, "memory_bytes": 1073741824, "gi": 7, "ci": 0 } ],
      "health": { "state": "ok" }
    }
    "#);
}

#[test]
fn profiles_and_instances_are_shown() {
    let gpu = super::Gpu::from(&cut_gpu());
    insta::assert_snapshot!(pretty(&gpu.profiles), @r#"
    [
      {
        "id": 19,
        "name": "1g.10gb",
        "slices": 1,
        "memory_bytes": 10468982784,
        "sm_count": 16,
        "engines": { "copy": 1, "decoder": 1, "encoder": 0, "jpeg": 1, "ofa": 0 },
        "max_count": 7,
        "placements": [ { "start": 0, "size": 1 }, { "start": 6, "size": 1 } ],
        "full_compute_profile": 0
      }
    ]
    "#);
    insta::assert_snapshot!(pretty(&gpu.instances), @r#"
    [
      {
        "id": 7,
        "profile": 19,
        "placement": { "start": 6, "size": 1 },
        "capability_minor": 66,
        "compute": [
          {
            "id": 0,
            "profile": 0,
            "uuid": "MIG-0a1b2c3d-0000-5000-8000-000000000007",
            "capability_minor": 67
          }
        ]
      }
    ]
    "#);
}

#[test]
fn a_host_is_shown_whole() {
    let inventory = Inventory {
        gpus: Vec::new(),
        amd: Vec::new(),
        ..inventory()
    };
    insta::assert_snapshot!(pretty(&super::Inventory::from(&inventory)));
}

#[test]
fn an_amd_gpu_is_shown_with_its_modes_and_partitions() {
    insta::assert_snapshot!(pretty(&super::AmdGpu::from(&amd_gpu())), @r#"
    {
      "index": 0,
      "pci": "0000:05:00.0",
      "name": "AMD Instinct MI300X OAM",
      "pci_vendor_id": "1002",
      "pci_device_id": "74a1",
      "unique_id": "b3a1c27f9d04e586",
      "serial": "692200012345",
      "memory_bytes": 206141652992,
      "memory_used_bytes": 296747008,
      "utilisation_percent": 3,
      "numa_node": 1,
      "xccs": 8,
      "hive": "00000000deadbeef",
      "compute_mode": "DPX",
      "compute_modes": [ "SPX", "DPX" ],
      "memory_mode": "NPS1",
      "memory_modes": [ "NPS1", "NPS4" ],
      "pending_memory_mode": "NPS4",
      "partitions": [
        {
          "kfd_node": 2,
          "gpu_id": 40002,
          "render_minor": 128,
          "xccs": 4,
          "memory_bytes": 103070826496
        },
        {
          "kfd_node": 3,
          "gpu_id": 40003,
          "render_minor": 129,
          "xccs": 4,
          "memory_bytes": 103070826496
        }
      ],
      "processes": [ 4242 ],
      "health": { "state": "ok" }
    }
    "#);
}

#[test]
fn what_is_not_known_is_null() {
    insta::assert_snapshot!(pretty(&super::Gpu::from(&lost_gpu())), @r#"
    {
      "index": 1,
      "uuid": "GPU-5d4c3b2a-0000-4000-8000-000000000002",
      "pci": "0000:43:00.0",
      "minor": 1,
      "name": "NVIDIA H100 80GB HBM3",
      "pci_vendor_id": "10de",
      "pci_device_id": "2330",
      "pci_subsystem_vendor_id": "10de",
      "pci_subsystem_device_id": "16c1",
      "serial": null,
      "architecture": "ada",
      "compute_capability": "9.0",
      "features": [ "bf16", "fp8" ],
      "memory_bytes": 85520809984,
      "numa_node": null,
      "pcie": {
        "max_generation": 5,
        "max_width": 16,
        "current_generation": 1,
        "current_width": 16
      },
      "nvlinks": [],
      "fabric": null,
      "c2c": [],
      "mig_mode": "unsupported",
      "profiles": [],
      "instances": [],
      "processes": [],
      "health": { "state": "lost", "since_at": "2026-11-24T00:00:00.000Z" }
    }
    "#);
}

#[test]
fn words_stand_for_what_a_gpu_is() {
    let word = |gpu: &Gpu| {
        let gpu = serde_json::to_value(super::Gpu::from(gpu)).expect("it writes");
        format!(
            "{} {} {} {}",
            gpu["architecture"], gpu["features"], gpu["mig_mode"], gpu["health"]
        )
    };
    let since = Timestamp(0);
    let hung = Gpu {
        architecture: Architecture::Blackwell,
        compute_capability: (10, 0),
        mig_mode: MigMode::EnablePending,
        health: Health::Unresponsive {
            since,
            operation: "nvmlInit".to_owned(),
        },
        ..cut_gpu()
    };
    insta::assert_snapshot!(word(&hung), @r#""blackwell" ["bf16","fp8","fp4"] "enable_pending" {"operation":"nvmlInit","since_at":"1970-01-01T00:00:00.000Z","state":"unresponsive"}"#);
    let waiting = Gpu {
        health: Health::ResetRequired { since },
        ..hung
    };
    insta::assert_snapshot!(word(&waiting), @r#""blackwell" ["bf16","fp8","fp4"] "enable_pending" {"since_at":"1970-01-01T00:00:00.000Z","state":"reset_required"}"#);
    let sick = Gpu {
        architecture: Architecture::Other(77),
        compute_capability: (7, 5),
        mig_mode: MigMode::DisablePending,
        health: Health::Xid { since, code: 79 },
        ..cut_gpu()
    };
    insta::assert_snapshot!(word(&sick), @r#""nvml-77" [] "disable_pending" {"code":79,"since_at":"1970-01-01T00:00:00.000Z","state":"xid"}"#);
}
