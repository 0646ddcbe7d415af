//! Which steps lead to wanted modes, and everything that is refused.

use std::collections::BTreeMap;

use kerf_types::inventory::Health;
use kerf_types::{AmdGpu, Bytes, ComputePartition, MemoryPartition, PciAddress, Step, Timestamp};

use crate::amd::{AmdPlanError, AmdRequest, AmdWish, plan_amd};

pub(super) fn gpu(index: u8) -> AmdGpu {
    AmdGpu {
        index: index.into(),
        pci: format!("0000:{index:02x}:00.0")
            .parse()
            .expect("an address"),
        name: "AMD Instinct MI300X OAM".to_owned(),
        pci_device_id: 0x74a1_1002,
        unique_id: None,
        serial: None,
        memory: Bytes(192 << 30),
        memory_used: None,
        utilisation_percent: None,
        numa_node: None,
        xccs: Some(8),
        hive: Some("h".to_owned()),
        compute: Some(ComputePartition::Spx),
        compute_modes: vec![
            ComputePartition::Spx,
            ComputePartition::Dpx,
            ComputePartition::Qpx,
            ComputePartition::Cpx,
        ],
        memory_mode: Some(MemoryPartition::Nps1),
        memory_modes: vec![MemoryPartition::Nps1, MemoryPartition::Nps4],
        pending_memory: None,
        partitions: Vec::new(),
        processes: Vec::new(),
        health: Health::Ok,
    }
}

pub(super) fn wish(compute: &str, memory: &str) -> AmdWish {
    AmdWish {
        compute: compute.parse().ok(),
        memory: memory.parse().ok(),
    }
}

/// The plan in words: steps, and what is left for later.
fn plan(gpus: &[AmdGpu], wishes: &[(usize, AmdWish)]) -> Result<Vec<String>, AmdPlanError> {
    let wishes: BTreeMap<PciAddress, AmdWish> = wishes
        .iter()
        .map(|(place, wish)| (gpus[*place].pci, *wish))
        .collect();
    let leased = BTreeMap::from([(gpu(7).pci, "container x".to_owned())]);
    let request = AmdRequest {
        gpus,
        wishes: &wishes,
        leased: &leased,
    };
    let changes = plan_amd(&request)?;
    let words = changes.iter().map(|change| {
        let steps: Vec<String> = change.steps.iter().map(Step::to_string).collect();
        let later = [
            change.memory_later.map(|mode| mode.to_string()),
            change.compute_later.map(|mode| mode.to_string()),
        ];
        let later: Vec<String> = later.into_iter().flatten().collect();
        format!(
            "{}: [{}] later [{}]",
            change.gpu.index,
            steps.join(", "),
            later.join(" ")
        )
    });
    Ok(words.collect())
}

fn refusal(gpus: &[AmdGpu], wishes: &[(usize, AmdWish)]) -> String {
    plan(gpus, wishes).expect_err("a refusal").to_string()
}

#[test]
fn only_what_differs_is_changed() {
    let gpus = [gpu(0), gpu(1)];
    let wishes = [(0, wish("SPX", "NPS1")), (1, wish("CPX", "NPS1"))];
    assert_eq!(
        plan(&gpus, &wishes),
        Ok(vec![
            "0: [] later []".to_owned(),
            "1: [set compute partition mode of 0000:01:00.0 to CPX] later []".to_owned(),
        ])
    );
    assert_eq!(plan(&gpus, &[]), Ok(Vec::new()));
    assert_eq!(
        plan(&gpus, &[(0, AmdWish::default())]),
        Ok(vec!["0: [] later []".to_owned()])
    );
}

#[test]
fn a_memory_mode_is_asked_for_once_and_the_compute_mode_waits_for_it() {
    let mut gpus = [gpu(0), gpu(1)];
    let wishes = [(0, wish("CPX", "NPS4")), (1, wish("QPX", "NPS4"))];
    assert_eq!(
        plan(&gpus, &wishes),
        Ok(vec![
            "0: [ask for memory partition mode NPS4 of 0000:00:00.0] later [NPS4 CPX]".to_owned(),
            "1: [] later [NPS4 QPX]".to_owned(),
        ])
    );
    for gpu in &mut gpus {
        gpu.pending_memory = Some(MemoryPartition::Nps4);
    }
    let again = plan(&gpus, &wishes).expect("possible");
    assert_eq!(again, ["0: [] later [NPS4 CPX]", "1: [] later [NPS4 QPX]"]);
    // Without a hive each is asked.
    let mut alone = [gpu(0), gpu(1)];
    for gpu in &mut alone {
        gpu.hive = None;
    }
    let each = plan(&alone, &wishes).expect("possible");
    assert!(each.iter().all(|line| line.contains("ask for")), "{each:?}");
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let gpus = [gpu(0), gpu(1)];
    assert_eq!(
        refusal(&gpus, &[(0, wish("TPX", ""))]),
        "AMD GPU 0 (0000:00:00.0) does not offer TPX"
    );
    assert_eq!(
        refusal(&gpus, &[(0, wish("", "NPS2")), (1, wish("", "NPS2"))]),
        "AMD GPU 0 (0000:00:00.0) does not offer NPS2"
    );
    let both = [(0, wish("SPX", "NPS4")), (1, wish("", "NPS4"))];
    assert!(matches!(plan(&gpus, &both), Err(AmdPlanError::Mode { .. })));
    assert_eq!(
        refusal(&gpus, &[(0, wish("", "NPS4"))]),
        "memory mode NPS4 of AMD GPU 0 (0000:00:00.0) would change AMD GPU 1 (0000:01:00.0) too, \
         which is in the same hive"
    );
    let mut pending = gpus.clone();
    pending[0].pending_memory = Some(MemoryPartition::Nps4);
    assert!(refusal(&pending, &[(0, wish("", "NPS1"))]).contains("has been asked for NPS4"));
    let missing = BTreeMap::from([(gpu(9).pci, wish("CPX", ""))]);
    let request = AmdRequest {
        gpus: &gpus,
        wishes: &missing,
        leased: &BTreeMap::new(),
    };
    assert_eq!(
        plan_amd(&request),
        Err(AmdPlanError::NoGpu { pci: gpu(9).pci })
    );
}

#[test]
fn what_somebody_has_is_not_touched() {
    let mut gpus = [gpu(0), gpu(7)];
    gpus[0].processes = vec![41, 42];
    assert_eq!(
        refusal(&gpus, &[(0, wish("CPX", ""))]),
        "AMD GPU 0 (0000:00:00.0) is in use by process 41, process 42"
    );
    assert_eq!(
        refusal(&gpus, &[(1, wish("CPX", ""))]),
        "AMD GPU 7 (0000:07:00.0) is in use by container x"
    );
    // One that has the mode already is not disturbed by it.
    let same = [(0, wish("SPX", "")), (1, wish("SPX", "NPS1"))];
    assert_eq!(plan(&gpus, &same).map(|lines| lines.len()), Ok(2));
    let mut sick = [gpu(0)];
    sick[0].health = Health::Lost {
        since: Timestamp(0),
    };
    assert_eq!(
        refusal(&sick, &[(0, wish("SPX", ""))]),
        "AMD GPU 0 (0000:00:00.0) is not well"
    );
}
