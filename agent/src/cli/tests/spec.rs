//! Jobs from flags.

use clap::Parser;
use kerf_api::json::job::{self, JobSpecDocument};

use crate::cli::input::Source;
use crate::cli::spec::SpecArgs;

#[derive(Debug, Parser)]
struct Flags {
    #[command(flatten)]
    spec: SpecArgs,
}

fn document(words: &[&str]) -> JobSpecDocument {
    let words = std::iter::once(&"x").chain(words);
    let flags = Flags::try_parse_from(words).expect("these flags read");
    flags.spec.document("i".to_owned(), false, |name| {
        (name == "HERE").then(|| "1".to_owned())
    })
}

#[test]
fn without_flags_a_job_has_the_defaults_of_the_document() {
    let least = job::read(r#"{"image":"i"}"#).expect("the least document");
    assert_eq!(document(&[]), least);
}

/// Every flag once; no value has a space in it.
const ALL_FLAGS: &str = "--accel=memory>=20GiB,fp8 -e A=b=c -e HERE -e NOWHERE -v data:/mnt:rw -v code:/src -w /src --name n --kind serve --members 2 --cpu 1.5 --memory 4GiB --network-mbps 100 --time-limit 1h --restart on-failure:3 --grace 2m --communication all-reduce --latency-target-us 500 --preemptible --priority -7 --tenant t -l k=v --input d=20GiB --input e --cost-limit 12.5EUR --on-partition continue --network host -- run -x";

/// The same as a document.
const SAME_DOCUMENT: &str = r#"
image: i
name: n
kind: serve
args: [run, -x]
env: { A: b=c, HERE: "1" }
workdir: /src
accelerator: memory>=20GiB,fp8
members: 2
cpu_milli: 1500
memory_bytes: 4GiB
network_mbps: 100
volumes:
  - { name: data, path: /mnt, writable: true }
  - { name: code, path: /src }
time_limit_seconds: 3600
restart: { on_failure: { max: 3 } }
checkpoint_grace_seconds: 120
communication: all_reduce
latency_target_us: 500
preemptible: true
priority: -7
tenant: t
labels: { k: v }
inputs: [{ name: d, size_bytes: 20GiB }, { name: e }]
cost_limit: { milli: 12500, currency: EUR }
on_partition: continue
network: host
"#;

#[test]
fn every_flag_finds_its_field() {
    let words: Vec<&str> = ALL_FLAGS.split(' ').collect();
    let file = Source::from_text("job.yaml", SAME_DOCUMENT)
        .parse()
        .expect("the same as a file");
    assert_eq!(document(&words), file);
}

#[test]
fn wrong_values_are_refused_with_what_would_be_right() {
    let error = |words: &[&str]| {
        let words = std::iter::once(&"x").chain(words);
        let error = Flags::try_parse_from(words).expect_err("a wrong value");
        error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let all = [
        error(&["--kind", "fun"]),
        error(&["--restart", "on-failure"]),
        error(&["--volume", "data:mnt"]),
        error(&["--volume", "data:/mnt:rx"]),
        error(&["--cpu", "many"]),
        error(&["--memory", "4 GiB"]),
        error(&["--label", "k"]),
        error(&["--cost-limit", "12"]),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
    error: invalid value 'fun' for '--kind <KIND>': unknown variant `fun`, expected one of `train`, `finetune`, `serve`, `dataprep`, `interactive`, `batch`
    error: invalid value 'on-failure' for '--restart <POLICY>': a restart policy expected, found "on-failure": write never, always or on-failure:3
    error: invalid value 'data:mnt' for '--volume <NAME:/PATH[:rw]>': a volume expected, found "data:mnt": write it as data:/mnt/data or data:/mnt/data:rw
    error: invalid value 'data:/mnt:rx' for '--volume <NAME:/PATH[:rw]>': a volume expected, found "data:/mnt:rx": write it as data:/mnt/data or data:/mnt/data:rw
    error: invalid value 'many' for '--cpu <CPUS>': a number of CPUs expected, found "many": write it as 2, 0.5 or 500m
    error: invalid value '4 GiB' for '--memory <BYTES>': an amount of memory expected, found "4 GiB": write it as 512MiB or 20GiB
    error: invalid value 'k' for '--label <KEY=VALUE>': a label expected, found "k": write it as KEY=VALUE
    error: invalid value '12' for '--cost-limit <AMOUNT>': an amount of money expected, found "12": write it as 12.50EUR
    "#);
}
