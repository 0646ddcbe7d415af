//! Whose the GPUs are, by what runs and by what the configuration says.

use std::path::Path;
use std::sync::Arc;

use kerf_planner::{HostPlan, Usage};
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};

use super::PARTITIONING;
use crate::config::Owner;
use crate::host::bench::Bench;
use crate::host::{HostError, LayoutRequest, fixture};
use crate::others::Maker;

/// A host with one GPU and with a process of this command line.
fn bench(line: &str) -> Bench {
    let mut bench = Bench::new();
    let process = bench.folder().join("proc/7");
    std::fs::create_dir_all(&process).expect("made");
    std::fs::write(process.join("cmdline"), line).expect("written");
    bench.host.inventory.gpus = vec![fixture::divided(&[4])];
    bench.host.look_for_cutters();
    bench
}

fn owned_by(bench: &mut Bench, owner: Owner) {
    let mut config = (*bench.host.config).clone();
    config.partition.owner = owner;
    bench.host.config = Arc::new(config);
    bench.host.look_for_cutters();
}

/// A plan that takes everything off the GPU.
fn plan(bench: &Bench) -> HostPlan {
    let rule = LayoutRule {
        gpus: vec![GpuSelector::Index(0)],
        mig_enabled: true,
        ..LayoutRule::default()
    };
    let request = LayoutRequest {
        layout: Layout { rules: vec![rule] },
        allow_reset: false,
        expected_generation: 0,
        force: Default::default(),
        by: None,
    };
    let usage = Usage::default();
    crate::host::layout::plan(&bench.host.inventory, &usage, &request).expect("a plan")
}

const MANAGER: &str = "/usr/bin/nvidia-mig-manager\0";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_cut_while_another_manager_runs_until_told() {
    let mut bench = bench(MANAGER);
    let plan = plan(&bench);
    assert!(!plan.gpus[0].steps.is_empty());
    let refused = bench
        .host
        .refuse_if_owned(&plan)
        .expect_err("another one cuts");
    assert_eq!(
        refused.to_string(),
        "kerf does not cut the GPUs of this host: nvidia-mig-manager (process 7) cuts them"
    );
    assert!(
        refused.hint().contains("owner = \"kerf\""),
        "{}",
        refused.hint()
    );
    assert!(matches!(refused, HostError::Owned { .. }));
    bench
        .host
        .refuse_if_owned(&HostPlan::default())
        .expect("a plan that changes nothing");
    let entry = bench.host.degraded.get(PARTITIONING).expect("it is told");
    assert_eq!(
        entry.why,
        "kerf cuts no GPU here, because others do: nvidia-mig-manager (process 7)"
    );

    owned_by(&mut bench, Owner::Kerf);
    bench.host.refuse_if_owned(&plan).expect("told to");
    assert!(!bench.host.degraded.contains_key(PARTITIONING));

    owned_by(&mut bench, Owner::Auto);
    assert!(bench.host.refuse_if_owned(&plan).is_err());
    std::fs::remove_dir_all(bench.folder().join("proc/7")).expect("ours");
    bench.host.look_for_cutters();
    bench.host.refuse_if_owned(&plan).expect("it has gone");
    assert!(!bench.host.degraded.contains_key(PARTITIONING));

    owned_by(&mut bench, Owner::Others);
    let refused = bench.host.refuse_if_owned(&plan).expect_err("told not to");
    assert!(
        refused
            .to_string()
            .ends_with("partition.owner leaves them to others"),
        "{refused}"
    );
    assert!(
        !bench.host.degraded.contains_key(PARTITIONING),
        "that is as it should be"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_such_gpus_and_programs_that_only_look_are_well() {
    let mut bench = bench("dcgm-exporter\0");
    assert_eq!(bench.host.why_not_cut(Maker::Nvidia), None);
    std::fs::write(bench.folder().join("proc/7/cmdline"), MANAGER).expect("written");
    bench.host.inventory.gpus.clear();
    bench.host.look_for_cutters();
    assert!(!bench.host.degraded.contains_key(PARTITIONING));
    assert_eq!(bench.host.why_not_cut(Maker::Amd), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_that_needs_a_cut_says_who_is_in_the_way() {
    let mut bench = bench(MANAGER);
    let ask = "3c.3g.40gb".parse().expect("an ask");
    let refused = bench.host.choose(&ask).expect_err("nothing is free");
    assert!(
        refused
            .to_string()
            .contains("kerf does not cut: nvidia-mig-manager (process 7) cuts them"),
        "{refused}"
    );
    owned_by(&mut bench, Owner::Kerf);
    let refused = bench
        .host
        .choose(&ask)
        .map_or_else(|error| error.to_string(), |_| String::new());
    assert!(!refused.contains("nvidia-mig-manager"), "{refused}");
}

#[test]
fn the_key_is_read_and_shown() {
    let read = |text: &str| {
        let file = crate::config::file::parse(Path::new("k"), text).expect("it reads");
        file.resolve(Path::new("/usr/bin"), "h")
            .map(|config| config.partition.owner)
    };
    assert_eq!(read("").expect("fine"), Owner::Auto);
    for (word, owner) in [
        ("auto", Owner::Auto),
        ("kerf", Owner::Kerf),
        ("others", Owner::Others),
    ] {
        let text = format!("[partition]\nowner = \"{word}\"\n");
        assert_eq!(read(&text).expect(word), owner);
        assert_eq!(owner.as_str(), word);
    }
    let wrong = read("[partition]\nowner = \"me\"\n").expect_err("no such word");
    assert_eq!(
        wrong.to_string(),
        "partition.owner: \"me\" is none of auto, kerf, others"
    );
}
