//! What becomes of records, by what functions show: the story of a function that is used again.

use kerf_types::vgpu::VgpuFramework;
use kerf_types::{GiId, Vgpu, VgpuFunction, VgpuGpu, VgpuTypeId};

use super::judge::{Verdict, is_it, judge};
use crate::store::{VgpuRow, VgpuState};

impl super::Vgpus {
    /// These records, and a GPU that shows this.
    pub fn with(rows: Vec<VgpuRow>, gpu: VgpuGpu) -> Self {
        Self {
            rows: rows.into_iter().map(|row| (row.fence, row)).collect(),
            seen: [(gpu.pci, gpu)].into(),
            ..Self::default()
        }
    }

    /// The same after a start at which no GPU answers.
    pub fn unseen(self) -> Self {
        Self {
            rows: self.rows,
            ..Self::default()
        }
    }
}

const UUID: &str = "0b1c2d3e-0000-4000-8000-0000000000aa";

fn row(state: VgpuState) -> VgpuRow {
    VgpuRow {
        fence: 7,
        state,
        gpu: "0000:0f:00.0".to_owned(),
        function: "0000:0f:00.4".to_owned(),
        uuid: None,
        type_id: 1_201,
        type_name: "NVIDIA H200X-70C".to_owned(),
        gpu_instance: None,
        placement: Some(8),
        uid: 1_000,
        for_containers: true,
        boot_id: "b".to_owned(),
        created_ms: 5,
    }
}

fn vgpu(type_id: u32, placement: u32) -> Vgpu {
    Vgpu {
        uuid: None,
        type_id: VgpuTypeId(type_id),
        gpu_instance: None,
        placement: Some(placement),
        user: None,
    }
}

fn showing(vgpus: Option<Vec<Vgpu>>) -> VgpuGpu {
    VgpuGpu {
        pci: "0000:0f:00.0".parse().expect("an address"),
        framework: Some(VgpuFramework::Vfio),
        sriov: None,
        types: Vec::new(),
        functions: vec![VgpuFunction {
            pci: "0000:0f:00.4".parse().expect("an address"),
            creatable: None,
            vgpus,
        }],
        problems: Vec::new(),
    }
}

#[track_caller]
fn check(state: VgpuState, vgpus: Option<Vec<Vgpu>>, expected: &Verdict) {
    let judged = judge(&row(state), Some(&showing(vgpus)), "b", false);
    assert_eq!(judged, *expected);
}

#[test]
fn a_record_holds_for_as_long_as_everything_is_as_it_was_seen() {
    check(VgpuState::Made, Some(vec![vgpu(1_201, 8)]), &Verdict::Keep);
    for other in [vgpu(1_202, 8), vgpu(1_201, 0)] {
        let ended = Verdict::Ended("another vGPU is in its place");
        check(VgpuState::Made, Some(vec![other]), &ended);
    }
    let ended = Verdict::Ended("somebody else took it away");
    check(VgpuState::Made, Some(Vec::new()), &ended);
    let in_instance = Vgpu {
        gpu_instance: Some(GiId(3)),
        ..vgpu(1_201, 8)
    };
    let mut known = row(VgpuState::Made);
    known.gpu_instance = Some(4);
    let verdict = judge(&known, Some(&showing(Some(vec![in_instance]))), "b", false);
    assert!(matches!(verdict, Verdict::Ended(_)));
}

#[test]
fn a_file_that_does_not_read_ends_no_record() {
    let blank = Vgpu {
        placement: None,
        ..vgpu(1_201, 0)
    };
    let mut known = row(VgpuState::Made);
    known.gpu_instance = Some(4);
    let showing = |vgpu: &Vgpu| showing(Some(vec![vgpu.clone()]));
    assert_eq!(
        judge(&known, Some(&showing(&blank)), "b", false),
        Verdict::Keep
    );
    known.state = VgpuState::Making;
    let made = Verdict::Made(blank.clone());
    assert_eq!(judge(&known, Some(&showing(&blank)), "b", false), made);
    let other = Vgpu {
        gpu_instance: Some(GiId(3)),
        ..blank
    };
    let never = Verdict::Ended("it was never made");
    assert_eq!(judge(&known, Some(&showing(&other)), "b", false), never);
}

#[test]
fn a_crash_is_settled_by_what_is_there() {
    let there = vgpu(1_201, 8);
    let made = Verdict::Made(there.clone());
    check(VgpuState::Making, Some(vec![there.clone()]), &made);
    let never = Verdict::Ended("it was never made");
    check(VgpuState::Making, Some(Vec::new()), &never);
    check(VgpuState::Making, Some(vec![vgpu(1_202, 8)]), &never);
    check(VgpuState::Unmaking, Some(vec![there]), &Verdict::Finish);
    let taken = Verdict::Ended("it was taken away");
    check(VgpuState::Unmaking, Some(Vec::new()), &taken);
    check(VgpuState::Unmaking, Some(vec![vgpu(1_202, 8)]), &taken);
}

#[test]
fn what_does_not_answer_changes_nothing() {
    for state in [VgpuState::Making, VgpuState::Made, VgpuState::Unmaking] {
        check(state, None, &Verdict::Keep);
        assert_eq!(judge(&row(state), None, "b", false), Verdict::Keep);
        let later = judge(&row(state), None, "another boot", false);
        assert_eq!(later, Verdict::Ended("the machine was booted since"));
        let mut off = showing(None);
        off.functions.clear();
        let gone = Verdict::Ended("its function is gone");
        assert_eq!(judge(&row(state), Some(&off), "b", false), gone);
    }
}

#[test]
fn a_mediated_device_is_known_by_its_name_alone() {
    let mut known = row(VgpuState::Made);
    (known.uuid, known.placement) = (Some(UUID.to_owned()), None);
    let named = |text: &str| Vgpu {
        uuid: Some(text.parse().expect("a UUID")),
        placement: None,
        ..vgpu(1_201, 0)
    };
    let other = "0b1c2d3e-0000-4000-8000-0000000000ab";
    let both = showing(Some(vec![named(other), named(UUID)]));
    assert_eq!(judge(&known, Some(&both), "b", false), Verdict::Keep);
    let only = showing(Some(vec![named(other)]));
    assert!(matches!(
        judge(&known, Some(&only), "b", false),
        Verdict::Ended(_)
    ));
}

/// Functions are turned off only under the one vGPU that a record speaks of, however few there are.
#[test]
fn a_record_speaks_of_one_vgpu_alone() {
    let known = row(VgpuState::Made);
    let function = |at: &str| at.parse().expect("an address");
    let (own, other) = (function("0000:0f:00.4"), function("0000:0f:00.5"));
    assert!(is_it(&known, own, &vgpu(1_201, 8)));
    assert!(!is_it(&known, other, &vgpu(1_201, 8)));
    assert!(!is_it(&known, own, &vgpu(1_202, 8)));
    assert!(!is_it(&known, own, &vgpu(1_201, 16)));
}

/// A worker that outlived its kerfd may be in the write, or may be taking it back.
#[test]
fn what_is_seen_while_an_earlier_worker_is_at_work_settles_nothing() {
    for vgpus in [vec![], vec![vgpu(1_201, 8)], vec![vgpu(1_202, 8)]] {
        let shown = showing(Some(vgpus));
        for state in [VgpuState::Making, VgpuState::Unmaking] {
            let judged = judge(&row(state), Some(&shown), "b", true);
            assert_eq!(judged, Verdict::Keep);
            // It has not outlived the machine.
            let later = judge(&row(state), Some(&shown), "another boot", true);
            assert_eq!(later, Verdict::Ended("the machine was booted since"));
        }
    }
    // Nothing was begun of one that was made.
    let gone = judge(
        &row(VgpuState::Made),
        Some(&showing(Some(vec![]))),
        "b",
        true,
    );
    assert_eq!(gone, Verdict::Ended("somebody else took it away"));
}
