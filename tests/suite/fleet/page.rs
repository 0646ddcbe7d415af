//! The status page of a host with peers: who they are, how they are, and where this host's jobs run.
//!
//! Pictures of it in both themes go to `target/page/`, for people to look at.

use kerf_tests::world::Fleet;
use kerf_tests::{Capability, Scratch, require};
use serde_json::{Value, json};

use super::spec::Spec;
use super::world::{of, until};
use crate::host::browser::Browser;
use crate::host::page::{SIZE, SMALL, keep};

#[test]
fn peers_and_the_hosts_of_jobs_are_shown_and_followed() {
    if !require(Capability::Chromium) {
        return;
    }
    let Some(mut fleet) = of(&["h100x8", "a100x8", "h100x1"]) else {
        return;
    };
    let jobs = jobs(&fleet);
    let scratch = Scratch::new("kb").expect("/tmp takes folders");
    let mut browser = Browser::start(scratch.path());
    let page = format!("http://{}/", fleet.host(3).expect("host 3").web_address());
    browser.visit(&page, SIZE, "light");
    browser.until("document.querySelector('#live')?.dataset.state === 'live'");
    browser.until("document.querySelectorAll('#peers [data-word=alive]').length === 2");
    assert_eq!(text(&mut browser, "#peers-note"), "2 of 2 alive");
    // Its hosts prove who they are, so nothing is to be said of connections that prove nothing.
    assert_eq!(text(&mut browser, "#trouble"), "Everything is well");
    let first = cells(&mut browser, "#peers tbody tr:nth-child(1)");
    assert_eq!(first[..3], ["alive", "node-1", "8 x H100 80GB HBM3"]);
    for (id, hosts) in &jobs {
        assert_eq!(hosts_of(&mut browser, id), *hosts, "{id}");
    }
    for theme in ["light", "dark"] {
        browser.theme(theme);
        keep(&format!("fleet-{theme}.png"), &browser.screenshot());
    }

    fleet.host_mut(2).expect("host 2").kill9().expect("it goes");
    browser.until("document.querySelectorAll('#peers [data-word=down]').length === 1");
    assert_eq!(text(&mut browser, "#peers-note"), "1 of 2 alive");
    let trouble = text(&mut browser, "#trouble");
    assert!(
        trouble.to_string().contains("1 of 2 peers does not answer"),
        "{trouble}"
    );
    // What a dead host said last is not what it has.
    let stale = "document.querySelectorAll('#peers tbody tr:nth-child(2) td .dim').length";
    assert_eq!(browser.eval(stale), json!(3));
    keep("fleet-down.png", &browser.screenshot());

    browser.visit(&page, SMALL, "dark");
    browser.until("document.querySelector('#live')?.dataset.state === 'live'");
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    let why = "something sticks out of a small screen";
    assert_eq!(browser.eval(fits), json!(true), "{why}");
    keep("fleet-small.png", &browser.screenshot());
    assert_eq!(browser.complaints, Vec::<String>::new());
    drop(browser);
    fleet.stop().expect("nothing is left");
}

/// Submits jobs on host 3; each with the hosts that the page is to show for it.
fn jobs(fleet: &Fleet) -> Vec<(String, &'static str)> {
    // No host has ten whole GPUs; one that has two joined by NVLink computes in FP8; none has eight left.
    let pair = Spec::new("exec sleep 600").asks("gpu:5").with("members", 2);
    let pair = pair.submit(fleet, 3);
    until(fleet, 3, &pair, "running");
    let waits = Spec::new("true").asks("gpu:8").submit(fleet, 3);
    let ended = Spec::new("exit 5").asks("fp8,nvlink:2").submit(fleet, 3);
    until(fleet, 3, &ended, "failed");
    vec![(pair, "node-1, node-2"), (ended, "node-1"), (waits, "–")]
}

/// What stands in the column of hosts for a job, in the order of the names.
fn hosts_of(browser: &mut Browser, id: &str) -> String {
    let head = cells(browser, "#jobs thead tr");
    let at = head.iter().position(|name| name == "Host");
    let at = at.expect("a column of hosts");
    let rows = "[...document.querySelectorAll('#jobs tbody tr')]";
    let row = format!("{rows}.find((row) => row.innerText.includes('{id}'))");
    browser.until(&format!("{row} !== undefined"));
    let shown = browser.eval(&format!("{row}.children[{at}].innerText"));
    let mut hosts: Vec<&str> = shown.as_str().expect("a text").split(", ").collect();
    hosts.sort_unstable();
    hosts.join(", ")
}

/// The text of an element.
fn text(browser: &mut Browser, selector: &str) -> Value {
    browser.eval(&format!("document.querySelector('{selector}').textContent"))
}

/// The text of each cell of a row of a table.
fn cells(browser: &mut Browser, row: &str) -> Vec<String> {
    let cells = format!("[...document.querySelectorAll('{row} > *')]");
    let texts = browser.eval(&format!("{cells}.map((one) => one.innerText)"));
    let texts = texts.as_array().expect("a list").iter();
    let text = |text: &Value| text.as_str().expect("a text").to_owned();
    texts.map(text).collect()
}
