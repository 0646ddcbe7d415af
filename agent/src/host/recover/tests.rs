//! Which interrupted work waits for which GPU.

use kerf_types::inventory::Health;
use kerf_types::{Gpu, Inventory, Timestamp};

use super::{awaited, is_covered};
use crate::host::fixture;
use crate::store::Work;

fn gpu(index: u32, health: Health) -> Gpu {
    Gpu {
        health,
        ..fixture::gpu(index)
    }
}

fn cut(gpu: u32) -> Work {
    Work::Cut {
        gpu: format!("0000:1{gpu}:00.0"),
        placement: "0:1".to_owned(),
        profile: 19,
        compute: None,
    }
}

fn layout(gpus: &str) -> Work {
    of_rule(&format!(r#""gpus": {gpus}, "mig": true"#))
}

fn of_rule(rule: &str) -> Work {
    let text = format!(r#"{{"schema": "kerf.v1.Layout", "rules": [{{{rule}}}]}}"#);
    kerf_api::json::layout::parse(&text).expect("a layout");
    Work::Layout {
        generation: 1,
        layout: text,
        allow_reset: false,
        force: Vec::new(),
        places: None,
        history: None,
    }
}

#[test]
fn a_silent_gpu_holds_up_the_work_that_is_about_it_and_no_other() {
    let since = Timestamp(0);
    let operation = "observe".to_owned();
    for silent in [
        Health::Unresponsive { since, operation },
        Health::ResetRequired { since },
    ] {
        let inventory = Inventory {
            host: "test".to_owned(),
            driver: None,
            gpus: vec![gpu(0, Health::Ok), gpu(1, silent), gpu(2, Health::Ok)],
            amd: Vec::new(),
            numa_nodes: Vec::new(),
            nics: Vec::new(),
            problems: Vec::new(),
            map: Default::default(),
        };
        let known = |work| awaited(&work, &inventory, (&[], true)).is_empty();
        assert_eq!([cut(0), cut(1), cut(2)].map(known), [true, false, true]);
        let waits = awaited(&layout("\"all\""), &inventory, (&[], true));
        assert_eq!(waits, ["GPU 0000:11:00.0"]);
        let layouts = ["[0, 2]", "[1]", "\"all\""];
        assert_eq!(
            layouts.map(|gpus| known(layout(gpus))),
            [true, false, false]
        );
        let unreadable = Work::Layout {
            generation: 1,
            layout: "no layout".to_owned(),
            allow_reset: false,
            force: Vec::new(),
            places: None,
            history: None,
        };
        assert!(
            known(unreadable),
            "it is given up rather than kept for ever"
        );
    }
    let well = Inventory {
        host: "test".to_owned(),
        driver: None,
        gpus: vec![gpu(0, Health::Ok)],
        amd: Vec::new(),
        numa_nodes: Vec::new(),
        nics: Vec::new(),
        problems: Vec::new(),
        map: Default::default(),
    };
    let unread = ["0000:13:00.0".parse().expect("an address")];
    let known = |work| awaited(&work, &well, (&unread, true)).is_empty();
    assert_eq!([cut(0), cut(3)].map(known), [true, false]);
    assert!(!known(layout("[0]")), "the unread one may be GPU 0");
    let amd = r#""gpus": "all", "amd": {"compute": "cpx"}"#;
    let waits = |work| awaited(&work, &well, (&[], false));
    assert_eq!(waits(of_rule(amd)), ["the AMD GPUs"]);
    let known = |work| waits(work).is_empty();
    assert_eq!([layout("[0]"), of_rule(amd)].map(known), [true, false]);
}

#[test]
fn an_interrupted_cut_of_a_part_is_kept_for_a_lease_on_it_and_not_for_its_siblings() {
    let leased = |starts: &[u8]| {
        let subjects: Vec<_> = starts
            .iter()
            .map(|start| fixture::subject(*start))
            .collect();
        is_covered(fixture::part(1), &subjects)
    };
    assert!(leased(&[0, 1]));
    assert!(!leased(&[0, 2]));
    let whole = fixture::part(1).whole();
    assert!(is_covered(whole, &[fixture::subject(0)]));
    let gpu = kerf_types::lease::Subject::Gpu {
        gpu: whole.gpu,
        uuid: fixture::gpu(0).uuid,
        share: None,
    };
    assert!(is_covered(fixture::part(1), &[gpu]));
}
