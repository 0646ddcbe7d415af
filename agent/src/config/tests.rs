//! Wrong files give one error with its line; right ones lie over each other.

use std::path::Path;

use super::file::{FileConfig, parse};

fn check_error(text: &str, expected: &str) {
    let error = parse(Path::new("kerf.toml"), text).expect_err("a wrong file");
    let help = miette::Diagnostic::help(&error)
        .map(|help| help.to_string())
        .unwrap_or_default();
    assert_eq!(format!("{error} | {help}"), expected);
}

#[test]
fn unknown_keys_name_their_line_and_the_nearest_key() {
    check_error(
        "[driver]\ncall_deadline = 3\n",
        "kerf.toml:2: unknown field `call_deadline`, expected one of `call_deadline_ms`, \
         `open_deadline_ms`, `step_deadline_ms`, `look_interval_ms`, `sample_interval_ms` | did you mean `call_deadline_ms`?",
    );
    check_error(
        "\n[launc]\n",
        "kerf.toml:2: unknown field `launc`, expected one of `host`, `paths`, `driver`, `partition`, `gpu_labels`, \
         `launch`, `access`, `metrics`, `web`, `peers` | did you mean `launch`?",
    );
}

#[test]
fn wrong_types_name_their_line() {
    let error = parse(Path::new("k"), "[partition]\non_demand = 1\n").expect_err("not a bool");
    assert_eq!(
        error.to_string(),
        "k:2: invalid type: integer `1`, expected a boolean"
    );
    let error = parse(Path::new("k"), "[partition\n").expect_err("not TOML");
    assert!(error.to_string().starts_with("k:1: "), "{error}");
}

#[test]
fn values_out_of_range_are_refused() {
    let file = parse(Path::new("k"), "[driver]\ncall_deadline_ms = 5\n").expect("it reads well");
    let error = file.resolve(Path::new("/usr/bin"), "h").expect_err("5 ms");
    assert_eq!(
        error.to_string(),
        "driver.call_deadline_ms: 5 is not between 100 and 3600000 milliseconds"
    );
    let file = parse(Path::new("k"), "[launch]\nimages = [\"a b\"]\n").expect("it reads well");
    let error = file
        .resolve(Path::new("/usr/bin"), "h")
        .expect_err("a space");
    assert!(error.to_string().starts_with("launch.images: "), "{error}");
}

#[test]
fn later_files_lie_over_earlier_ones_and_show_reads_back() {
    let mut file = parse(
        Path::new("a"),
        "[launch]\nnamespace = \"a\"\nhost_network = true\n",
    )
    .expect("first file");
    file.merge(parse(Path::new("b"), "[launch]\nnamespace = \"b\"\n").expect("second file"));
    let config = file
        .resolve(Path::new("/usr/bin"), "h")
        .expect("good values");
    assert_eq!(
        (config.launch.namespace.as_str(), config.launch.host_network),
        ("b", true)
    );
    let shown = toml::to_string(&FileConfig::from(&config)).expect("it can be shown");
    let again = parse(Path::new("shown"), &shown).expect("what is shown reads");
    assert_eq!(
        again.resolve(Path::new("/x"), "y").expect("good values"),
        config
    );
}

fn web(text: &str) -> Result<super::Web, String> {
    let file = parse(Path::new("k"), text).expect("it reads well");
    let config = file.resolve(Path::new("/usr/bin"), "h");
    config
        .map(|config| config.web)
        .map_err(|error| error.to_string())
}

#[test]
fn the_page_is_for_this_host_alone_unless_the_configuration_says_so() {
    let listen = |text: &str| web(text).map(|web| web.listen.map(|at| at.to_string()));
    assert_eq!(listen(""), Ok(Some("127.0.0.1:9452".to_owned())));
    assert_eq!(listen("[web]\nlisten = \"none\"\n"), Ok(None));
    let own = "[web]\nlisten = \"[::1]:80\"\n";
    assert_eq!(listen(own), Ok(Some("[::1]:80".to_owned())));
    for address in ["0.0.0.0:9452", "[::]:9452", "192.0.2.7:9452"] {
        let text = format!("[web]\nlisten = \"{address}\"\n");
        let refused = format!(
            "web.listen: {address} is not of this host alone, and the page has no log-in: whoever reaches it \
             reads it; say web.allow_remote = true if that is meant"
        );
        assert_eq!(listen(&text), Err(refused));
        let meant = format!("{text}allow_remote = true\n");
        assert_eq!(listen(&meant), Ok(Some(address.to_owned())));
    }
    let wrong = listen("[web]\nlisten = \"localhost\"\n").expect_err("no port");
    assert!(
        wrong.starts_with("web.listen: \"localhost\" is not an address"),
        "{wrong}"
    );
}
