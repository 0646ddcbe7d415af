//! The status page in a real browser: what it draws, that it follows changes, that keys reach everything.
//!
//! Pictures of it in both themes go to `target/page/`, for people to look at.

use std::path::PathBuf;

use kerf_tests::world::IMAGE;
use kerf_tests::{Capability, Scratch, process, require, tree};
use nvidia_ml::control::{FaultRequest, fault};
use serde_json::{Value, json};

use super::browser::Browser;
use super::client::layout;
use super::world::{QUICK, World};

/// A usual screen.
pub const SIZE: (u32, u32) = (1440, 900);

/// A telephone, for those who are on call.
pub const SMALL: (u32, u32) = (390, 844);

fn page(world: &World) -> String {
    format!("http://{}/", world.kerfd.web_address())
}

/// Opens the page and waits until it is drawn and follows the stream.
fn open(browser: &mut Browser, world: &World) {
    browser.visit(&page(world), SIZE, "light");
    browser.until("document.querySelector('#live')?.dataset.state === 'live'");
}

/// Waits until the drawing of a GPU has this many slices in a state.
fn until_slices(browser: &mut Browser, gpu: u32, state: &str, count: usize) {
    let selector = format!("[data-gpu='{gpu}'] button[data-state='{state}'][data-key*='.0-']");
    browser.until(&format!(
        "document.querySelectorAll(\"{selector}\").length === {count}"
    ));
}

/// Keeps a picture for people.
pub fn keep(name: &str, picture: &[u8]) {
    assert_eq!(picture.get(1..4), Some(b"PNG".as_slice()));
    let folder: PathBuf = tree::target_dir().expect("a build folder").join("page");
    std::fs::create_dir_all(&folder).expect("it takes folders");
    std::fs::write(folder.join(name), picture).expect("it takes files");
}

#[test]
fn a_browser_draws_the_host_and_follows_it() {
    if !require(Capability::Chromium) {
        return;
    }
    let Some(world) = World::bare("h100x8", QUICK) else {
        return;
    };
    let scratch = Scratch::new("kb").expect("/tmp takes folders");
    let mut browser = Browser::start(scratch.path());
    open(&mut browser, &world);
    assert_eq!(
        browser.eval("document.querySelectorAll('article.gpu').length"),
        json!(8)
    );
    assert_eq!(
        browser.eval("document.querySelectorAll('.node').length"),
        json!(2)
    );
    let fabric = browser.eval("document.querySelector('.fabric').textContent");
    assert_eq!(
        fabric,
        json!("NVLink joins every GPU to every other by 18 links")
    );
    let peers = browser.eval("document.querySelector('#peers').textContent");
    assert_eq!(peers, json!("This host runs alone."));

    // No reload: the stream brings the slices.
    let wanted = layout(&[(&["2"], &[("1g.10gb", 3), ("2g.20gb", 1), ("1g.20gb", 1)])]);
    world.client.apply(wanted).expect("it is applied");
    until_slices(&mut browser, 2, "free", 5);
    let labels = browser.eval(
        "[...document.querySelectorAll('[data-gpu=\"2\"] .slice')].map((one) => one.ariaLabel)",
    );
    let first = labels[0].as_str().expect("a label");
    assert!(
        first.ends_with(" of GPU 2, free") && first.contains("g."),
        "{labels}"
    );
    let lease = world
        .client
        .lease("2g.20gb", "default", "web-1")
        .expect("a lease");
    until_slices(&mut browser, 2, "reserved", 1);
    let held = browser.eval("document.querySelector('#leases tbody th').textContent");
    assert_eq!(held, json!(lease.id));
    let lost = FaultRequest::Lost { gpu: 5 };
    fault(&world.kerfd.machine(), lost).expect("the machine takes it");
    browser.until("document.querySelectorAll('#trouble .ill').length > 0");
    browser.until("document.querySelector('[data-gpu=\"5\"]').classList.contains('sick')");

    keys(&mut browser);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// Every slice is reached and opened by keys, and a change of the host does not take the focus away.
fn keys(browser: &mut Browser) {
    browser.eval("document.querySelector('#legend').scrollIntoView(); document.body.focus()");
    browser.eval("document.querySelector('.skip').focus()");
    let on_slice = "document.activeElement.matches('[data-gpu=\"2\"] .slice')";
    for _ in 0..40 {
        browser.press("Tab", 9);
        if browser.eval(on_slice) == Value::Bool(true) {
            break;
        }
    }
    assert_eq!(
        browser.eval(on_slice),
        json!(true),
        "Tab reaches the slices of GPU 2"
    );
    browser.press("Enter", 13);
    browser.until("!document.querySelector('#details').hidden");
    let told = browser.eval("document.querySelector('#details').textContent");
    let told = told.as_str().expect("text");
    assert!(
        told.contains("on GPU 2") && told.contains("kerf.dev/slice="),
        "{told}"
    );
    browser.press("Escape", 27);
    browser.until("document.querySelector('#details').hidden");
    assert_eq!(browser.eval(on_slice), json!(true), "the focus is back");
    let unnamed = "[...document.querySelectorAll('button, a, table')].filter((one) => \
                   !(one.ariaLabel || one.textContent.trim())).length";
    assert_eq!(browser.eval(unnamed), json!(0));
}

/// Submits a job that runs a shell script.
fn submit(world: &World, accelerator: &str, script: &str) {
    let mut kerf = world.kerfd.kerf().expect("it is built");
    kerf.args([
        "submit",
        "--accel",
        accelerator,
        "--image",
        IMAGE,
        "--",
        "sh",
        "-c",
        script,
    ]);
    process::run(&mut kerf).expect("it is taken");
}

/// A host with everything that the page draws.
fn busy(world: &World) {
    let slices = layout(&[
        (&["0"], &[("1g.10gb", 2), ("2g.20gb", 1), ("3g.40gb", 1)]),
        (&["1"], &[("1g.10gb", 7)]),
        (&["2"], &[("3g.40gb", 2)]),
        (&["4"], &[("7g.80gb", 1)]),
        (&["5"], &[("1g.20gb", 2), ("2g.20gb", 1)]),
    ]);
    world.client.apply(slices).expect("it is applied");
    for (id, ask) in [
        ("c0", "1g.10gb"),
        ("c1", "1g.10gb"),
        ("c2", "3g.40gb"),
        ("c3", "7g.80gb"),
    ] {
        world.start(id, ask);
    }
    for (ask, container) in [("1g.20gb", "web-1"), ("gpu:1", "web-2")] {
        world
            .client
            .lease(ask, "default", container)
            .expect("a lease");
    }
    submit(world, "2g.20gb", "exec sleep 600");
    submit(world, "1g.10gb", "exec sleep 600");
    submit(world, "1g.10gb", "exit 3");
    submit(world, "gpu:8", "true");
    world.until("jobs that run, wait and have ended", || {
        let text = process::run(world.kerfd.kerf().expect("kerf").args(["jobs", "--all"]));
        let text = text.unwrap_or_default();
        let count = |word: &str| text.matches(word).count();
        count("running") >= 2 && count("failed") >= 1 && count("pending") >= 1
    });
}

#[test]
fn a_busy_host_is_drawn_in_both_themes() {
    if !require(Capability::Chromium) {
        return;
    }
    let Some(world) = World::new("h100x8", QUICK) else {
        return;
    };
    busy(&world);
    let scratch = Scratch::new("kb").expect("/tmp takes folders");
    let mut browser = Browser::start(scratch.path());
    open(&mut browser, &world);
    assert_eq!(
        browser.eval("document.querySelectorAll('article.gpu').length"),
        json!(8)
    );
    for state in ["leased", "reserved", "free"] {
        let slices = world.client.slices().into_iter();
        let count = slices.filter(|slice| slice.state == state).count();
        let drawn = format!(".slice[data-state='{state}'][data-key*='.0-']");
        let expression = format!("document.querySelectorAll(\"{drawn}\").length === {count}");
        browser.until(&expression);
    }
    let shown = browser.eval("document.querySelectorAll('.slice[data-key*=\"-\"]').length");
    assert_eq!(shown, json!(world.client.slices().len()));
    let jobs =
        browser.eval("document.querySelector('#leases').innerText.split('job 0').length - 1");
    assert_eq!(jobs, json!(2), "the jobs that run hold leases");
    let text = browser.eval("document.body.innerText");
    let text = text.as_str().expect("text");
    assert!(
        !text.contains("busybox") && !text.contains("sleep"),
        "{text}"
    );
    for theme in ["light", "dark"] {
        browser.theme(theme);
        keep(&format!("{theme}.png"), &browser.screenshot());
    }
    let lost = FaultRequest::Lost { gpu: 6 };
    fault(&world.kerfd.machine(), lost).expect("the machine takes it");
    browser.until("document.querySelectorAll('#trouble .ill').length > 0");
    browser.eval("document.querySelector('[data-gpu=\"2\"] .slice').click()");
    keep("trouble.png", &browser.screenshot());
    browser.visit(&page(&world), SMALL, "dark");
    browser.until("document.querySelector('#live')?.dataset.state === 'live'");
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(
        browser.eval(fits),
        json!(true),
        "something sticks out of a small screen"
    );
    keep("small.png", &browser.screenshot());
    assert_eq!(browser.complaints, Vec::<String>::new());
}
