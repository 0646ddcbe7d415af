//! A host runs alone unless it is told otherwise, and nothing listens by accident.

use std::path::Path;

use super::Peers;
use crate::config::Config;
use crate::config::file::{FileConfig, parse};

fn config_on(kernel: &str, text: &str) -> Result<Config, String> {
    let file = parse(Path::new("k"), text).expect("it reads well");
    file.resolve(Path::new("/usr/bin"), kernel)
        .map_err(|error| error.to_string())
}

fn peers(text: &str) -> Result<Peers, String> {
    config_on("node-1", text).map(|config| config.peers)
}

#[test]
fn a_host_runs_alone_unless_it_is_told_otherwise() {
    let alone = config_on("Not A Label", "").expect("alone, any name will do");
    assert_eq!((alone.peers.listen, alone.peers.name.clone()), (None, None));
    let text = "[peers]\nlisten = \"10.0.0.7:9451\"\njoin = [\"gpu-2:9451\", \"[::1]:9451\"]\n";
    let found = peers(text).expect("good values");
    assert_eq!(found.listen, "10.0.0.7:9451".parse().ok());
    assert_eq!(found.join.len(), 2);
    assert_eq!(found.certificate_lifetime.as_secs(), 86_400);
    let short = peers("[peers]\ncertificate_lifetime_s = 30\n").expect("the shortest");
    assert_eq!(short.certificate_lifetime.as_secs(), 30);
}

#[test]
fn values_that_nobody_could_use_are_refused() {
    let check = |text: &str, expected: &str| {
        let error = peers(&format!("[peers]\n{text}\n")).expect_err("a wrong value");
        assert_eq!(error, expected, "{text}");
    };
    check(
        "listen = \"0.0.0.0:9451\"",
        "peers.listen: 0.0.0.0:9451 is no address that a peer could send to: set peers.advertise to the one that \
         they reach this host by",
    );
    check(
        "advertise = \"0.0.0.0\"",
        "peers.advertise: 0.0.0.0:0 is no address that a peer could send to",
    );
    check(
        "advertise = \"gpu-1\"",
        "peers.advertise: \"gpu-1\" is not an IP address, with a port or without",
    );
    for wrong in ["gpu-1", ":9451", "gpu-1:0", "gpu-1:port"] {
        check(
            &format!("join = [{wrong:?}]"),
            &format!("peers.join: {wrong:?} is not a host with a port, like gpu-1.example:9451"),
        );
    }
    check(
        "cluster = \"\"",
        "peers.cluster: \"\" is not a name of 1 to 128 printable characters",
    );
    for wrong in ["29", "2592001"] {
        check(
            &format!("certificate_lifetime_s = {wrong}"),
            &format!("peers.certificate_lifetime_s: {wrong} is not between 30 and 2592000 seconds"),
        );
    }
    let any = "[peers]\nlisten = \"[::]:0\"\nadvertise = \"10.0.0.7\"\n";
    let found = peers(any).expect("it says how it is reached");
    assert_eq!(found.advertise, "10.0.0.7:0".parse().ok());
}

#[test]
fn the_kernels_name_is_made_to_fit_and_a_chosen_one_is_not() {
    let name = |kernel: &str, host: &str| {
        let text = format!("{host}\n[peers]\nlisten = \"127.0.0.1:0\"\n");
        let name = config_on(kernel, &text)?.peers.name;
        Ok::<_, String>(name.map(|name| name.to_string()))
    };
    let label = Some("gpu-7".to_owned());
    assert_eq!(name("GPU-7.rack.example", ""), Ok(label.clone()));
    assert_eq!(name("any thing", "[host]\nname = \"gpu-7\""), Ok(label));
    let error = name("x", "[host]\nname = \"GPU-7\"").expect_err("upper case");
    assert!(error.starts_with("host.name: "), "{error}");
    let error = name("a_b", "").expect_err("an underscore");
    assert!(
        error.starts_with("host.name: the kernel's name of this host does not do: "),
        "{error}"
    );
}

#[test]
fn a_fleet_is_told_by_a_hash_of_its_name() {
    let id = |name: &str| {
        let text = format!("[peers]\ncluster = {name:?}\n");
        peers(&text).expect("a good name").cluster_id().0
    };
    // printf kerf | sha256sum
    let usual = peers("").expect("the usual one").cluster_id().0;
    assert_eq!(format!("{usual:032x}"), KERF);
    assert_eq!(id("kerf"), usual);
    assert_ne!(id("other"), usual);
}

const KERF: &str = "ffc73d5ae8541990e4166e58bcbc85bf";

#[test]
fn what_is_shown_reads_back_the_same() {
    let text = "[host]\nlabels = { zone = \"a\" }\nprice_milli_per_hour = 2500\n\
                [peers]\nlisten = \"127.0.0.1:0\"\nadvertise = \"127.0.0.1\"\njoin = [\"h:1\"]\ncluster = \"c\"\n";
    let config = config_on("node-1", text).expect("good values");
    assert_eq!(config.labels.get("zone").map(String::as_str), Some("a"));
    assert_eq!(config.price, Some(2_500));
    let shown = toml::to_string(&FileConfig::from(&config)).expect("it can be shown");
    assert_eq!(config_on("other", &shown), Ok(config));
}

#[test]
fn labels_have_the_bounds_of_a_record() {
    let check = |labels: &str, expected: &str| {
        let text = format!("[host]\nlabels = {{ {labels} }}\n");
        assert_eq!(config_on("h", &text).expect_err("a wrong value"), expected);
    };
    let long = "x".repeat(129);
    check(
        &format!("a = {long:?}"),
        "host.labels: the value of label \"a\" has 129 bytes, at most 128 are told",
    );
    check("\"\" = \"a\"", "host.labels: a label has no name");
    check(
        &format!("{long} = \"a\""),
        "host.labels: a label has a name of 129 bytes, at most 128 are told",
    );
    let many: Vec<String> = (0..65).map(|at| format!("l{at} = \"\"")).collect();
    check(
        &many.join(", "),
        "host.labels: 65 labels, at most 64 are told",
    );
}
