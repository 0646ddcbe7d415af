//! Golden texts and documents of vGPUs, and how arguments read.

use clap::Parser;
use kerf_api::json::{Vgpu, VgpuTypes, Vgpus};
use kerf_api::v1;

use super::render;
use crate::cli::Cli;
use crate::cli::style::Style;

const PLAIN: Style = Style { color: false };

fn record() -> v1::VgpuRecord {
    v1::VgpuRecord {
        for_containers: true,
        gpu: "0000:0f:00.0".to_owned(),
        function: "0000:0f:00.4".to_owned(),
        uuid: None,
        type_id: 1_201,
        type_name: "NVIDIA H200X-70C".to_owned(),
        uid: 1_000,
        fence: (1 << 48) + 5,
        created_ms: 1_795_608_000_000,
        state: "made".to_owned(),
        gpu_instance: None,
        placement: Some(0),
    }
}

fn answer() -> v1::ListVgpusResponse {
    let vgpu = |type_id, user: Option<&str>| v1::Vgpu {
        type_id,
        placement: Some(0),
        user: user.map(str::to_owned),
        ..v1::Vgpu::default()
    };
    let function = |pci: &str, vgpus| v1::VgpuFunction {
        pci: pci.to_owned(),
        creatable: Some(v1::VgpuTypeIds::default()),
        vgpus: Some(v1::Vgpus { vgpus }),
    };
    let gpu = v1::VgpuGpu {
        pci: "0000:0f:00.0".to_owned(),
        framework: Some("vfio".to_owned()),
        sriov: Some(v1::Sriov {
            functions: 16,
            most: 16,
        }),
        types: vec![v1::VgpuType {
            id: 1_205,
            name: "NVIDIA H200X-1-18C".to_owned(),
            available: 3,
        }],
        functions: vec![
            function("0000:0f:00.4", vec![vgpu(1_201, Some("process 7"))]),
            function("0000:0f:00.5", vec![vgpu(1_202, None)]),
            function("0000:0f:00.6", Vec::new()),
        ],
        problems: Vec::new(),
    };
    let off = v1::VgpuGpu {
        pci: "0000:11:00.0".to_owned(),
        sriov: Some(v1::Sriov {
            functions: 0,
            most: 16,
        }),
        ..v1::VgpuGpu::default()
    };
    let host = |gpu, records| v1::VgpuHost {
        gpu: Some(gpu),
        records,
    };
    v1::ListVgpusResponse {
        gpus: vec![host(gpu, vec![record()]), host(off, Vec::new())],
        looked_ms: Some(1_795_608_060_000),
        age_ms: Some(4_000),
        users_known: true,
    }
}

#[test]
fn types_of_each_gpu() {
    let types = VgpuTypes::try_from(&answer()).expect("it reads");
    insta::assert_snapshot!(render::types(&types, PLAIN), @r"
    GPU 0000:0f:00.0  vfio  16 of 16 functions
      TYPE  NAME                AVAILABLE  LIES IN
      1205  NVIDIA H200X-1-18C          3  GPU instance

    GPU 0000:11:00.0  -  SR-IOV off
    ");
}

#[test]
fn ours_and_foreign_ones() {
    let vgpus = Vgpus::try_from(&answer()).expect("it reads");
    let text = render::vgpus(&vgpus, PLAIN);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[1].contains("NVIDIA H200X-70C (1201)"), "{text}");
    assert!(lines[1].contains("process 7  uid 1000"), "{text}");
    assert!(lines[2].contains("foreign"), "{text}");
    assert_eq!(vgpus.vgpus[1].type_name, None, "nobody tells it");
    let json = serde_json::to_value(&vgpus).expect("it writes");
    assert_eq!(json["schema"], "kerf.v1.Vgpus");
    assert_eq!(json["vgpus"][0]["made_by_kerf"]["fence"], (1_u64 << 48) + 5);
    assert!(json["vgpus"][1]["made_by_kerf"].is_null());
    let none = Vgpus {
        vgpus: Vec::new(),
        ..vgpus
    };
    assert_eq!(render::vgpus(&none, PLAIN), "no vGPUs\n");
}

/// Nobody is told to be free of users where that was not seen, and nothing old for new.
#[test]
fn what_is_not_known_is_not_told() {
    let mut answer = answer();
    let told = |answer: &v1::ListVgpusResponse| {
        let vgpus = Vgpus::try_from(answer).expect("it reads");
        render::vgpus(&vgpus, PLAIN)
    };
    assert!(!told(&answer).contains("unknown"), "{}", told(&answer));
    answer.users_known = false;
    let text = told(&answer);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].contains("process 7"), "{text}");
    assert!(lines[2].contains("unknown"), "{text}");
    answer.age_ms = Some(90_000);
    let text = told(&answer);
    assert!(text.starts_with("as of 90 s ago"), "{text}");
    let types = VgpuTypes::try_from(&answer).expect("it reads");
    let text = render::types(&types, PLAIN);
    assert!(text.starts_with("as of 90 s ago"), "{text}");
    (answer.looked_ms, answer.age_ms) = (None, None);
    let text = told(&answer);
    assert!(text.starts_with("not looked at yet"), "{text}");
}

/// A record of a type that is not what is there does not make it ours.
#[test]
fn another_vgpu_in_its_place_is_foreign() {
    let mut answer = answer();
    answer.gpus[0].records[0].type_id = 1_203;
    let vgpus = Vgpus::try_from(&answer).expect("it reads");
    assert!(vgpus.vgpus.iter().all(|vgpu| vgpu.made_by_kerf.is_none()));
}

#[test]
fn one_that_was_made_and_one_that_is_gone() {
    let vgpu = Vgpu::from(&record());
    let text = render::made(&vgpu, PLAIN);
    assert!(text.contains("/sys/bus/pci/devices/0000:0f:00.4"), "{text}");
    assert!(text.contains("281474976710661"), "{text}");
    let text = render::gone(&vgpu, PLAIN);
    assert_eq!(text, "0000:0f:00.4 is free: NVIDIA H200X-70C (1201)\n");
}

#[test]
fn arguments_read() {
    let read = |text: &str| Cli::try_parse_from(text.split(' '));
    for good in [
        "kerf vgpu types",
        "kerf vgpu list -o json",
        "kerf vgpu create 1145 --gpu 0 --enable-sriov",
        "kerf vgpu create L40S-1B --gpu 0000:0f:00.0 --function 0000:0f:00.4 --placement 4",
        "kerf vgpu delete 0000:0f:00.4 --fence 7 --disable-sriov",
    ] {
        assert!(read(good).is_ok(), "{good}");
    }
    for bad in [
        "kerf vgpu",
        "kerf vgpu create 1145",
        "kerf vgpu create --gpu 0",
        "kerf vgpu delete",
        "kerf vgpu delete a --fence b",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
