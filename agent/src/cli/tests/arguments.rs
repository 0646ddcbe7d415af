//! The grammar of the command line.

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, usage_code};

#[test]
fn the_grammar_is_whole() {
    Cli::command().debug_assert();
}

fn check(line: &str, is_right: bool) {
    let words = std::iter::once("kerf").chain(line.split_whitespace());
    let outcome = Cli::try_parse_from(words);
    assert_eq!(outcome.is_ok(), is_right, "kerf {line}: {outcome:?}");
}

/// Spellings as the manual has them.
const SPELLINGS: &[&str] = &[
    "status",
    "setup containerd",
    "setup podman --write --handler kerf-2 --root /tmp/x",
    "setup docker --undo --dry-run --config /x/daemon.json -o json",
    "setup crio --dry-run --runtime /opt/kerf-runtime",
    "device attach web-1 1g.10gb",
    "device attach pid:17 --lease 01a --namespace default",
    "device attach web-1 gpu:2 --wait 5m -o json",
    "device detach web-1 --force",
    "maintenance enter",
    "maintenance enter --gpu 0 --gpu label:rack --wait 1h",
    "maintenance leave --gpu 0000:1b:00.0",
    "maintenance show -o json",
    "-o json status",
    "status -o yaml --no-color --socket /run/x.sock",
    "discover --nvml none --sysroot /tmp/x",
    "plan layout.yaml",
    "plan -",
    "plan --exit-code --allow-reset layout.yaml --select all-balanced",
    "plan --gpu 0 --gpu 1 --slices 1g.10gb:2,3g.40gb:1",
    "plan --gpu 0,GPU-1234 --slices none",
    "plan --batch",
    "plan --batch -o json --socket /run/x.sock",
    "apply --gpu all --mig-off --expected-generation 7",
    "apply -f layout.yaml --label all-balanced --wait 5m --drain",
    "apply layout.yaml --force-destroy MIG-1 --force-destroy MIG-2",
    "apply --forget",
    "plan -f layout.yaml --force-destroy MIG-1",
    "assert -f layout.yaml --label x --mode-only",
    "assert layout.yaml",
    "export",
    "export -f a.toml --format mig-parted --syntax json",
    "checkpoint a.json",
    "checkpoint -f -",
    "restore a.json --allow-reset --wait 10s",
    "restore -f a.json --drain",
    "history -n 5 -o json",
    "history show 7",
    "run --accel 1g.10gb --image busybox -- sleep 1",
    "run -it --image busybox -e A=1 -e B -v data:/mnt:rw --cpu 0.5 --memory 4GiB -- sh",
    "run --image a --restart on-failure:3 --time-limit 1h --grace 30s --label k=v --kind train",
    "run --image-archive a.tar --communication all-to-all --priority -5 --cost-limit 12.50EUR",
    "submit -f job.yaml",
    "submit --image busybox -o json -- sleep 600",
    "jobs --all",
    "jobs 0192",
    "logs -f 0192",
    "logs --member 3 0192",
    "nodes -o json",
    "nodes forget node-7",
    "cluster init",
    "cluster init --name lab",
    "cluster token create --ttl 10m",
    "cluster token list -o json",
    "cluster token revoke 0a0b0c0d0a0b0c0d",
    "cluster join gpu-1:9451 kerf2-00",
    "cluster status -o yaml",
    "cluster revoke gpu-7",
    "keyring list",
    "keyring install",
    "keyring install 0a0b0c0d",
    "keyring use 0a0b0c0d",
    "keyring remove 0a0b0c0d",
    "keyring generate",
    "explain 0192",
    "cancel 0192",
    "force 0192 --give-up gpu-2 --give-up gpu-3 --dry-run",
    "lease create 1g.10gb --namespace default --container c1 --ttl 60s",
    "lease list",
    "lease release 0192",
    "events -f --after 12",
    "config check kerf.toml",
    "config show",
    "sim machines",
    "sim create h100x8 /tmp/m --seed 7",
    "sim import-nccl topo.xml /tmp/m --seed 7",
    "sim import-nccl - /tmp/m",
    "sim show /tmp/m",
    "sim fault /tmp/m --gpu 3 lost",
    "sim fault /tmp/m --gpu 3 xid=79 --gi 2",
    "sim fault /tmp/m --gpu 3 gone",
    "sim fault /tmp/m --gpu 3 reset-required",
    "sim fault /tmp/m --driver hang",
    "sim fault /tmp/m --driver nvmlDeviceGetMigMode=999",
    "sim fault /tmp/m --driver nvmlGpuInstanceDestroy=19,1",
    "sim fault /tmp/m --driver nvmlDeviceSetMigMode=late:999,2",
    "sim fault /tmp/m --driver nvmlDeviceCreateGpuInstanceWithPlacement=forget",
    "sim fault /tmp/m --driver nvmlDeviceCreateGpuInstanceWithPlacement=elsewhere,1",
    "sim fault /tmp/m --driver nvmlDeviceGetUUID=delay:500",
    "sim fault /tmp/m --driver delay=500",
    "sim fault /tmp/m --driver slow-walk",
    "sim fault /tmp/m --driver old-driver",
    "sim fault /tmp/m --mps start=refuse,2",
    "sim fault /tmp/m --mps start=die:500",
    "sim fault /tmp/m --mps get_server_list=hang",
    "sim fault /tmp/m --mps clear",
    "sim fault /tmp/m --smi set-timeslice=ignore,1",
    "sim mps-client /run/kerf/mps/x/pipe --uid 1000 --memory 4GiB --sm 20",
    "sim mps-client /run/kerf/mps/x/pipe --fault",
    "sim policy /tmp/m --mig-uuid stable --ampere-mode reset-required --memory uneven",
    "sim policy /tmp/m --persistence-daemon on --drm off",
    "sim reload /tmp/m",
    "sim load /tmp/m --gpu 0 --gi 1 --sm 80 --memory 4GiB --pid 42",
    "sim load /tmp/m --clear",
    "sim reset /tmp/m --gpu 0",
    "schema job",
    "completion bash",
    "manual /tmp/pages",
];

#[test]
fn every_spelling_of_the_manual_reads() {
    for line in SPELLINGS {
        check(line, true);
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    for line in [
        "",
        "statsu",
        "device attach web-1",
        "device attach web-1 1g.10gb --lease 0192",
        "device attach web-1 --lease 0192 --wait 5m",
        "device detach",
        "plan",
        "plan layout.yaml --gpu 0",
        "plan --gpu 0",
        "plan --slices 1g.10gb",
        "sim fault /tmp/m --mps start=die",
        "sim fault /tmp/m --mps strat=refuse",
        "sim fault /tmp/m --mps set-timeslice=refuse",
        "sim fault /tmp/m --smi start=refuse",
        "sim fault /tmp/m --smi set_timeslice=refuse",
        "sim fault /tmp/m --mps quit=die:5",
        "sim fault /tmp/m --mps get_server_list=hang,2",
        "sim fault /tmp/m --smi list=refuse,0",
        "sim fault /tmp/m --smi list=refuse --mps clear",
        "plan --gpu 0 --slices 1g.10gb --mig-off",
        "plan --gpu 0 --mig-off --select x",
        "run --image a -i -- sh",
        "run --image a sleep",
        "run --accel 1g.banana --image a",
        "submit -f job.yaml --image a",
        "jobs --all 0192",
        "lease create 1g.10gb --namespace default",
        "lease create 1g.10gb --ttl 0s",
        "sim fault /tmp/m",
        "sim fault /tmp/m lost",
        "sim fault /tmp/m --gpu 3",
        "sim fault /tmp/m --gpu 3 lost --driver hang",
        "sim fault /tmp/m --gpu 3 xid",
        "sim fault /tmp/m --driver nvmlDeviceGetMigMode",
        "sim fault /tmp/m --driver libc=1",
        "sim fault /tmp/m --driver nvmlDeviceGetMigMode=late:",
        "sim fault /tmp/m --driver nvmlDeviceGetMigMode=19,0",
        "sim fault /tmp/m --driver delay=soon",
        "sim policy /tmp/m",
        "sim policy /tmp/m --drm perhaps",
        "sim load /tmp/m --gpu 0",
        "nodes 0192",
        "nodes forget",
        "cluster",
        "cluster join gpu-1",
        "cluster token",
        "cluster token create --ttl soon",
        "cluster revoke",
        "keyring use",
        "keyring remove",
        "explain",
        "logs --member x 0192",
        "schema slice",
        "completion tcsh",
    ] {
        check(line, false);
    }
}

#[test]
fn a_command_that_no_tool_has_is_told_with_those_that_it_has() {
    let words = "kerf sim fault /tmp/m --smi timeslice=ignore".split(' ');
    let error = Cli::try_parse_from(words).expect_err("no such command");
    let text = error.to_string();
    let said = "a command of nvidia-smi expected, found \"timeslice\": \
                set-timeslice, list, compute-mode";
    assert!(text.contains(said), "{text}");
}

#[test]
fn wrong_usage_has_its_exit_code_and_run_has_its_own() {
    let code = |line: &str| {
        let words: Vec<OsString> = std::iter::once("kerf")
            .chain(line.split_whitespace())
            .map(Into::into)
            .collect();
        let error = Cli::try_parse_from(&words).expect_err("it is wrong, or help");
        format!("{:?}", usage_code(&error, &words))
    };
    let expected = |code: u8| format!("{:?}", std::process::ExitCode::from(code));
    assert_eq!(code("plan"), expected(2));
    assert_eq!(code("--socket /x jobs --all 1"), expected(2));
    assert_eq!(code("run --wrong"), expected(125));
    assert_eq!(code("--socket /x -o json run --image"), expected(125));
    assert_eq!(code("run --help"), expected(0));
    assert_eq!(code("--version"), expected(0));
}

/// Lines of the page's blocks of commands and settings.
fn lines_of_migration() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/migration.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let blocks = page.split("```\n").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines);
    lines.map(str::to_owned).collect()
}

#[test]
fn every_command_and_setting_of_the_migration_page_is_one() {
    let lines = lines_of_migration();
    let without_comment = |line: &String| line.split(" #").next().unwrap_or_default().to_owned();
    let commands: Vec<String> = lines.iter().map(without_comment).collect();
    let ours = commands
        .iter()
        .filter_map(|line| line.strip_prefix("kerf "));
    let ours: Vec<&str> = ours.collect();
    assert!(ours.len() > 10, "{ours:?}");
    for line in ours {
        check(line, true);
    }
    let at = lines.iter().position(|line| line == "[partition]");
    let settings = lines[at.expect("the key")..][..2].join("\n");
    let path = std::path::Path::new("owner.toml");
    let file = crate::config::file::parse(path, &settings).expect("it reads");
    let config = file.resolve(std::path::Path::new("/usr/bin"), "h");
    assert_eq!(
        config.expect("good values").partition.owner,
        crate::config::Owner::Kerf
    );
}
